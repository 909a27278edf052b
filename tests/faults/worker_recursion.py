"""A stage that calls itself without end."""

from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def failing(*anything: object) -> None:
    """Never come back by itself."""
    failing(*anything)


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker.stages import enhance

        vars(enhance)["enhance"] = failing

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
