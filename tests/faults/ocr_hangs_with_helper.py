"""A text engine that starts a helper process, says who that is in the FIFO `helper-pid`, and hangs."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Never

from tests.faults.ocr_hangs import Hanging


class HangingWithHelper(Hanging):
    """Would leave a process behind if it alone were killed."""

    def read(self, image: object) -> Never:
        """Start the helper, then hang."""
        helper = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        (Path(tempfile.gettempdir()) / "helper-pid").write_text(str(helper.pid), encoding="ascii")
        super().read(image)


def load(_choice: object) -> HangingWithHelper:
    return HangingWithHelper()
