"""Memory runs out while the picture is judged."""

from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def failing(*_anything: object) -> None:
    """Ask for more than there is."""
    bytearray(1 << 62)


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import quality

        vars(quality)["quality"] = failing

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
