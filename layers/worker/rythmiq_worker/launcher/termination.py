"""SIGTERM and SIGINT to the launcher: noted, never lost, and noticed by whatever waits."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TerminatedError(Exception):
    """A call that is not worth finishing was given up because of a signal."""


class Termination:
    """Whether somebody wants this process gone.

    Attributes:
        received: whether a signal has come.
    """

    def __init__(self) -> None:
        self.received = False
        self._at_s = 0.0
        self._abandons = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def install(self) -> None:
        """Take the signals from now on, also when whoever started us had blocked them."""
        for number in SIGNALS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def fileno(self) -> int:
        """Readable once a signal has come; a selector may wait for it."""
        return self._reader

    def since_s(self) -> float:
        """Seconds since the first signal; 0 before one."""
        return time.monotonic() - self._at_s if self.received else 0.0

    def wait(self, timeout_s: float) -> bool:
        """Pause, and end the pause when a signal comes; whether one has come, now or before."""
        if self.received:
            time.sleep(timeout_s)
        else:
            select.select([self._reader], [], [], timeout_s)
        return self.received

    @contextlib.contextmanager
    def abandons(self) -> Iterator[None]:
        """Within this context a signal raises TerminatedError wherever the program is."""
        if self.received:
            raise TerminatedError
        self._abandons = True
        try:
            yield
        finally:
            self._abandons = False

    def _note(self, _number: int, _frame: object) -> None:
        if not self.received:
            self.received, self._at_s = True, time.monotonic()
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"\0")
        if self._abandons:
            self._abandons = False
            raise TerminatedError
