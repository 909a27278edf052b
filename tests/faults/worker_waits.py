"""The worker itself, once somebody has opened the FIFO `gate`; says who it is in `waiting-pid`."""

import os
import tempfile
from pathlib import Path

from rythmiq_worker.__main__ import main

folder = Path(tempfile.gettempdir())
partial = folder / "waiting-pid.partial"
partial.write_text(str(os.getpid()), encoding="ascii")
partial.replace(partial.with_suffix(""))
with (folder / "gate").open("rb"):
    pass
main()
