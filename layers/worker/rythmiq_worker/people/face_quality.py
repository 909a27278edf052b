"""Quality of a face: its light, and its sharpness, whatever the background.

Dark skin in good light and fair skin in bad light have the same mean. What tells them apart is what light alone makes:
the skin's own shine on forehead, nose and cheeks, which hardly depends on pigment, and the whites of the eyes, the gray
card that everybody carries. A face is too dark where both are dark.
"""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.imaging import lightness, quantile
from rythmiq_worker.imaging.measures import blur_effect, edge_width
from rythmiq_worker.people import Bounds, Grade, worst
from rythmiq_worker.people.face import LEFT_EYE_RING, RIGHT_EYE_RING, Closeup, Face, closeup

_FACE_PX = 128
_ROOM_PX = 3
_LEAST_SKIN_PX = 50
_BEHIND = 26  # of 255 in the person mask: below it, nobody stands there
_SPOT_PX = 9
# Pairs of points, left and right: cheeks and forehead, clear of beards and of hair at the temples.
_PAIRS = ((50, 280), (101, 330), (118, 347), (36, 266), (205, 425), (108, 337), (69, 299), (104, 333), (67, 297))

SHINE = 58.0
"""L* of the brightest twentieth of the skin, below which light is missing: 52 and 54 in the dark, else from 62."""
EYE_WHITE = 48.0
"""L* of the brightest of the eyes, from which the light is good however dark the skin: 28 and 39 in the dark."""
BACKLIT_SHINE = 60.0
BACKLIT_BEHIND = 36.0
"""By how much L* the middle of the background exceeds the skin's shine where the light comes from behind."""
UNEVEN = Bounds(20.0, 30.0)
"""L* between the left and the right of a face."""


class FaceLight(NamedTuple):
    """The light on a face; CIE L*, 0..100.

    Attributes:
        skin: median of the inner face.
        shine: of the brightest twentieth of it.
        eye_white: of the brightest in the eyes.
        difference: left of the picture less right, over pairs of places on cheeks and forehead; signed.
        behind: median of what is around the head and not the person; None where next to nothing is.
    """

    skin: float
    shine: float
    eye_white: float
    difference: float
    behind: float | None

    @property
    def dark(self) -> Literal["face", "backlit"] | None:
        """Whether and why the face is too dark."""
        if self.eye_white >= EYE_WHITE:
            return None
        if self.behind is not None and self.shine < BACKLIT_SHINE and self.behind - self.shine >= BACKLIT_BEHIND:
            return "backlit"
        return "face" if self.shine < SHINE else None

    @property
    def evenness(self) -> Grade:
        """Whether both sides have the same light."""
        return UNEVEN.grade(abs(self.difference))


def face_light(rgb: NDArray[np.uint8], face: Face, mask: NDArray[np.uint8] | None = None) -> FaceLight | None:
    """Measure the light on a face.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: in that picture.
        mask: H x W, uint8, from `person_mask`; without it, what is behind is unknown, and nothing is called backlit.

    Returns:
        None where next to no skin is in sight.
    """
    near = closeup(rgb, face, _FACE_PX)
    smooth = Closeup(np.asarray(cv2.blur(near.rgb, (3, 3)), np.uint8), near.points)
    skin = near.skin(_ROOM_PX)
    if skin.sum() < _LEAST_SKIN_PX:
        return None
    levels = lightness(smooth.rgb[skin])
    eyes = near.inside(LEFT_EYE_RING) | near.inside(RIGHT_EYE_RING)
    white = quantile(lightness(near.rgb[eyes]), 0.98) if eyes.any() else 0.0
    return FaceLight(
        skin=quantile(levels, 0.5),
        shine=quantile(levels, 0.95),
        eye_white=white,
        difference=_difference(near),
        behind=None if mask is None else _behind(rgb, face, mask),
    )


def _difference(near: Closeup) -> float:
    side = near.rgb.shape[0]
    spots = np.asarray(cv2.blur(near.rgb, (_SPOT_PX, _SPOT_PX)), np.uint8)
    at = np.clip(np.rint(near.points).astype(np.int64), 0, side - 1)
    levels = lightness(spots[at[:, 1], at[:, 0]])
    # Not numpy's median: that imports 20 ms of numpy first.
    return float(sorted(levels[left] - levels[right] for left, right in _PAIRS)[len(_PAIRS) // 2])


def _behind(rgb: NDArray[np.uint8], face: Face, mask: NDArray[np.uint8]) -> float | None:
    x, y = face.box.centre
    across, down = 2 * face.box.height, 1.6 * face.box.height
    rows = slice(max(0, int(y - down)), max(1, int(y + down)))
    columns = slice(max(0, int(x - across)), max(1, int(x + across)))
    step = max(1, int(face.box.height) // 32)
    around = rgb[rows, columns][::step, ::step]
    free = around[mask[rows, columns][::step, ::step] < _BEHIND]
    return quantile(lightness(free), 0.5) if free.shape[0] >= _LEAST_SKIN_PX else None


FACE_SIDE_PX = 256
_LEAST_SIDE_PX = 8

EDGE_WIDTH_PX = Bounds(5.5, 6.0)
"""Of a face 256 px high. Labelled portraits: 48 sharp ones up to 5.3, 4 soft ones from 5.9 (docs/decisions.md)."""
SMEAR = Bounds(0.70, 0.75)
"""Of the worse direction: a face that a shaking hand drew along one line keeps sharp edges along it. Sharp: to .66."""


class Sharpness(NamedTuple):
    """Sharpness of a face.

    Attributes:
        edge_width_px: how many pixels its strongest edges are wide, on a face 256 px high; larger is softer. A face of
            few pixels is enlarged, and so rightly soft.
        smear: 0 sharp .. 1 blurred, in the worse of the two directions.
    """

    edge_width_px: float
    smear: float

    @property
    def grade(self) -> Grade:
        """Whether it is sharp enough."""
        return worst(EDGE_WIDTH_PX.grade(self.edge_width_px), SMEAR.grade(self.smear))

    @property
    def blurred(self) -> bool:
        """Whether its owner is to be told."""
        return self.edge_width_px > EDGE_WIDTH_PX.passes or self.smear > SMEAR.passes


def face_sharpness(rgb: NDArray[np.uint8], face: Face) -> Sharpness | None:
    """Measure a face from forehead to chin; it is not turned, because turning blurs.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: in that picture.

    Returns:
        None where next to nothing of the face is in the picture.
    """
    points = face.points[:, :2]
    left, top = (max(0, int(value)) for value in points.min(axis=0))
    right, bottom = (max(0, int(value)) for value in points.max(axis=0))
    part = rgb[top:bottom, left:right]
    if min(part.shape[:2]) < _LEAST_SIDE_PX:
        return None
    gray = np.asarray(cv2.cvtColor(np.ascontiguousarray(part), cv2.COLOR_RGB2GRAY), np.uint8)
    factor = FACE_SIDE_PX / max(gray.shape)
    size = (max(_LEAST_SIDE_PX, round(gray.shape[1] * factor)), max(_LEAST_SIDE_PX, round(gray.shape[0] * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(gray, size, interpolation=how), np.uint8)
    return Sharpness(edge_width(scaled), blur_effect(scaled))
