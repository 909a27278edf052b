"""Measurements and corrections of pictures, whatever the slot.

Here is the arithmetic of pixels that they share: CIE L*a*b* of sRGB for the white of D65, quantiles, Otsu's threshold.
Not OpenCV's conversion: its tables take 70 to 100 ms to build, more than a whole resize. A test holds the two to the
same figures.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
_LUMINANCE = _XYZ_FROM_RGB[1]


def lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE L*, a*, b* of pixels.

    Args:
        rgb: any shape x 3, uint8, sRGB.

    Returns:
        The same shape, float32: L* 0..100.
    """
    flat = _linear()[rgb.reshape(-1, 3)]
    x, y, z = (_root(plane) for plane in _XYZ_FROM_RGB @ flat.T)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1).reshape(rgb.shape)


def lightness(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIE L* of pixels, at a third of the cost of all three.

    Args:
        rgb: any shape x 3, uint8, sRGB.

    Returns:
        The shape without its last axis, float32, 0..100.
    """
    flat = _linear()[rgb.reshape(-1, 3)] @ _LUMINANCE
    return np.asarray(116 * _root(flat) - 16, np.float32).reshape(rgb.shape[:-1])


def lightness_and_chroma(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """CIE L* and C*ab of pixels.

    Args:
        rgb: N x 3, uint8, sRGB.
    """
    planes = lab(rgb)
    return planes[..., 0], np.hypot(planes[..., 1], planes[..., 2])


def quantile(values: NDArray[Any], share: float) -> float:
    """The value below which a share of at least one value lies, without interpolation.

    Not numpy's own: its median and percentile import 20 ms of numpy first.
    """
    index = min(values.size - 1, int(values.size * share))
    return float(np.partition(values, index, axis=None)[index])


def otsu_threshold(levels: NDArray[np.uint8]) -> int:
    """The level that cuts pixels into the two parts that are most alike within (Otsu, 1979).

    Args:
        levels: any shape, also that of pixels chosen by a mask, which OpenCV's own does not take.
    """
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    below, moment = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    weights = below * (below[-1] - below)
    apart = (moment[-1] * below / below[-1] - moment) ** 2
    return int(np.divide(apart, weights, out=np.zeros(256), where=weights > 0).argmax())


def _root(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(plane > _LAB_TOE, np.cbrt(plane), plane * np.float32(903.3 / 116) + np.float32(16 / 116))


@lru_cache(maxsize=1)
def _linear() -> NDArray[np.float32]:
    share = np.arange(256, dtype=np.float32) / 255
    return np.where(share <= _SRGB_TOE, share / 12.92, ((share + 0.055) / 1.055) ** 2.4).astype(np.float32)
