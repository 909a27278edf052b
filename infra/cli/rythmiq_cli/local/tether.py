"""Processes that end when the one that started them ends, even by SIGKILL.

A `Tether` starts one small process, in a session of its own, that holds the reading end of a pipe and receives the PID
of each process to watch. When the pipe closes without a goodbye, its owner was killed: every process that is left gets
SIGTERM and, after a grace period, SIGKILL, by process group where it leads one. This works for a process that another
one started (the database's server), for any thread that starts one, and wherever there are pipes; `PR_SET_PDEATHSIG`
does neither.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from typing import Self

GRACE_S = 5.0


class Tether:
    """Watches processes until it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603  this file, by this interpreter
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def hold(self, pid: int) -> None:
        """Watch a process."""
        self._send_line(f"+{pid}")

    def let_go(self, pid: int) -> None:
        """Stop watching a process that has ended."""
        self._send_line(f"-{pid}")

    def close(self) -> None:
        """Stop watching; processes that are still watched are left running."""
        self._send_line("bye")
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send_line(self, line: str) -> None:
        stream = self._process.stdin
        if stream is None:
            raise AssertionError("the pipe was asked for")
        with self._lock, contextlib.suppress(BrokenPipeError, ValueError):
            stream.write(f"{line}\n".encode())
            stream.flush()


def end_processes(pids: Iterable[int], grace_s: float = GRACE_S) -> None:
    """SIGTERM to each, and after the grace SIGKILL to what is left. They need not be our children."""
    left = set(pids)
    for pid in left:
        _send(pid, signal.SIGTERM)
        _send(pid, signal.SIGCONT)  # one that was paused must be resumed to receive it
    ends_at = time.monotonic() + grace_s
    while left and time.monotonic() < ends_at:
        time.sleep(0.05)
        left = {pid for pid in left if is_alive(pid)}
    for pid in left:
        _send(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process is there; one that has ended and was not waited for may still be."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def main() -> int:
    """Watch processes until the pipe on STDIN closes."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    held: dict[int, None] = {}
    for line in sys.stdin:
        word = line.strip()
        if word == "bye":
            return 0
        if word.startswith("+"):
            held[int(word)] = None
        else:
            held.pop(-int(word), None)
    end_processes(held)
    return 0


if __name__ == "__main__":
    sys.exit(main())
