"""What the executor suite needs of each executor: the adapter, and a hand on what it starts."""

from typing import Protocol

from rythmiq.ports import Executor, Order


class ExecutorRig(Protocol):
    """An executor whose launchers end when the suite says so.

    A rig runs two launchers at once; what is given beyond that waits.
    """

    @property
    def executor(self) -> Executor:
        """The adapter under test."""

    @property
    def absent(self) -> Executor:
        """The same adapter, talking to nobody."""

    def until_started(self, *orders: Order) -> None:
        """Return once each order's launcher runs."""

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let the launchers of an order end."""

    def starts(self, order: Order) -> int:
        """How many launchers of an order run."""
