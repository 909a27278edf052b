"""STDIN, STDOUT and STDERR: one JSON document in, one out, whatever a library or a picture prints.

At the start the real fd 1 is moved away and fd 1 points at STDERR (the idea is OCRmyPDF's), so that a `printf` in
native code cannot corrupt the answer. This module imports the standard library alone: with it the worker answers even
where nothing else of ours can be imported.

Source: docs/specification/worker.md.
"""

import contextlib
import os

MAX_PAYLOAD_BYTES = 1024 * 1024
_READ_BYTES = 64 * 1024

# What is said when not even a failure can be put together: imports that fail, no memory left.
LAST_RESORT = (
    b'{"status":"failed","job_id":null,"error":{"code":"INTERNAL_ERROR","stage":"init",'
    b'"message":"the worker could not run","retryable":true}}'
)


class GuardedStdout:
    """Owns the real STDOUT; everybody else's goes to STDERR."""

    def __init__(self) -> None:
        _open_missing()
        self._fd = os.dup(1)  # not inherited by the processes we start
        os.dup2(2, 1)

    def write(self, document: bytes) -> None:
        """Write the one document, whole, and close; a reader that has gone is nobody to report to."""
        rest = memoryview(document)
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.close(self._fd)


def read_document() -> bytes:
    """Read STDIN to its end, but never more than one byte above the bound; what cannot be read is empty."""
    parts: list[bytes] = []
    left = MAX_PAYLOAD_BYTES + 1
    with contextlib.suppress(OSError):
        while left and (part := os.read(0, min(left, _READ_BYTES))):
            parts.append(part)
            left -= len(part)
    return b"".join(parts)


def log_line(line: str) -> None:
    """Write one line to STDERR at once; a log that nobody takes must not fail a job."""
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode())


def _open_missing() -> None:
    """Open what the caller closed, so that no other file becomes STDIN, STDOUT or STDERR by chance."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
