"""A worker whose networks were never fetched, and a picture that is judged by one of them."""

from pathlib import Path
from typing import NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def judge(*_anything: object) -> None:
    """Ask for a network."""
    from rythmiq_worker import installation

    installation.find_model("face_landmark.tflite")


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from rythmiq_worker import installation
        from rythmiq_worker.stages import quality

        vars(installation)["built_in"] = lambda: Path("nowhere")
        vars(quality)["quality"] = judge

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
