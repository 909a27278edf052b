"""A text engine that works, but prints: through Python, and as native code does, past it."""

import os

from rythmiq_worker.engines import TextLine

CORNERS = ((0.0, 0.0), (9.0, 0.0), (9.0, 5.0), (0.0, 5.0))


class Chatty:
    """Prints, then answers."""

    def read(self, _image: object) -> list[TextLine]:
        """Print on both outputs, then answer with one line."""
        print("loading model ... {}")  # noqa: T201  the fault itself
        os.write(1, b'{"lines": []}\n')
        os.write(2, b"warning: SECRET TEXT OF THE PAGE\n")
        return [TextLine("read all the same", 0.5, CORNERS)]


def load(_choice: object) -> Chatty:
    return Chatty()
