"""The light on a face: enough of it, from the front, from both sides alike. The colour of skin says nothing of it.

Dark skin in good light and fair skin in bad light have the same mean. What tells them apart is what light alone makes:
the skin's own shine on forehead, nose and cheeks, which hardly depends on pigment, and the whites of the eyes, the gray
card that everybody carries. A face is too dark where both are dark.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.people.bounds import Bounds, Grade
from rythmiq_worker.people.cie import lightness, quantile
from rythmiq_worker.people.closeup import LEFT_EYE_RING, RIGHT_EYE_RING, Closeup, closeup
from rythmiq_worker.people.face import Face

_FACE_PX = 128
_ROOM_PX = 3
_LEAST_PX = 50
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
"""How much brighter, in L*, the middle of the background is than the skin's shine where the light comes from behind."""
UNEVEN = Bounds(20.0, 30.0)
"""L* between the left and the right of a face."""


@dataclass(frozen=True, slots=True)
class FaceLight:
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
    if skin.sum() < _LEAST_PX:
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
    return quantile(lightness(free), 0.5) if free.shape[0] >= _LEAST_PX else None
