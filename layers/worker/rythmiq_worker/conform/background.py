"""How plain and light the background of a portrait is, on the ring where no person stands.

The ring is the top 6 % of the picture and the outer 8 % of its upper 45 %. It is white when its L* has a tenth
percentile above 88 and its chroma a ninetieth below 8; light when the tenth percentile is above 70 and the chroma
below 14 (docs/decisions.md).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

_TOP, _SIDE, _UPPER = 0.06, 0.08, 0.45
_WHITE = (88.0, 8.0)
_LIGHT = (70.0, 14.0)


@dataclass(frozen=True, slots=True)
class Background:
    """CIE L* (tenth percentile, 0..100) and chroma (ninetieth percentile) of the ring."""

    lightness: float
    chroma: float

    @property
    def white(self) -> bool:
        """Whether it passes for white."""
        return self.lightness > _WHITE[0] and self.chroma < _WHITE[1]

    @property
    def light(self) -> bool:
        """Whether it passes for plain and light."""
        return self.lightness > _LIGHT[0] and self.chroma < _LIGHT[1]


def background_of(image: Image.Image) -> Background:
    """Measure the ring of an RGB picture."""
    small = image.convert("RGB")
    small.thumbnail((256, 256), Image.Resampling.BOX)
    rgb = np.asarray(small, dtype=np.float32) / 255
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    height, width = lab.shape[:2]
    top, side, upper = max(1, round(height * _TOP)), max(1, round(width * _SIDE)), max(1, round(height * _UPPER))
    ring = np.concatenate(
        [lab[:top].reshape(-1, 3), lab[top:upper, :side].reshape(-1, 3), lab[top:upper, -side:].reshape(-1, 3)]
    )
    chroma = np.hypot(ring[:, 1], ring[:, 2])
    return Background(float(np.percentile(ring[:, 0], 10)), float(np.percentile(chroma, 90)))
