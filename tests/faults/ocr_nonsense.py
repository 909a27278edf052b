"""A text engine that answers with lines that cannot be: a confidence that is no number."""

from rythmiq_worker.engines import TextLine

CORNERS = ((0.0, 0.0), (9.0, 0.0), (9.0, 5.0), (0.0, 5.0))


class Nonsense:
    """Answers with a confidence of 7."""

    def read(self, _image: object) -> list[TextLine]:
        """Answer."""
        return [TextLine("sure", 7.0, CORNERS)]


def load(_choice: object) -> Nonsense:
    return Nonsense()
