"""The upright square that the mesh of points looks at, cut out of a picture in which the face may lie at any angle."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import Box

MESH_PX = 192
# The square about a face: its side, of the height of the face's box, and how far below that box's middle its own lies.
# So it is the square about the detector's box, by which the chin is found where people see it.
_SIDE_PER_BOX, _BELOW_MIDDLE = 1.3, 0.08
# What is tolerated before it is worth 5 ms to look again.
_ASKEW_SIDE, _ASKEW_SHIFT, _ASKEW_DEG = 1.2, 0.1, 8.0
_LEAST_SHRINK = 2.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A square of a picture: its middle and side in pixels, and by how much it is turned (as `Face.roll_deg`)."""

    x: float
    y: float
    side_px: float
    roll_deg: float

    @classmethod
    def about(cls, box: Box, roll_deg: float) -> "Cut":
        """The square about a face."""
        x, y = box.centre
        below, angle = _BELOW_MIDDLE * box.height, math.radians(roll_deg)
        side_px = max(1.0, _SIDE_PER_BOX * box.height)
        return cls(x - below * math.sin(angle), y + below * math.cos(angle), side_px, roll_deg)

    def is_askew_of(self, other: "Cut") -> bool:
        """Whether another square is so much larger, elsewhere or otherwise turned that the face is seen ill in this."""
        larger = max(self.side_px, other.side_px) / min(self.side_px, other.side_px)
        shift = math.hypot(self.x - other.x, self.y - other.y) / self.side_px
        turn = abs((self.roll_deg - other.roll_deg + 180) % 360 - 180)
        return larger > _ASKEW_SIDE or shift > _ASKEW_SHIFT or turn > _ASKEW_DEG


def cut_out(rgb: NDArray[np.uint8], cut: Cut) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Cut the square out, upright; beyond the picture its edge goes on.

    Args:
        rgb: H x W x 3, uint8, RGB.
        cut: the square.

    Returns:
        MESH_PX x MESH_PX x 3, uint8, and the 2 x 3 matrix from its pixels to the picture's.
    """
    angle, scale = math.radians(cut.roll_deg), cut.side_px / MESH_PX
    cos, sin, half = scale * math.cos(angle), scale * math.sin(angle), MESH_PX / 2
    to_picture = np.array(((cos, -sin, cut.x - half * (cos - sin)), (sin, cos, cut.y - half * (sin + cos))))
    pixels, to_source = rgb, to_picture
    if scale > _LEAST_SHRINK:
        pixels, left, top, shrink = _shrunk_about(rgb, cut, scale)
        to_source = np.column_stack((to_picture[:, :2] / shrink, (to_picture[:, 2] - (left, top)) / shrink))
    # warpAffine counts from the middles of pixels; edges, as here, are half a pixel off.
    by_middles = to_source.copy()
    by_middles[:, 2] += to_source[:, :2].sum(axis=1) / 2 - 0.5
    crop = cv2.warpAffine(
        pixels,
        by_middles,
        (MESH_PX, MESH_PX),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, np.uint8), to_picture


def _shrunk_about(rgb: NDArray[np.uint8], cut: Cut, shrink: float) -> tuple[NDArray[np.uint8], float, float, float]:
    """The part of a picture about a square, smaller by about `shrink`: its left and top in the picture, and by what."""
    height_px, width_px = rgb.shape[:2]
    reach = cut.side_px / math.sqrt(2) + shrink
    left, top = max(0, int(cut.x - reach)), max(0, int(cut.y - reach))
    right, bottom = min(width_px, math.ceil(cut.x + reach)), min(height_px, math.ceil(cut.y + reach))
    if right - left < shrink or bottom - top < shrink:
        return rgb, 0.0, 0.0, 1.0
    step = int(shrink)
    part = rgb[top : top + (bottom - top) // step * step, left : left + (right - left) // step * step]
    small = cv2.resize(part, (part.shape[1] // step, part.shape[0] // step), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), float(left), float(top), float(step)
