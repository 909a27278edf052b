"""A face by itself: cut out of its picture, levelled, and of one size, so that its measures do not depend on either."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.face import CHIN, FOREHEAD, Face

_ROOM = 1.6  # side of the square over the height from forehead to chin

# Rings of the mesh, in order.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
LEFT_EYE_RING = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE_RING = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
LEFT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
RIGHT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)


@dataclass(frozen=True, eq=False)
class Closeup:
    """A levelled face.

    Attributes:
        rgb: S x S x 3, uint8, RGB; past the picture's border its last pixels are repeated.
        points: 468 x 2, float32, of the mesh, in these pixels.
    """

    rgb: NDArray[np.uint8]
    points: NDArray[np.float32]

    def inside(self, ring: tuple[int, ...], grown: float = 1.0) -> NDArray[np.bool]:
        """The pixels inside a ring of points.

        Args:
            ring: of the mesh, in order.
            grown: about its own middle.

        Returns:
            S x S, bool.
        """
        outline = self.points[list(ring)]
        middle = outline.mean(axis=0)
        corners = np.rint(middle + (outline - middle) * grown).astype(np.int32)
        filled = np.zeros(self.rgb.shape[:2], np.uint8)
        cv2.fillPoly(filled, [corners], 1)
        return filled > 0

    def skin(self, room_px: int) -> NDArray[np.bool]:
        """The inner face without eyes, brows and lips, each with some room: its rim has hair, ears and rim light.

        Returns:
            S x S, bool.
        """
        features = np.zeros(self.rgb.shape[:2], np.uint8)
        for ring in (LEFT_EYE_RING, RIGHT_EYE_RING, LEFT_BROW, RIGHT_BROW, LIPS):
            features |= self.inside(ring)
        around = cv2.dilate(features, np.ones((2 * room_px + 1, 2 * room_px + 1), np.uint8))
        return np.asarray(self.inside(OVAL, _INNER) & (around == 0), np.bool)


_INNER = 0.78


def closeup(rgb: NDArray[np.uint8], face: Face, face_px: int) -> Closeup:
    """Cut a face out, upright.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: in that picture.
        face_px: how high the face shall be, from forehead to chin.
    """
    points = face.points[:, :2].astype(np.float64)
    height_px = max(1.0, float(np.hypot(*(points[CHIN] - points[FOREHEAD]))))
    scale = face_px / height_px
    side = round(_ROOM * face_px)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    # Large faces are first reduced by area, by a whole number and on the part that is needed, and only then turned.
    reach = _ROOM * height_px * math.sqrt(0.5) + 2
    left, top = (max(0, int(value - reach)) for value in middle)
    right, bottom = (int(value + reach) for value in middle)
    part = rgb[top : max(top + 1, bottom), left : max(left + 1, right)]
    times = max(1, min(int(1 / scale), *part.shape[:2]))
    if times > 1:
        size = (part.shape[1] // times, part.shape[0] // times)
        part = part[: size[1] * times, : size[0] * times]
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    angle = math.radians(face.roll_deg)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    x, y = middle
    to_square = np.array(((cos, sin, side / 2 - cos * x - sin * y), (-sin, cos, side / 2 + sin * x - cos * y)))
    levelled = points @ to_square[:, :2].T + to_square[:, 2]
    if not part.size:
        return Closeup(np.zeros((side, side, 3), np.uint8), levelled.astype(np.float32))
    half = (times - 1) / 2  # from the middle of a reduced pixel to that of its first one
    from_part = to_square @ np.array(((times, 0, left + half), (0, times, top + half), (0, 0, 1)))
    square = cv2.warpAffine(part, from_part, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Closeup(np.asarray(square, np.uint8), levelled.astype(np.float32))
