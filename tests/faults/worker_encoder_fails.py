"""An encoder that gives up on the document."""

from typing import Never, NoReturn

from tests.faults.in_image_process import run_after, run_worker_with


def failing(*_anything: object, **_options: object) -> Never:
    """Raise what Pillow raises."""
    raise OSError("encoder error -2 when writing image file")


def main(arguments: list[str]) -> NoReturn:
    """Be the image process."""

    def change() -> None:
        from PIL import Image

        vars(Image)["Image"].save = failing

    run_after(change, arguments)


if __name__ == "__main__":
    run_worker_with(__file__)
