"""One JSON document in, one JSON document out, whatever a library prints.

The idea is OCRmyPDF's: at the start the real fd 1 is moved away and fd 1 points at STDERR, so that a `printf` in native
code cannot corrupt the answer.
"""

import os
import sys
from typing import BinaryIO

MAX_PAYLOAD_BYTES = 1024 * 1024


class GuardedStdout:
    """Owns the real STDOUT; everybody else's goes to STDERR."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._fd = os.dup(1)
        os.set_inheritable(self._fd, False)  # noqa: FBT003  the call takes it by position
        os.dup2(2, 1)

    def write(self, document: bytes) -> None:
        """Write the one document, whole.

        Raises:
            OSError: whoever should read it has gone.
        """
        rest = memoryview(document)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        os.close(self._fd)


def read_document(stream: BinaryIO) -> bytes:
    """Read STDIN to its end, but never more than one byte above the bound."""
    return stream.read(MAX_PAYLOAD_BYTES + 1)
