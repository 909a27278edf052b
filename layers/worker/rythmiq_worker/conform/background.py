"""How plain and light the background of a portrait is, on the ring where no person stands.

The ring is the top 6 % of the picture and the outer 8 % of its upper 45 %, less an ellipse around the head: on a close
portrait hair reaches into it. It is white when its L* has a lower quartile above 88 and its chroma an upper quartile
below 8; light when L* is above 70 and chroma below 14 (docs/decisions.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.engines.faces import Box

_TOP, _SIDE, _UPPER = 0.06, 0.08, 0.45
_HEAD_ACROSS, _HEAD_DOWN, _LEAST_RING = 0.50, 0.60, 0.10
_WHITE = (88.0, 8.0)
_LIGHT = (70.0, 14.0)

# IEC 61966-2-1 and CIE 15: linear sRGB to XYZ over the white of D65.
_SRGB_TOE, _LAB_TOE = 0.04045, 0.008856
_XYZ_FROM_RGB = np.array(
    [
        [0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456],
        [0.212671, 0.715160, 0.072169],
        [0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754],
    ],
    dtype=np.float32,
)


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
    return Background(_quantile(lightness, 0.25), _quantile(chroma, 0.75))


def lightness_and_chroma(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """CIE L* and C*ab, for the white of D65, of sRGB pixels.

    Not OpenCV's conversion: its tables take 70 to 100 ms to build, more than a whole resize. A test holds the two to
    the same figures.

    Args:
        rgb: N x 3, uint8.
    """
    share = np.arange(256, dtype=np.float32) / 255
    linear = np.where(share <= _SRGB_TOE, share / 12.92, ((share + 0.055) / 1.055) ** 2.4).astype(np.float32)
    x, y, z = _XYZ_FROM_RGB @ linear[rgb].T
    x, y, z = (np.where(t > _LAB_TOE, np.cbrt(t), t * 903.3 / 116 + 16 / 116) for t in (x, y, z))
    return 116 * y - 16, np.hypot(500 * (x - y), 200 * (y - z))


def _quantile(values: NDArray[np.float32], share: float) -> float:
    """The value below which a share lies; numpy's own imports 20 ms of numpy first."""
    index = min(values.size - 1, int(values.size * share))
    return float(np.partition(values, index)[index])
