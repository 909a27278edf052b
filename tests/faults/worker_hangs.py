"""A worker that hangs, deaf to SIGTERM, with a helper that left its session; says who they are in `hanging-pids`."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True, stdin=subprocess.DEVNULL
)
partial = Path(tempfile.gettempdir()) / "hanging-pids.partial"
partial.write_text(f"{os.getpid()} {helper.pid}", encoding="ascii")
partial.replace(partial.with_suffix(""))
sys.stderr.write('{"event":"stage","stage":"ocr","state":"start"}\n')
sys.stderr.flush()
while True:
    signal.pause()
