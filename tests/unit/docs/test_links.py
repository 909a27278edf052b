"""The link checker finds each kind of reference that leads nowhere, and passes over what leads somewhere."""

import subprocess
from pathlib import Path

import pytest

from docs.links import Repository, main

DOCS = "docs"
"""Apart from the names, so that the checker does not find what these tests hold."""
GOOD = {
    "README.md": f"# Home\n\n[p]({DOCS}/page.md), [part]({DOCS}/page.md#two-words), [below](#home), `core/code.py`\n",
    f"{DOCS}/page.md": "# Page\n\n## Two words\n\n## Two words\n\n[second](#two-words-1), [up](../README.md)\n",
    f"{DOCS}/decisions.md": "# Decisions\n\nIt was `core/gone.py`.\n",
    "core/code.py": f'"""Source: {DOCS}/page.md#two-words; https://example.org/{DOCS}/elsewhere.md."""\n',
    "core/rythmiq/__init__.py": "",
    "core/rythmiq/room.py": "# `rythmiq.room` has `rythmiq.room.THING`\nTHING = 1\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository in which every reference leads somewhere."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)  # noqa: S607  git is what lists the files
    for name, text in GOOD.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_what_leads_somewhere_is_passed_over(tree: Path) -> None:
    assert list(Repository(tree).findings()) == []
    assert main([str(tree)]) == 0


@pytest.mark.parametrize(
    ("name", "line", "named"),
    [
        ("README.md", f"[gone]({DOCS}/gone.md)", "gone.md"),
        ("README.md", f"[gone]({DOCS}/page.md#gone)", "#gone"),
        ("README.md", "[gone](#gone)", "#gone"),
        ("README.md", f"![picture]({DOCS}/gone.jpg)", "gone.jpg"),
        ("README.md", "[outside](../outside.md)", "../outside.md"),
        ("README.md", "see `core/gone.py`", "core/gone.py"),
        ("README.md", "    python core/gone.py", "core/gone.py"),
        (f"{DOCS}/page.md", f"[not from here]({DOCS}/page.md)", "page.md"),
        ("core/code.py", f"# {DOCS}/gone.md has the reason", "gone.md"),
        ("core/code.py", "# `rooms/gone.py` does the rest", "rooms/gone.py"),
        ("README.md", "as `gone.sql` says", "gone.sql"),
        ("core/code.py", "# `rythmiq.gone` does the rest", "rythmiq.gone"),
        ("core/code.py", "# `rythmiq.room.GONE` is its bound", "rythmiq.room.GONE"),
        ("core/code.py", f"# {DOCS}/page.md#gone has the reason", "#gone"),
        ("core/code.py", "# Source: " + "SPE" + "C 4", "C 4"),
        ("core/code.py", "# Source: " + "fact" + "s/camber.md", "camber"),
    ],
)
def test_what_leads_nowhere_is_found_where_it_is(
    tree: Path, capsys: pytest.CaptureFixture[str], name: str, line: str, named: str
) -> None:
    page = tree / name
    number = len(page.read_text(encoding="utf-8").splitlines()) + 1
    page.write_text(page.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    assert main([str(tree)]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{name}:{number}: ")
    assert named in told


def test_a_fenced_block_of_a_page_holds_no_links(tree: Path) -> None:
    page = tree / "README.md"
    page.write_text(page.read_text(encoding="utf-8") + "```\n[text](gone.md)\n```\n", encoding="utf-8")
    assert list(Repository(tree).findings()) == []
