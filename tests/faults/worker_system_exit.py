"""A library that ends the process, with an exit code of its own."""

import sys
from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def failing(*_anything: object) -> None:
    """Leave."""
    sys.exit(3)


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import schema

        vars(schema)["schema"] = failing

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
