"""How plain and light the background of a portrait is, on the ring where no person stands.

The ring is the top 6 % of the picture and the outer 8 % of its upper 45 %, less an ellipse around the head: on a close
portrait hair reaches into it. It is white when its L* has a lower quartile above 88 and its chroma an upper quartile
below 8; light when L* is above 70 and chroma below 14 (docs/decisions.md).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from rythmiq_worker.engines.faces import Box
from rythmiq_worker.people.cie import lightness_and_chroma, quantile

_TOP, _SIDE, _UPPER = 0.06, 0.08, 0.45
_HEAD_ACROSS, _HEAD_DOWN, _LEAST_RING = 0.50, 0.60, 0.10
_WHITE = (88.0, 8.0)
_LIGHT = (70.0, 14.0)


@dataclass(frozen=True, slots=True)
class Background:
    """CIE L* (lower quartile, 0..100) and chroma (upper quartile) of the ring."""

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


def background_of(image: Image.Image, head: Box | None = None) -> Background | None:
    """Measure the ring of an RGB picture.

    Args:
        image: the whole picture.
        head: the face's box in its pixels; the head around it is left out.

    Returns:
        None when the head leaves next to nothing of the ring.
    """
    small = image.convert("RGB")
    small.thumbnail((256, 256), Image.Resampling.BOX)
    rgb = np.asarray(small)
    height, width = rgb.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    sides = (columns < width * _SIDE) | (columns >= width * (1 - _SIDE))
    ring = (rows < height * _TOP) | (sides & (rows < height * _UPPER))
    whole = int(ring.sum())
    if head is not None:
        box = head.scaled(small.width / image.width)
        middle = (box.x + box.width / 2, box.crown_y + box.head_height_px / 2)
        across = (columns - middle[0]) / (_HEAD_ACROSS * box.head_height_px)
        down = (rows - middle[1]) / (_HEAD_DOWN * box.head_height_px)
        ring &= across**2 + down**2 > 1
    if ring.sum() < _LEAST_RING * whole:
        return None
    lightness, chroma = lightness_and_chroma(rgb[ring])
    return Background(quantile(lightness, 0.25), quantile(chroma, 0.75))
