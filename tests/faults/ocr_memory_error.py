"""A text engine that asks for more memory than there is."""


class Greedy:
    """Wants an exbibyte."""

    def read(self, _image: object) -> None:
        """Raise a real MemoryError."""
        bytearray(1 << 60)


def load(_choice: object) -> Greedy:
    return Greedy()
