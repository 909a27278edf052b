"""What a probe found, and what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Area = Literal["store", "database", "functions"]
State = Literal["ok", "warning", "broken", "unreachable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One probe's answer.

    Attributes:
        probe: its name, the same at every run.
        said: one clause that holds no secret.
        fix: what to do; empty when nothing is to be done.
    """

    area: Area
    probe: str
    state: State
    said: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes findings of one area."""

    area: Area

    def ok(self, probe: str, said: str) -> Finding:
        """It is as it should be."""
        return Finding(self.area, probe, "ok", said)

    def warning(self, probe: str, said: str, fix: str) -> Finding:
        """It works, and somebody should know."""
        return Finding(self.area, probe, "warning", said, fix)

    def broken(self, probe: str, said: str, fix: str) -> Finding:
        """It does not do what the service counts on."""
        return Finding(self.area, probe, "broken", said, fix)

    def unreachable(self, probe: str, said: str, fix: str) -> Finding:
        """It does not answer."""
        return Finding(self.area, probe, "unreachable", said, fix)


def probes_of(*probes: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Run one probe after the other."""
    for probe in probes:
        yield from probe()
