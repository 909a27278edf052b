"""How a program that holds others is told to stop: SIGINT, SIGTERM and SIGHUP unwind it once, as KeyboardInterrupt."""

import signal
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stop_by_signal() -> None:
    """Unwind at the first of these signals; whoever is impatient does not interrupt the tidying up."""
    for number in _SIGNALS:
        signal.signal(number, _stop)


def _stop(*_: object) -> NoReturn:
    for number in _SIGNALS:
        signal.signal(number, _ignored)  # not SIG_IGN, which processes that are started meanwhile would inherit
    raise KeyboardInterrupt


def _ignored(*_: object) -> None:
    """Somebody is tidying up already."""
