"""A text engine that runs an attacker's code: it tries everything, and reads what got through as text."""

from rythmiq_worker.engines import TextLine
from tests.faults.attacks import got_through, names

CORNERS = ((0.0, 0.0), (9.0, 0.0), (9.0, 5.0), (0.0, 5.0))


class TakenOver:
    """Attacks, then answers."""

    def read(self, _image: object) -> list[TextLine]:
        """Answer with the number of attacks, and each that got through."""
        return [TextLine(text, 1.0, CORNERS) for text in (str(len(names())), *got_through())]


def load(_choice: object) -> TakenOver:
    return TakenOver()
