"""Time: the interface that use cases take, and this machine's clock."""

import datetime as dt
import time
from functools import partial
from typing import Protocol


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
