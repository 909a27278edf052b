"""An image process in which a library has started a thread before the walls go up."""

import threading
from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""
    run_after(threading.Thread(target=threading.Event().wait, daemon=True).start, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
