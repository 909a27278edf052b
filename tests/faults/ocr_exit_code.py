"""A text engine whose library calls exit(3) in the middle of the work."""

import os


class Leaving:
    """Leaves with exit code 3."""

    def read(self, _image: object) -> None:
        """Leave."""
        os._exit(3)


def load(_choice: object) -> Leaving:
    return Leaving()
