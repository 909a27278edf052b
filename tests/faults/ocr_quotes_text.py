"""A text engine that quotes, in its error, what it has read."""


class Quoting:
    """Raises an error with recognised text in it."""

    def read(self, _image: object) -> None:
        """Raise."""
        raise RuntimeError("cannot encode 'AADHAAR 1234 5678 9012'")


def load(_choice: object) -> Quoting:
    return Quoting()
