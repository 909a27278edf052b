"""The clock of this machine."""

import datetime as dt
import time


class SystemClock:
    """Implements `ports.Clock`."""

    def now(self) -> dt.datetime:
        """The present instant, UTC."""
        return dt.datetime.now(tz=dt.UTC)

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))
