"""One face: where it is, how it is turned, and its 468 points.

A closeup is a face by itself: cut out, levelled and of one size, so that its measures depend on neither.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

# Points of the mesh. Left and right are the picture's, of a face that looks at the camera.
FOREHEAD, CHIN = 10, 152
LEFT_EYE, RIGHT_EYE = (33, 133), (362, 263)
LEAST_SCORE = 0.5
"""Below it, what is there alone is no face that can be measured."""
LEAST_SUBJECT_SCORE = 0.25
"""Below it, a face beside a better one is company: in profile or out of focus; above it, it may be cut or covered."""
# From the mesh's forehead and chin to the box that common detectors draw; shares of the distance between the two
# (48 frontal portraits: -.153 +- .030 and .037 +- .027; the sides agree as they are).
_ABOVE_FOREHEAD, _BELOW_CHIN = 0.15, 0.04
RIVAL = 0.5
"""Least height of another face, over the subject's, from which it may be meant instead."""
_AS_LARGE = 0.97
# Pixels of the picture: coarser than what another CPU's rounding changes, finer than anything that is decided by them.
_GRAIN_PX = 1 / 16


class Box(NamedTuple):
    """A rectangle in pixels: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle: x, y."""
        return self.x + self.width / 2, self.y + self.height / 2

    def scaled(self, factor: float) -> "Box":
        """The same rectangle in a picture `factor` times as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point is in it."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture, in that picture's pixels.

    Attributes:
        box: from above the brows to the chin, as common detectors draw it; for a turned head the upright box of the
            same size about the same middle.
        roll_deg: of the line through the eyes, -180 to 180; positive when the eye on the picture's right is lower.
        score: 0 to 1, how sure the mesh is that this is a face.
        points: 468 x 3, float32: x and y in pixels, and depth in the same unit, smaller towards the camera.
    """

    box: Box
    roll_deg: float
    score: float
    points: NDArray[np.float32]

    @classmethod
    def of_points(cls, points: NDArray[np.float32], score: float) -> Self:
        """The face that these points make.

        Args:
            points: 468 x 3, float32, as `points` above.
            score: 0 to 1.
        """
        left, right = (points[list(eye), :2].mean(axis=0) for eye in (LEFT_EYE, RIGHT_EYE))
        roll_deg = round(math.degrees(math.atan2(right[1] - left[1], right[0] - left[0])), 1)
        return cls(_box_of(points, roll_deg), roll_deg, round(score, 3), points)

    def scaled(self, factor: float) -> "Face":
        """The same face in a picture `factor` times as large."""
        return Face.of_points(self.points * np.float32(factor), self.score)

    def moved(self, affine: NDArray[np.float64]) -> "Face":
        """The same face after its picture was moved, turned and scaled alike in both directions.

        Args:
            affine: 2 x 3, from this picture's pixels to the other's.
        """
        factor = math.sqrt(abs(float(np.linalg.det(affine[:, :2]))))
        across = self.points[:, :2] @ affine[:, :2].T + affine[:, 2]
        return Face.of_points(np.column_stack((across, self.points[:, 2] * factor)).astype(np.float32), self.score)

    def turned(self, quarters_clockwise: int, width_px: int, height_px: int) -> "Face":
        """The same face after its picture was turned.

        Args:
            quarters_clockwise: how many quarter turns.
            width_px: of the picture before the turn.
            height_px: of the picture before the turn.
        """
        return self.moved(quarter_turn(quarters_clockwise, width_px, height_px))


def quarter_turn(quarters_clockwise: int, width_px: int, height_px: int) -> NDArray[np.float64]:
    """The 2 x 3 matrix of a turn by quarters: from a picture of this size to the turned one, edges to edges."""
    turns = (
        ((1, 0, 0), (0, 1, 0)),
        ((0, -1, height_px), (1, 0, 0)),
        ((-1, 0, width_px), (0, -1, height_px)),
        ((0, 1, 0), (-1, 0, width_px)),
    )
    return np.array(turns[quarters_clockwise % 4], np.float64)


def subject_of(faces: tuple[Face, ...], width_px: int, height_px: int) -> Face:
    """The face that the picture is about: the largest, and of those that are as large the most central.

    A face that the mesh hardly sees is company, and never the subject beside a better one.

    Args:
        faces: at least one.
        width_px: of the picture.
        height_px: of the picture.
    """
    faces = tuple(face for face in faces if face.score >= LEAST_SUBJECT_SCORE) or faces
    largest = max(face.box.height for face in faces)

    def off_centre(face: Face) -> float:
        x, y = face.box.centre
        return math.hypot(x - width_px / 2, y - height_px / 2)

    return min((face for face in faces if face.box.height >= _AS_LARGE * largest), key=off_centre)


def rivals_of(faces: tuple[Face, ...], subject: Face) -> tuple[Face, ...]:
    """The other faces that may as well be meant: at least half as high as the subject's."""
    return tuple(face for face in faces if face is not subject and face.box.height >= RIVAL * subject.box.height)


def _box_of(points: NDArray[np.float32], roll_deg: float) -> Box:
    angle = math.radians(roll_deg)
    along, down = np.array((math.cos(angle), math.sin(angle))), np.array((-math.sin(angle), math.cos(angle)))
    across, deep = points[:, :2] @ along, points[:, :2] @ down
    left, right = float(across.min()), float(across.max())
    brow, chin = float(deep[FOREHEAD]), float(deep[CHIN])
    top, bottom = brow - _ABOVE_FOREHEAD * (chin - brow), chin + _BELOW_CHIN * (chin - brow)
    x, y = (left + right) / 2 * along + (top + bottom) / 2 * down
    width, height = right - left, bottom - top
    return Box(*(_rounded(value) for value in (x - width / 2, y - height / 2, width, height)))


def _rounded(value: float) -> float:
    return round(float(value) / _GRAIN_PX) * _GRAIN_PX


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
