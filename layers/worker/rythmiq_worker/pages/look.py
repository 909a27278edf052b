"""A small copy of a picture, in which the edges of a page are looked for."""

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


def look_at(glance: Image.Image) -> Look:
    """Make the small copy, always of one size, so that a pixel of it means the same in every picture.

    Args:
        glance: RGB.
    """
    factor = _LOOK_PX / max(glance.size)
    size = (max(1, round(glance.width * factor)), max(1, round(glance.height * factor)))
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    colours = np.asarray(cv2.resize(np.asarray(glance, np.uint8), size, interpolation=way), np.uint8)
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
