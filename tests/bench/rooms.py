"""Draw product lines whose room a newcomer is to find: `python -m tests.bench.rooms SEED [--answers]`.

Each is shown as an editor shows it, without its file: with the class and function around it and the first sentence of
the innermost docstring. Whoever knows README.md and docs/architecture.md alone writes the room beside each; `--answers`
prints the rooms. Imports, docstrings and lines that name nothing of three letters are not drawn.
"""

import argparse
import ast
import keyword
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("core/rythmiq", "layers/worker/rythmiq_worker", "infra/cli/rythmiq_cli")
MANY = 20
_NAME = re.compile(r"[A-Za-z_]\w{2,}")
_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Line(NamedTuple):
    """A line of the product, and what stands around it."""

    room: str
    scope: str
    about: str
    text: str


def room_of(path: Path) -> str:
    """The room of a module: the package or the lone module right below one of the three packages."""
    package = next(package for package in PACKAGES if path.is_relative_to(package))
    return f"{Path(package).name}/{path.relative_to(package).parts[0].removesuffix('.py')}"


def lines_of(room: str, source: str) -> Iterator[Line]:
    """Yield the first line of each statement, written on one line."""
    tree = ast.parse(source)
    waiting: list[tuple[ast.AST, str, str]] = [(tree, "", _about(tree))]
    while waiting:
        node, scope, about = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _SCOPES):
                waiting.append((child, f"{scope}.{child.name}".lstrip("."), _about(child) or about))
                continue
            waiting.append((child, scope, about))
            if isinstance(child, ast.stmt) and not isinstance(child, ast.Import | ast.ImportFrom):
                text = ast.unparse(child).splitlines()[0]
                if not _is_text(child) and any(not keyword.iskeyword(name) for name in _NAME.findall(text)):
                    yield Line(room, scope or "the module", about, text)


def _about(node: ast.AST) -> str:
    text = ast.get_docstring(node) if isinstance(node, _SCOPES | ast.Module) else None
    return " ".join((text or "").partition("\n\n")[0].split())


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def draw(seed: int) -> list[Line]:
    """Draw MANY lines of the tree."""
    return random.Random(seed).sample(_everything(), MANY)  # noqa: S311  no secret


@cache
def _everything() -> list[Line]:
    return [
        line
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in lines_of(room_of(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
    ]


def main() -> None:
    """Print the lines, and the rooms if they are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("--answers", action="store_true", help="print the rooms as well")
    arguments = parser.parse_args()
    for number, line in enumerate(draw(arguments.seed), 1):
        print(f"{number:2}. {line.text}\n    in {line.scope}: {line.about}")
        if arguments.answers:
            print(f"    -> {line.room}")


if __name__ == "__main__":
    main()
