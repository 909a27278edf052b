"""A text engine that writes over every file it can reach, the result pipe too, and leaves with exit code 0."""

import contextlib
import os


class Scribbler:
    """Writes what is no JSON."""

    def read(self, _image: object) -> None:
        """Scribble and leave."""
        for fd in range(64):
            with contextlib.suppress(OSError):
                os.write(fd, b"\xff\x00<<garbage>>{")
        os._exit(0)


def load(_choice: object) -> Scribbler:
    return Scribbler()
