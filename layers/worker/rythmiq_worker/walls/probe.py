"""Finds which walls this machine lacks: a process is locked down, and reports those that are missing."""

import os
import time
from typing import NoReturn

from rythmiq_worker.walls.lockdown import WALLS, Room, die_with_parent, lock_down
from rythmiq_worker.walls.sibling import Program, Sibling, SiblingError, write_all

_PROGRAM = Program("rythmiq_worker.walls.probe")
_TIMEOUT_S = 10.0
_CPU_S = 5


def missing_walls() -> tuple[str, ...]:
    """Lock a process of its own down; return the names of the missing walls, in their order.

    Raises:
        OSError: the process could not be started, or did not answer.
    """
    with Sibling(_PROGRAM, ()) as process:
        try:
            reported = process.receive(time.monotonic() + _TIMEOUT_S).decode("ascii", "replace").split(",")
        except (SiblingError, TimeoutError) as error:
            raise OSError("the walled process did not answer") from error
    return tuple(name for name in WALLS if name in reported)


def main(arguments: list[str]) -> NoReturn:
    """Run in the process that is locked down."""
    _, answers, parent = (int(text) for text in arguments)
    die_with_parent(parent)
    missing = lock_down(Room(_CPU_S))
    write_all(answers, f"{','.join(missing)}\n".encode())
    os._exit(0)
