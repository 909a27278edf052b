"""Time."""

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Time, so that tests can set it."""

    def now(self) -> dt.datetime:
        """The present instant, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
