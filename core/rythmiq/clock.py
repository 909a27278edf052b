"""Time: the interface that use cases take, this machine's clock, deadlines, and the pause before a repeat."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, Self


class Clock(Protocol):
    """A source of time that tests can replace."""

    def now(self) -> dt.datetime:
        """Return the current time in UTC."""

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """Implements `Clock` on this machine."""

    now = staticmethod(partial(dt.datetime.now, dt.UTC))
    monotonic_s = staticmethod(time.monotonic)

    def sleep(self, seconds: float) -> None:
        """Wait; a negative time is none."""
        time.sleep(max(0.0, seconds))


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on a monotonic clock by which several steps together have to end.

    Attributes:
        ends_at: in seconds of that clock; infinite when nothing is bounded.
        monotonic_s: the clock.
    """

    ends_at: float
    monotonic_s: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, monotonic_s: Callable[[], float] = time.monotonic) -> Self:
        """Return the deadline that is so many seconds away."""
        return cls(monotonic_s() + seconds, monotonic_s)

    def within(self, other: Self) -> Self:
        """Return the sooner of two deadlines on one clock."""
        return self if self.ends_at <= other.ends_at else other

    @property
    def left_s(self) -> float:
        """Return the seconds that are left; negative once it has passed."""
        return self.ends_at - self.monotonic_s()

    def require(self, error: Callable[[str], Exception], message: str) -> float:
        """Return the seconds that are left.

        Raises:
            Exception: the one that `error` makes of `message`, when none are left.
        """
        left_s = self.left_s
        if left_s <= 0:
            raise error(message)
        return left_s


def backoff_s(repeat: int, *, first_s: float, longest_s: float = float("inf")) -> float:
    """Return the pause before a repeat, counted from 0: it doubles each time, up to `longest_s`."""
    return min(longest_s, first_s * 2.0**repeat)
