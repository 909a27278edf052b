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
_CHROMA_WEIGHT: Final = 1.5  # a shadow changes lightness more than hue


@dataclass(frozen=True, slots=True)
class Look:
    """A picture, small.

    Attributes:
        colours: h x w x 3, uint8, RGB.
        lab: h x w x 3, float32: L* and 1.5 times a* and b*, a little softened.
    """

    colours: Colours
    lab: Lab

    @property
    def size(self) -> Points:
        """Width and height in pixels."""
        height, width = self.lab.shape[:2]
        return np.array([width, height], np.float64)

    @property
    def long_px(self) -> int:
        """The long side."""
        return int(max(self.lab.shape[:2]))

    def pixels(self, shares: Points) -> Points:
        """Places in the look, whose first pixel's middle is 0, 0."""
        return shares * self.size - 0.5

    def shares(self, pixels: Points) -> Points:
        """Places in the look as shares of width and height."""
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
    """Make the small copy.

    Args:
        glance: RGB.
    """
    small = glance.copy()
    small.thumbnail((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX)
    colours = np.asarray(small, dtype=np.uint8)
    soft = cv2.GaussianBlur(colours, (0, 0), 0.8).astype(np.float32) / 255
    lab = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[:, :, 1:] *= _CHROMA_WEIGHT
    return Look(colours, lab)
