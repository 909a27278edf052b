"""Pages in photographs: where one lies, how it is bent, and the page seen flat. No slot or receipt is known here.

`Look` is the small copy of a picture in which a page's edges are looked for, with what its border and print tell.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Colours = NDArray[np.uint8]
Lab = NDArray[np.float32]
Points = NDArray[np.float64]
"""N x 2: x, y."""

_LOOK_PX: Final = 640
_BLACK: Final = 12  # a level that no sensor gives all along a row
_CHROMA_WEIGHT: Final = 1.5  # a shadow changes lightness more than hue


@dataclass(frozen=True, slots=True)
class Look:
    """A picture, small.

    Attributes:
        colours: h x w x 3, uint8, RGB.
        lab: h x w x 3, float32: L* and 1.5 times a* and b*, a little softened.
        lit: left, top, right, bottom, in pixels, of what is no black bar that a program put beside the picture.
    """

    colours: Colours
    lab: Lab
    lit: tuple[int, int, int, int]

    @property
    def size(self) -> Points:
        """Width and height in pixels."""
        height, width = self.lab.shape[:2]
        return np.array([width, height], np.float64)

    @property
    def long_px(self) -> int:
        """The long side."""
        return int(max(self.lab.shape[:2]))

    def shares(self, pixels: Points) -> Points:
        """Places in the look, whose first pixel's middle is 0, 0, as shares of the picture."""
        return (pixels + 0.5) / self.size

    def at(self, points: Points) -> Lab:
        """Colours at places between pixels.

        Args:
            points: M x K x 2, pixels; beyond the border the border goes on.

        Returns:
            M x K x 3, float32.
        """
        across, down = points[..., 0].astype(np.float32), points[..., 1].astype(np.float32)
        found = cv2.remap(self.lab, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, np.float32)

    def shrunk(self, long_px: int) -> Colours:
        """Its colours at another size; never larger."""
        factor = self.long_px / long_px
        if factor <= 1:
            return self.colours
        width, height = (max(1, round(float(side) / factor)) for side in self.size)
        return np.asarray(cv2.resize(self.colours, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def look_at(thumbnail: Image.Image) -> Look:
    """Make the small copy, always of one size, so that a pixel of it means the same in every picture.

    Args:
        thumbnail: RGB.
    """
    factor = _LOOK_PX / max(thumbnail.size)
    size = (max(1, round(thumbnail.width * factor)), max(1, round(thumbnail.height * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    colours = np.asarray(cv2.resize(np.asarray(thumbnail, np.uint8), size, interpolation=way), np.uint8)
    soft = cv2.GaussianBlur(colours, (0, 0), 0.8).astype(np.float32) / 255
    lab = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[:, :, 1:] *= _CHROMA_WEIGHT
    return Look(colours, lab, _within_bars(colours))


def _within_bars(whole: Colours) -> tuple[int, int, int, int]:
    box: list[int] = []
    for axis in (0, 1):
        lit = np.flatnonzero(whole.max(axis=(axis, 2)) > _BLACK)
        box += [int(lit[0]), int(lit[-1]) + 1] if lit.size else [0, whole.shape[1 - axis]]
    left, right, top, bottom = box
    return left, top, right, bottom


_DESK_PX: Final = 320
_STROKE_PX: Final = 7
_INK_CONTRAST: Final = 18
_DENSITY_PX: Final = 15
_LEAST_DENSITY: Final = 0.12
_LEAST_PRINT: Final = 0.02  # of the picture
_RIM_SHARE: Final = 0.03
_UNLIKE: Final = 12.0  # of L*a*b*
_LEAST_UNLIKE: Final = 0.5  # of the border along one side
_LEAST_SIDES: Final = 3  # fewer have a coloured head and foot too
_MOST_UNLIKE_PRINT: Final = 0.5  # of what is printed on: beyond that it is no paper of one colour

_MIDDLE: Final = 0.2  # what is left out on each side: pictures are padded with bars
_MOST_EVEN: Final = 0.7


def is_drawn(thumbnail: Image.Image) -> bool:
    """Whether a picture is of a screen or a clean scan: most of it is perfectly even, which no sensor leaves."""
    gray = np.asarray(thumbnail.convert("L"), np.uint8)
    across, down = (round(_MIDDLE * side) for side in thumbnail.size)
    middle = np.ascontiguousarray(gray[down : gray.shape[0] - down, across : gray.shape[1] - across])
    return middle.size > 0 and bool((cv2.Laplacian(middle, cv2.CV_16S) == 0).mean() >= _MOST_EVEN)


def is_surrounded(look: Look) -> bool:
    """Whether a good part of the picture's border is not the paper that the print stands on."""
    colours = look.shrunk(_DESK_PX)
    gray = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
    kernel = np.ones((_STROKE_PX, _STROKE_PX), np.uint8)
    ink = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, kernel) > _INK_CONTRAST
    print_ = cv2.blur(ink.astype(np.float32), (_DENSITY_PX, _DENSITY_PX)) > _LEAST_DENSITY
    if print_.mean() < _LEAST_PRINT:
        return False
    bare = cv2.morphologyEx(colours, cv2.MORPH_CLOSE, kernel).astype(np.float32) / 255
    lab = cv2.cvtColor(bare, cv2.COLOR_RGB2LAB).astype(np.float32)
    off = lab - np.median(lab[print_], axis=0)
    off[:, :, 0] = np.where(off[:, :, 0] < 0, off[:, :, 0] / 2, off[:, :, 0])  # a page lies partly in shadow
    off[:, :, 1:] *= 1.5
    unlike = np.sqrt((off * off).sum(axis=2)) > _UNLIKE
    rim = max(2, round(_RIM_SHARE * max(gray.shape)))
    sides = (unlike[:rim], unlike[-rim:], unlike[:, :rim], unlike[:, -rim:])
    around = sum(float(side.mean()) >= _LEAST_UNLIKE for side in sides)
    return around >= _LEAST_SIDES and bool(unlike[print_].mean() <= _MOST_UNLIKE_PRINT)
