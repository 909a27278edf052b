"""A broken installation: the image process cannot import OpenCV."""

from typing import NoReturn

from rythmiq_worker.pixels import child_main
from tests.faults.in_image_process import broken_import, run_worker_with


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""
    broken_import("cv2")
    child_main.main(arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
