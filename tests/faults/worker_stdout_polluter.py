"""Libraries that print to STDOUT while a picture is decoded: from Python, from C, and at the end."""

import atexit
import ctypes
import os
import sys
from typing import Any, NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import decode

        read = decode.decode

        def polluting(*given: Any) -> object:
            atexit.register(print, "{}")
            sys.stdout.write("buffered, never flushed")
            print('{"status":"success"}', flush=True)  # noqa: T201  that is the fault
            ctypes.CDLL(None).puts(b"from C")
            ctypes.CDLL(None).fflush(None)
            ctypes.CDLL(None).puts(b"in the buffer of C, never flushed")
            os.write(1, b"\x00\xff\n")
            os.write(2, b'{"event":"stage","stage":"upload","state":"start","job_id":"forged"}\n')
            return read(*given)

        vars(decode)["decode"] = polluting

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
