"""Libraries that print to STDOUT while a picture is decoded: from Python, from C, from a child, and at the end."""

import atexit
import ctypes
import os
import subprocess
import sys

from rythmiq_worker.__main__ import main
from rythmiq_worker.job import Context, Decoded, Upload
from rythmiq_worker.stages import decode as stage

decode = stage.decode


def polluting(upload: Upload, ctx: Context) -> Decoded:
    """Print everywhere, then do the work."""
    atexit.register(print, "{}")
    sys.stdout.write("buffered, never flushed")
    print('{"status":"success"}', flush=True)  # noqa: T201  that is the fault
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    ctypes.CDLL(None).puts(b"in the buffer of C, never flushed")
    os.write(1, b"\x00\xff\n")
    subprocess.run(["/bin/echo", "from a child"], check=True)
    return decode(upload, ctx)


vars(stage)["decode"] = polluting
main()
