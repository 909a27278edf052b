"""`python -m rythmiq_worker`: one JSON document on STDIN, one on STDOUT, exit 0.

Source: docs/specification/worker.md.
"""

import gc
import os

# Imported modules stay, and were looked through for garbage again and again while they grow: 6 % of a photo job's CPU.
gc.set_threshold(200_000)
# Before numpy is imported: a pool of BLAS threads costs 100 ms and is never used.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
# Before pydantic is imported: it would look through every installed package for plugins, which takes 30 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Ditto: it names time zones, whose module would read how Python was built to find their files.
os.environ.setdefault("PYTHONTZPATH", "")

from typing import NoReturn  # noqa: E402  the lines above come first

from rythmiq.cold_start import defer  # noqa: E402  ditto

# A client of HTTP behind botocore's signer, certificates behind ciphers, methods that nobody calls.
defer()

from rythmiq_worker.stdio import LAST_RESORT, GuardedStdout, read_document  # noqa: E402  ditto
from rythmiq_worker.walls.lockdown import hide  # noqa: E402  ditto


def main() -> NoReturn:
    """Run one job, then leave without the interpreter's teardown: that takes 110 ms to free what the kernel frees."""
    hide()
    stdout = GuardedStdout()
    try:
        from rythmiq_worker.pipeline import answer  # noqa: PLC0415  whatever an import prints goes to STDERR

        document = answer(read_document(), os.environ)
    except BaseException:  # noqa: BLE001  every exit of the worker is one valid document
        document = LAST_RESORT
    stdout.write(document + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main()
