"""The strip at the foot of a photo: the person's name, and the date of the photo, dark on white.

The typeface is Source Sans Pro (SIL Open Font License), which the package `font-source-sans-pro` carries. Lines are
laid out by Pillow's own basic layout, so that the same words give the same pixels wherever the worker runs.
"""

import importlib.util
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from rythmiq.contracts.choices import Caption

_PACKAGE, _FILE = "font_source_sans_pro", "files/SourceSansPro-Regular.ttf"
_INK, _PAPER = (16, 16, 16), (255, 255, 255)
_LINE_HEIGHT = 1.2  # of the size of the letters
_MARGIN = 0.04  # of the strip's width, at either side
_LEAST_SIZE_PX = 6


def print_caption(image: Image.Image, caption: Caption, strip_px: int) -> None:
    """Print a caption into the lowest `strip_px` rows of an RGB picture, as large as fits.

    A long name is broken into two lines when it can be printed larger so.
    """
    lines, size_px = _fitted(caption, image.width * (1 - 2 * _MARGIN), strip_px)
    top = image.height - strip_px
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, top, image.width, image.height), fill=_PAPER)
    font = _font(size_px)
    left_over = strip_px - len(lines) * size_px * _LINE_HEIGHT
    for number, line in enumerate(lines):
        middle = top + left_over / 2 + (number + 0.5) * size_px * _LINE_HEIGHT
        pen.text((round(image.width / 2), round(middle)), line, font=font, fill=_INK, anchor="mm")


def date_words(date: str) -> str:
    """YYYY-MM-DD as it is printed: DD-MM-YYYY."""
    year, month, day = date.split("-")
    return f"{day}-{month}-{year}"


def _fitted(caption: Caption, width_px: float, height_px: int) -> tuple[list[str], int]:
    """The lines and the size at which they are largest."""
    date = date_words(caption.date)
    choices = [[*name, date] for name in _broken(caption.name)]
    sized = [(_largest(lines, width_px, height_px), -len(lines), lines) for lines in choices]
    size_px, _, lines = max(sized)
    return lines, size_px


def _broken(name: str) -> list[list[str]]:
    """The ways in which a name can be set: in one line, or broken at a space."""
    words = name.split(" ")
    halves = [[" ".join(words[:at]), " ".join(words[at:])] for at in range(1, len(words))]
    return [[name], *halves]


def _largest(lines: list[str], width_px: float, height_px: int) -> int:
    size_px = max(_LEAST_SIZE_PX, int(height_px / len(lines) / _LINE_HEIGHT))
    widest = max(_font(size_px).getlength(line) for line in lines)
    if widest > width_px:
        size_px = max(_LEAST_SIZE_PX, int(size_px * width_px / widest))
    return size_px


@lru_cache(maxsize=8)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_typeface()), size_px, layout_engine=ImageFont.Layout.BASIC)


def _typeface() -> Path:
    """The typeface's file; the package's code is not imported.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(
            f"{_PACKAGE}: install the worker's locked requirements (layers/worker/requirements.txt)"
        )
    return Path(spec.origin).parent / _FILE
