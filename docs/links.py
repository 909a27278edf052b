"""Checks the links of the repository's pages, docstrings and comments: `python -m docs.links [ROOT]`.

Checked are, in every tracked text file:

- links of Markdown pages to files and directories, and to headings of pages (`page.md#anchor`),
- paths of pages, with their anchors, wherever they are named (docstrings, comments, SQL, Makefile),
- other paths of the repository that a page names as code (`core/rythmiq/...`) or in an indented command; decisions and
  the changelog are history, so the paths in their text are not checked,
- source files that a page, docstring or comment names by the end of their path (`services/reconcile.py`),
- references to documents that the repository does not hold (`SPEC 4`, `facts/x.md`).

Ends with 1 and one line a finding, `file:line: what`, when something leads nowhere.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
HISTORY = frozenset({"CHANGELOG.md", "docs/decisions.md"})
EXPLAINED = frozenset(
    {
        "docs/links.py",
        "docs/specification/README.md",
        "infra/database/migrations/0001_tables.sql",
        "infra/database/schema.sql",
    }
)
"""Migrations are immutable once applied: docs/specification/README.md says what their "SPEC 8" means."""
_LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_DOCS = re.compile(r"(?<![\w./-])docs/[\w./-]+\.md(?:#[\w-]+)?")
_CODE_PATH = re.compile(r"`((?:core|docs|functions|infra|layers|tests)/[\w./-]+)`")
_SOURCE_FILE = re.compile(r"`(?!\S*NNNN|core/|docs/|functions/|infra/|layers/|tests/)([\w./-]*\w\.(?:py|sql|sh|toml))`")
_SHELL_PATH = re.compile(r"(?<![\w./-])(?:core|docs|functions|infra|layers|tests)/[\w./-]+\.\w+(?![\w/<*-])")
_ELSEWHERE = re.compile(r"\b(?:SPEC \d+|facts/[\w-]+)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
_OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:")


def tracked(root: Path) -> list[str]:
    """Names of the repository's files, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603  git
    return [name for name in listed.split("\0") if name and (root / name).is_file() and not (root / name).is_symlink()]


def findings(root: Path) -> Iterator[str]:
    """Say of each reference that leads nowhere where it is and what is wrong."""
    names = tracked(root)
    ends = frozenset(end for name in names for end in _ends(name))
    for name in names:
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        is_page = name.endswith(".md")
        for number, line in _lines(text, is_page=is_page):
            for problem in _problems(root, name, line, is_page=is_page):
                yield f"{name}:{number}: {problem}"
            for path in _SOURCE_FILE.findall(line) if name not in HISTORY and not name.startswith("tests/") else ():
                if path.lstrip("./") not in ends and not (root / path).exists():
                    yield f"{name}:{number}: there is no {path}"


def _ends(name: str) -> Iterator[str]:
    """Every way in which a file can be named by the end of its path."""
    parts = name.split("/")
    for start in range(len(parts)):
        yield "/".join(parts[start:])


def _lines(text: str, *, is_page: bool) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; of a page without its fenced blocks."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if is_page and line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def _problems(root: Path, name: str, line: str, *, is_page: bool) -> Iterator[str]:
    page = root / name
    links = [target for target in _LINK.findall(line) if not _OUTSIDE.match(target)] if is_page else []
    for target in links:
        yield from _dangling(root, page.parent, target, page)
    for target in set(_DOCS.findall(line)) - set(links):
        yield from _dangling(root, root, target, page)
    if is_page and name not in HISTORY:
        named = _CODE_PATH.findall(line) + (_SHELL_PATH.findall(line) if line.startswith("    ") else [])
        yield from (f"there is no {path}" for path in dict.fromkeys(named) if not (root / path).exists())
    if name not in EXPLAINED:
        yield from (f"{reference} is not in the repository" for reference in _ELSEWHERE.findall(line))


def _dangling(root: Path, folder: Path, target: str, page: Path) -> Iterator[str]:
    path, _, anchor = target.partition("#")
    found = (folder / path).resolve() if path else page
    if not found.exists() or not found.is_relative_to(root.resolve()):
        yield f"{target} leads nowhere"
    elif anchor and found.suffix == ".md" and anchor not in _anchors(found):
        yield f"{target}: there is no heading #{anchor}"


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The headings of a page as GitHub makes anchors of them."""
    found: list[str] = []
    seen = Counter[str]()
    for _, line in _lines(page.read_text(encoding="utf-8"), is_page=True):
        if heading := _HEADING.match(line):
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            found.append(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
    return frozenset(found)


def main(arguments: list[str] | None = None) -> int:
    """Print what leads nowhere."""
    given = sys.argv[1:] if arguments is None else arguments
    wrong = list(findings(Path(given[0]) if given else ROOT))
    for finding in wrong:
        print(finding, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
