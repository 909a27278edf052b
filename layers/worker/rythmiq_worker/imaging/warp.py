"""A large picture through a homography, strip by strip, so that it never exists three times."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Matrix = NDArray[np.float64]

_STRIP_ROWS: Final = 256
_KERNEL_PX: Final = 3  # what a cubic filter reaches beyond a place, and a pixel for rounding


def warped(
    image: Image.Image, matrix: Matrix, size_px: tuple[int, int], fill: tuple[int, int, int] | None = None
) -> Image.Image:
    """See a picture through a homography, with a cubic filter.

    Args:
        image: RGB.
        matrix: 3 x 3, from pixels of the result to pixels of the picture.
        size_px: of the result: width, height.
        fill: what lies beyond the picture; None: its border goes on.

    Returns:
        RGB.
    """
    width_px, height_px = size_px
    canvas = Image.new("RGB", size_px)
    for top in range(0, height_px, _STRIP_ROWS):
        bottom = min(height_px, top + _STRIP_ROWS)
        left, upper, right, lower = _reach(matrix, (0, top, width_px, bottom), image.size)
        patch = np.asarray(image.crop((left, upper, right, lower)), dtype=np.uint8)
        inner = np.array([[1, 0, -left], [0, 1, -upper], [0, 0, 1]], np.float64)
        lowered = np.array([[1, 0, 0], [0, 1, top], [0, 0, 1]], np.float64)
        strip = cv2.warpPerspective(
            patch,
            inner @ matrix @ lowered,
            (width_px, bottom - top),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT,
            borderValue=fill or (0, 0, 0),
        )
        canvas.paste(Image.fromarray(strip.astype(np.uint8, copy=False)), (0, top))
    return canvas


def _reach(matrix: Matrix, box: tuple[int, int, int, int], size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the picture that a part of the result is made of; at least a pixel."""
    left, top, right, bottom = box
    corners = np.array([[(left, top), (right, top), (right, bottom), (left, bottom)]], np.float64)
    seen = cv2.perspectiveTransform(corners, matrix)[0]
    low, high = np.floor(seen.min(axis=0)) - _KERNEL_PX, np.ceil(seen.max(axis=0)) + _KERNEL_PX
    x0, y0 = (int(min(max(low[axis], 0), size_px[axis] - 1)) for axis in (0, 1))
    x1, y1 = (int(min(max(high[axis], start + 1), size_px[axis])) for axis, start in ((0, x0), (1, y0)))
    return x0, y0, x1, y1
