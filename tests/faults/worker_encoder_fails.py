"""An encoder that gives up on the document."""

from typing import Never

from PIL import Image

from rythmiq_worker.__main__ import main


def failing(*_anything: object, **_options: object) -> Never:
    """Raise what Pillow raises."""
    raise OSError("encoder error -2 when writing image file")


Image.Image.save = failing  # type: ignore[method-assign]  # that is the fault
main()
