"""Paper behind ink: how bright it is at each place, and the picture divided by that, so that shadows go.

The paper's brightness is estimated on a small copy: a dilation wider than a stroke takes the ink away, a median the
specks. The division runs at full size in strips, so that a large page never exists three times.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colours = NDArray[np.uint8]

FIELD_PX: Final = 256
_STRIP_ROWS: Final = 512
_WHITE: Final = (255, 255, 255)
_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Paper:
    """The paper of a page.

    Attributes:
        field: its colour at each place, h x w x 3, uint8, RGB, with a long side of at most FIELD_PX.
        brightness: its luminance at each place, h x w, float32, 0..255.
    """

    field: Colours
    brightness: NDArray[np.float32]

    @property
    def level(self) -> float:
        """The luminance of well-lit paper: the 95th percentile."""
        return _percentile(self.brightness, 0.95)

    @property
    def low(self) -> float:
        """The luminance of its darkest part: the 5th percentile."""
        return _percentile(self.brightness, 0.05)

    @property
    def range(self) -> float:
        """How far its darkest part lies below its brightest, as a share: 0 when evenly lit."""
        return 1 - self.low / max(self.level, 1.0)


def find_paper(image: Image.Image, stroke_share: float) -> Paper:
    """Estimate the paper behind the ink of a picture.

    Args:
        image: RGB; a small copy is enough.
        stroke_share: the widest dark thing that is ink, as a share of the long side.
    """
    small = image.copy()
    small.thumbnail((FIELD_PX, FIELD_PX), Image.Resampling.BOX)
    colours = np.asarray(small, dtype=np.uint8)
    side = max(3, int(stroke_share * max(colours.shape[:2])) | 1)
    bare = cv2.medianBlur(cv2.dilate(colours, np.ones((side, side), np.uint8)), side)
    field = np.asarray(cv2.blur(bare, (side, side)), dtype=np.uint8)
    return Paper(field, np.asarray(field @ _LUMA, dtype=np.float32))


def divide(
    image: Image.Image,
    field: Colours,
    target: tuple[float, float, float],
    box: tuple[int, int, int, int] | None = None,
    keep: Colours | None = None,
) -> Image.Image:
    """Bring the paper of a picture to one colour, by division, and cut a box out.

    Args:
        image: RGB, full size.
        field: the paper's colour at each place, h x w x 3, uint8, any size, for the whole picture.
        target: the colour that paper becomes; above 255 it is white with a margin for its grain.
        box: left, top, right, bottom in pixels; what lies outside the picture is white. Default: all of it.
        keep: h x w, uint8, any size, for the whole picture: 255 where it stays, 0 where it becomes white. Default: all
            of it stays.
    """
    left, top, right, bottom = box or (0, 0, *image.size)
    canvas = Image.new("RGB", (right - left, bottom - top), _WHITE)
    paper = Image.fromarray(field)
    kept = None if keep is None else Image.fromarray(keep)
    inner_left, inner_right = max(0, left), min(image.width, right)
    for strip_top in range(max(0, top), min(image.height, bottom), _STRIP_ROWS):
        strip_bottom = min(image.height, bottom, strip_top + _STRIP_ROWS)
        strip = np.asarray(image.crop((inner_left, strip_top, inner_right, strip_bottom)), dtype=np.float32)
        size = (strip.shape[1], strip.shape[0])
        place = (
            inner_left / image.width,
            strip_top / image.height,
            inner_right / image.width,
            strip_bottom / image.height,
        )
        under = _part(paper, place, size)
        quotient = strip * (np.asarray(target, np.float32) / np.maximum(np.asarray(under, np.float32), 1))
        if kept is not None:
            share = np.asarray(_part(kept, place, size), np.float32)[:, :, None] / 255
            quotient = share * quotient + 255 * (1 - share)
        even = np.minimum(quotient + 0.5, 255).astype(np.uint8)
        canvas.paste(Image.fromarray(even), (inner_left - left, strip_top - top))
    return canvas


def _part(small: Image.Image, place: tuple[float, float, float, float], size: tuple[int, int]) -> Image.Image:
    """A part of a small copy, given in shares of its sides, at the size of the part itself."""
    left, top, right, bottom = place
    box = (left * small.width, top * small.height, right * small.width, bottom * small.height)
    return small.resize(size, Image.Resampling.BILINEAR, box=box)


def _percentile(values: NDArray[np.float32], share: float) -> float:
    index = min(values.size - 1, int(values.size * share))
    return float(np.partition(values, index, axis=None)[index])
