"""A text engine that closes the result pipe, as if it were done, and then hangs."""

import os
from typing import Never

from tests.faults.ocr_hangs import Hanging


class HangingAtExit(Hanging):
    """Says that it is done, and stays."""

    def read(self, image: object) -> Never:
        """Close every pipe, then hang."""
        os.closerange(3, 64)
        super().read(image)


def load(_choice: object) -> HangingAtExit:
    return HangingAtExit()
