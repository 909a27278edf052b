"""How a file of this folder takes the place of the image process's module, or part of a stage in it.

A test runs such a file in the worker's place. The file is then what the image process runs, too: by its name in a
variable of this process, which nothing from outside can set.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from rythmiq_worker.pixels import child_main
from rythmiq_worker.walls.lockdown import Room
from rythmiq_worker.walls.sibling import Program

ROOT = str(Path(__file__).parents[2])


def run_worker_with(file: str) -> NoReturn:
    """Run the worker, with this file as its image process."""
    from rythmiq_worker.__main__ import main
    from rythmiq_worker.pixels import process

    vars(process)["PROGRAM"] = Program(f"tests.faults.{Path(file).stem}", (ROOT,))
    main()


def run_after(change: Callable[[], object], arguments: list[str]) -> NoReturn:
    """Be the image process, with a change that is made when its code is imported and its walls are not up yet."""
    lock_down = vars(child_main)["lock_down"]

    def changed(room: Room) -> tuple[str, ...]:
        change()
        missing: tuple[str, ...] = lock_down(room)
        return missing

    vars(child_main)["lock_down"] = changed
    child_main.main(arguments)


def broken_import(package: str) -> None:
    """Have a package be one that is not installed."""

    class Missing(MetaPathFinder):
        """Finds nothing where one package should be."""

        def find_spec(
            self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
        ) -> ModuleSpec | None:
            """Say that it is not there."""
            if fullname.partition(".")[0] == package:
                raise ModuleNotFoundError(fullname)
            return None

    sys.meta_path.insert(0, Missing())
