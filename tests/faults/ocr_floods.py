"""A text engine whose answer never ends."""

from itertools import repeat

from rythmiq_worker.engines import TextLine

CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


class Flooding:
    """Answers with 200 MB."""

    def read(self, _image: object) -> list[TextLine]:
        """Answer with the same megabyte again and again."""
        return list(repeat(TextLine("flood " * 170_000, 1.0, CORNERS), 200))


def load(_choice: object) -> Flooding:
    return Flooding()
