"""A library that prints in the worker itself, while it fetches: from Python, and from a program."""

import subprocess

from rythmiq_worker.__main__ import main
from rythmiq_worker.job import Context, Upload
from rythmiq_worker.stages import fetch as stage

fetch = stage.fetch


def printing(ctx: Context) -> Upload:
    """Print, then do the work."""
    print("from a library", flush=True)  # noqa: T201  that is the fault
    subprocess.run(["/bin/echo", "from a child"], check=True)
    return fetch(ctx)


vars(stage)["fetch"] = printing
main()
