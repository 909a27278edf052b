"""A page's outline in a picture, and the page seen from straight above."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import Image

from rythmiq_worker.imaging.warp import Matrix, warped
from rythmiq_worker.pages.look import Points

_ASPECT_TRUST: Final = 1.25
WHOLE: Final = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page's outline in a picture.

    Attributes:
        corners: 4 x 2, float64, shares of width and height: top left, top right, bottom right, bottom left.
        reach: the longer of its top and bottom, of its left and right, as shares of the picture's diagonal.
        tilt: how much its opposite sides differ, 0 for a rectangle.
        lean_deg: how far its top and bottom lean, clockwise.
        aspect: width over height of the page itself.
    """

    corners: Points
    reach: tuple[float, float]
    tilt: float
    lean_deg: float
    aspect: float

    def size_px(self, width_px: int, height_px: int) -> tuple[int, int]:
        """The size at which its nearest part keeps its pixels, within the pixels of a picture of this size."""
        across, down = (share * math.hypot(width_px, height_px) for share in self.reach)
        width = min(max(across, down * self.aspect), math.sqrt(width_px * height_px * self.aspect))
        return max(1, round(width)), max(1, round(width / self.aspect))

    def matrix(self, width_px: int, height_px: int) -> Matrix:
        """The homography from the page's pixels to those of a picture of this size."""
        across, down = self.size_px(width_px, height_px)
        flat = np.array([(0, 0), (across, 0), (across, down), (0, down)], np.float32)
        seen = (self.corners * (width_px, height_px)).astype(np.float32)
        return np.asarray(cv2.getPerspectiveTransform(flat, seen), np.float64)


def sheet_of(corners: Points, width_px: float, height_px: float) -> Sheet:
    """Make a sheet of its corners.

    Args:
        corners: 4 x 2, shares: top left, top right, bottom right, bottom left.
        width_px: of the picture, or of a copy of it at any size.
        height_px: ditto.
    """
    seen = corners * (width_px, height_px)
    top, right, bottom, left = (float(np.hypot(*(seen[(index + 1) % 4] - seen[index]))) for index in range(4))
    tilt = max(abs(top - bottom) / max(top, bottom, 1e-6), abs(left - right) / max(left, right, 1e-6))
    across = (seen[1] - seen[0]) / max(top, 1e-6) + (seen[2] - seen[3]) / max(bottom, 1e-6)
    lean = math.degrees(math.atan2(across[1], across[0]))
    simple = (top + bottom) / max(left + right, 1e-6)
    exact = _true_aspect(seen, width_px, height_px)
    aspect = exact if exact is not None and 1 / _ASPECT_TRUST <= exact / simple <= _ASPECT_TRUST else simple
    diagonal = math.hypot(width_px, height_px)
    return Sheet(corners, (max(top, bottom) / diagonal, max(left, right) / diagonal), tilt, lean, aspect)


def flattened(image: Image.Image, sheet: Sheet) -> Image.Image:
    """The page alone, seen from straight above."""
    return warped(image, sheet.matrix(*image.size), sheet.size_px(*image.size))


def _true_aspect(corners: Points, width_px: float, height_px: float) -> float | None:
    """Width over height of the rectangle that a camera sees so, its axis through the picture's middle.

    None when the picture does not tell the focal length, as when the page is seen from straight above.

    Source: Zhang and He, Whiteboard scanning and image enhancement (2007), section 3.
    """
    centred = np.column_stack([corners - np.array([width_px, height_px]) / 2, np.ones(4)])
    m1, m2, m4, m3 = centred  # theirs are: top left, top right, bottom left, bottom right
    k2 = float(np.dot(np.cross(m1, m4), m3)) / (float(np.dot(np.cross(m2, m4), m3)) or 1e-12)
    k3 = float(np.dot(np.cross(m1, m4), m2)) / (float(np.dot(np.cross(m3, m4), m2)) or 1e-12)
    n2, n3 = k2 * m2 - m1, k3 * m3 - m1
    if abs(n2[2] * n3[2]) < 1e-6:  # noqa: PLR2004  a side is seen without perspective
        return None
    focal_squared = -(n2[0] * n3[0] + n2[1] * n3[1]) / (n2[2] * n3[2])
    if not 0.3 < math.sqrt(max(focal_squared, 0.0)) / max(width_px, height_px) < 5:  # noqa: PLR2004  no camera's
        return None
    weights = np.array([1 / focal_squared, 1 / focal_squared, 1.0])
    ratio = float((n2 * n2 * weights).sum()) / float((n3 * n3 * weights).sum())
    return math.sqrt(ratio) if ratio > 0 else None
