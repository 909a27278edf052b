"""An image process that waits for what never comes, as in a deadlock: it uses no CPU, and says nothing."""

import threading
from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with

PATIENCE_S = 2


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import quality

        vars(quality)["quality"] = lambda *_: threading.Event().wait()

    run_after(change, arguments)


if __name__ == "__main__":
    from rythmiq_worker.pixels import process

    vars(process)["WALL_S"] = PATIENCE_S
    run_worker_with(__file__)
