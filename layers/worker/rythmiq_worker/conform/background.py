"""How plain and light the rim of a picture is, where no person tells what is behind: signatures, thumbs, lost faces.

The rim is the top 6 % of the picture and the outer 8 % of its upper 45 %. It is white when its L* has a lower quartile
above 88 and its chroma an upper quartile below 8; light when L* is above 70 and chroma below 14 (docs/decisions.md).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from rythmiq_worker.people.cie import lightness_and_chroma, quantile

_TOP, _SIDE, _UPPER = 0.06, 0.08, 0.45
_WHITE = (88.0, 8.0)
_LIGHT = (70.0, 14.0)


@dataclass(frozen=True, slots=True)
class Rim:
    """CIE L* (lower quartile, 0..100) and chroma (upper quartile) of the rim."""

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


def rim_of(image: Image.Image) -> Rim:
    """Measure the rim of a picture."""
    small = image.convert("RGB")
    small.thumbnail((256, 256), Image.Resampling.BOX)
    rgb = np.asarray(small)
    height, width = rgb.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    sides = (columns < width * _SIDE) | (columns >= width * (1 - _SIDE))
    rim = (rows < height * _TOP) | (sides & (rows < height * _UPPER))
    lightness, chroma = lightness_and_chroma(rgb[rim])
    return Rim(quantile(lightness, 0.25), quantile(chroma, 0.75))
