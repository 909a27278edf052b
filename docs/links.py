"""Checks the links of the repository's pages, docstrings and comments: `python -m docs.links [ROOT]`.

Checked are, in every tracked text file:

- links of Markdown pages to files and directories, and to headings of pages (`page.md#anchor`),
- paths of pages, with their anchors, wherever they are named (docstrings, comments, SQL, Makefile),
- other paths of the repository that prose names as code, or a page in an indented command,
- source files that are named by the end of their path (`services/reconcile.py`),
- our modules and what they define (`rythmiq.contracts.keys`),
- references to documents that the repository does not hold (`SPEC 4`, `facts/x.md`).

Decisions and the changelog are history: of them only the links are checked. Names in tests may be made up, so of tests
only links and pages are checked. Ends with 1 and one line a finding, `file:line: what`, when something leads nowhere.
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
PACKAGES = {"rythmiq": "core", "rythmiq_worker": "layers/worker", "rythmiq_cli": "infra/cli"}

_TOP = r"(?:core|docs|functions|infra|layers|page|tests)/"
_LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:")
_PAGE = re.compile(r"(?<![\w./-])docs/[\w./-]+\.md(?:#[\w-]+)?")
_PATH = re.compile(rf"`({_TOP}[\w./-]+)`")
_PATH_IN_COMMAND = re.compile(rf"(?<![\w./-]){_TOP}[\w./-]+\.\w+(?![\w/<*-])")
_FILE = re.compile(rf"`(?!\S*NNNN|{_TOP})([\w./-]*\w\.(?:py|sql|sh|toml))`")
_MODULE = re.compile(r"`((?:rythmiq|rythmiq_worker|rythmiq_cli)(?:\.(?!js\b|d\b)\w+)+)`")
_ELSEWHERE = re.compile(r"\b(?:SPEC \d+|facts/[\w-]+)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")


class Repository:
    """The files of a repository, and the references in them.

    Args:
        root: where `git ls-files` lists them; what is not committed yet counts, too.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603  git
        paths = [(name, root / name) for name in listed.split("\0") if name]
        self._names = [name for name, path in paths if path.is_file() and not path.is_symlink()]
        self._ends = frozenset(
            name.split("/", start)[-1] for name in self._names for start in range(name.count("/") + 1)
        )

    def findings(self) -> Iterator[str]:
        """Say of each reference that leads nowhere where it is, and what is wrong."""
        for name in self._names:
            try:
                text = (self._root / name).read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # a picture
            for number, line in _lines(text, is_page=name.endswith(".md")):
                for problem in self._problems(name, line):
                    yield f"{name}:{number}: {problem}"

    def _problems(self, name: str, line: str) -> Iterator[str]:
        page = self._root / name
        links = [target for target in _LINK.findall(line) if not _OUTSIDE.match(target)] if name.endswith(".md") else []
        for target in links:
            yield from self._dangling(page.parent, target, page)
        for target in set(_PAGE.findall(line)) - set(links):
            yield from self._dangling(self._root, target, page)
        if name not in HISTORY and not name.startswith("tests/"):
            yield from (f"there is no {named}" for named in self._missing(name, line))
        if name not in EXPLAINED:
            yield from (f"{reference} is not in the repository" for reference in _ELSEWHERE.findall(line))

    def _missing(self, name: str, line: str) -> Iterator[str]:
        """Yield the paths, files and modules that a line names and that are not there."""
        paths = _PATH.findall(line)
        if name.endswith(".md") and line.startswith("    "):
            paths += _PATH_IN_COMMAND.findall(line)
        yield from (path for path in dict.fromkeys(paths) if not (self._root / path).exists())
        for file in _FILE.findall(line):
            if file.lstrip("./") not in self._ends and not (self._root / file).exists():
                yield file
        yield from (module for module in _MODULE.findall(line) if not self._defines(module))

    def _defines(self, dotted: str) -> bool:
        """Whether a dotted name is a module of ours, or a name that occurs in one."""
        package, *rest = dotted.split(".")
        place = self._root / PACKAGES[package] / package
        while rest and (place / rest[0]).is_dir():
            place /= rest.pop(0)
        is_file = bool(rest) and (place / f"{rest[0]}.py").is_file()
        module = place / (f"{rest.pop(0)}.py" if is_file else "__init__.py")
        return module.is_file() and (not rest or rest[0] in re.findall(r"\w+", module.read_text(encoding="utf-8")))

    def _dangling(self, folder: Path, target: str, page: Path) -> Iterator[str]:
        path, _, anchor = target.partition("#")
        found = (folder / path).resolve() if path else page
        if not found.exists() or not found.is_relative_to(self._root):
            yield f"{target} leads nowhere"
        elif anchor and found.suffix == ".md" and anchor not in _anchors(found):
            yield f"{target}: there is no heading #{anchor}"


def _lines(text: str, *, is_page: bool) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers; of a page without its fenced blocks."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if is_page and line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the headings of a page as GitHub makes anchors of them."""
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
    wrong = list(Repository(Path(given[0]) if given else ROOT).findings())
    for finding in wrong:
        print(finding, file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
