"""Count the product's code lines at two commits: `python -m tests.bench.code_lines BASE [HEAD]`.

A line counts after each file was parsed, stripped of docstrings and written again by `ast.unparse`: blank lines,
comments, docstrings and formatting do not count, and a statement is one line however it is wrapped. A line that left
the product and is new in another Python file of the tree (tests, say) has moved, and does not count as removed.
"""

import argparse
import ast
import statistics
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("core", "functions", "layers", "infra")
_REGULAR_FILES = ("100644", "100755")  # no links: what they lead to is counted where it is


@dataclass(frozen=True, slots=True)
class Tree:
    """The Python files of one commit: path to source."""

    product: Mapping[str, str]
    others: Mapping[str, str]

    @property
    def physical_lines(self) -> list[int]:
        """Physical lines of each product module, the empty ones left out."""
        return sorted(len(source.splitlines()) for source in self.product.values() if source.strip())


@dataclass(frozen=True, slots=True)
class Change:
    """Code lines of the product before and after, and those that only moved out of it."""

    before: int
    after: int
    moved: int

    @property
    def removed(self) -> int:
        """Lines removed net."""
        return self.before - self.after - self.moved


def code_lines(source: str) -> Counter[str]:
    """Return the normalised code lines of a module, without indentation."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            # Docstrings, also those of attributes.
            kept = [each for each in body if not _is_text(each)]
            node.body = kept or ([ast.Pass()] if body and not isinstance(node, ast.Module) else [])  # type: ignore[attr-defined]
    return Counter(line.strip() for line in ast.unparse(tree).splitlines() if line.strip())


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def change(base: Tree, head: Tree) -> Change:
    """Compare two trees."""
    before, after = _lines(base.product), _lines(head.product)
    moved = (before - after) & (_lines(head.others) - _lines(base.others))
    return Change(before.total(), after.total(), moved.total())


def _lines(files: Mapping[str, str]) -> Counter[str]:
    lines: Counter[str] = Counter()
    for source in files.values():
        lines.update(code_lines(source))
    return lines


def read_tree(commit: str, root: Path = ROOT) -> Tree:
    """Read every Python file of a commit."""
    listing = _git(root, "ls-tree", "-r", "-z", commit).decode().split("\0")
    entries = [entry.partition("\t") for entry in listing if entry]
    files = [
        (path, meta.split()[2])
        for meta, _, path in entries
        if path.endswith(".py") and meta.split()[0] in _REGULAR_FILES
    ]
    blobs = _git(root, "cat-file", "--batch", stdin="".join(f"{blob}\n" for _, blob in files).encode())
    product: dict[str, str] = {}
    others: dict[str, str] = {}
    for path, _ in files:
        head, _, blobs = blobs.partition(b"\n")
        size = int(head.split()[2])
        (product if path.split("/")[0] in PRODUCT else others)[path] = blobs[:size].decode()
        blobs = blobs[size + 1 :]
    return Tree(product, others)


def _git(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", str(root), *arguments], input=stdin, check=True, capture_output=True).stdout  # noqa: S607  the user's own git


def report(base: Tree, head: Tree) -> str:
    """Return what `main` prints."""
    counted = change(base, head)
    lines = [
        f"code lines   {counted.before} -> {counted.after}, {counted.moved} moved out of the product",
        f"removed net  {counted.removed}",
    ]
    for name, tree in (("base", base), ("head", head)):
        sizes = tree.physical_lines
        lines.append(
            f"{name}: {len(sizes)} modules (and {len(tree.product) - len(sizes)} empty), "
            f"median {statistics.median(sizes):g} physical lines, largest {sizes[-1]}"
        )
        rooms = Counter("/".join(path.split("/")[:2]) for path in tree.product if tree.product[path].strip())
        lines.append("  " + ", ".join(f"{room} {count}" for room, count in sorted(rooms.items())))
    largest = sorted(((len(source.splitlines()), path) for path, source in head.product.items()), reverse=True)[:5]
    return "\n".join([*lines, "largest now:", *(f"  {count:4} {path}" for count, path in largest)])


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", help="the commit to compare with")
    parser.add_argument("head", nargs="?", default="HEAD")
    arguments = parser.parse_args()
    print(report(read_tree(arguments.base), read_tree(arguments.head)))


if __name__ == "__main__":
    main()
