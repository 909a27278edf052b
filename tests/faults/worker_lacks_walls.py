"""A machine whose kernel has no Landlock, as the image process tells."""

from typing import NoReturn

from rythmiq_worker.pixels import child_main
from rythmiq_worker.walls import lockdown
from tests.faults.in_image_process import run_worker_with


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""
    vars(lockdown)["landlock_version"] = lambda _libc: 0
    child_main.main(arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
