"""How a face looks: its light and sharpness, whatever the background; pose, eyes, mouth, dark glasses and colour.

All thresholds are cautious: silence is better than a wrong reproach. What these points cannot tell, clear glasses and
headwear, is not here at all.

Dark skin in good light and fair skin in bad light have the same mean. What tells them apart is what light alone makes:
the skin's own shine on forehead, nose and cheeks, which hardly depends on pigment, and the whites of the eyes, the gray
card that everybody carries. A face is too dark where both are dark.
"""

import math
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.imaging import lab, lightness, quantile
from rythmiq_worker.imaging.measures import blur_effect, edge_width
from rythmiq_worker.people import Bounds, Grade, worst
from rythmiq_worker.people.face import CHIN, FOREHEAD, LEFT_EYE_RING, OVAL, RIGHT_EYE_RING, Closeup, Face, closeup

YAW_DEG = Bounds(17.0, 25.0)
PITCH_DEG = Bounds(18.0, 26.0)
ROLL_DEG = Bounds(8.0, 15.0)
EYES_OPEN = Bounds(0.17, 0.12)
MOUTH_OPEN = Bounds(0.25, 0.40)
DARK_GLASSES = Bounds(0.45, 0.60)
COLOUR = Bounds(6.0, 4.0)
"""C*ab that a twentieth of the face exceeds: 0 of a black-and-white picture, from 11 of one in colour."""

_FACE_PX = 192
_LEFT_CHEEK, _RIGHT_CHEEK = 234, 454
_UPPER_LIP, _LOWER_LIP, _LEFT_CORNER, _RIGHT_CORNER = 13, 14, 61, 291
_EYES = ((LEFT_EYE_RING, 33, 133), (RIGHT_EYE_RING, 362, 263))
_CHEEKS = (50, 280, 101, 330, 36, 266)
_CHEEK_PX = 6
_LEVEL_PITCH_DEG = 8.0  # the mesh's forehead lies that much behind its chin where a person looks straight ahead
_SOCKET = (1.15, 2.6)  # of an eye's outline, across and down: what a glass covers
_EYE_HALF, _IRIS_HALF = 0.37, 0.21  # of an eye's width
_LEAST_CONTRAST = 12.0
_LEAST_PX, _LEAST_ROWS = 12, 3


class Look(NamedTuple):
    """Pose and expression of a face.

    Attributes:
        roll_deg: leaning; positive when the eye on the picture's right is lower.
        yaw_deg: turned aside; 0 straight ahead.
        pitch_deg: up (positive) or down; about 0 straight ahead, and less exact than the others.
        eyes_open: of the opener eye; below .17 closed. None where it cannot be told (dark glasses, darkness).
        mouth_open: height of the gap between the lips over the mouth's width; a smile that shows teeth has .2.
        dark_glasses: 0 as bright as the cheeks around the eyes .. 1 black.
        chroma: C*ab that a twentieth of the face exceeds; next to 0 in a black-and-white picture.
    """

    roll_deg: float
    yaw_deg: float
    pitch_deg: float
    eyes_open: float | None
    mouth_open: float
    dark_glasses: float
    chroma: float

    @property
    def roll(self) -> Grade:
        """Whether the head is upright."""
        return ROLL_DEG.grade(abs(self.roll_deg))

    @property
    def pose(self) -> Grade:
        """Whether the person looks straight ahead."""
        return worst(YAW_DEG.grade(abs(self.yaw_deg)), PITCH_DEG.grade(abs(self.pitch_deg)))

    @property
    def eyes(self) -> Grade | None:
        """Whether the eyes are open; None where that cannot be told."""
        return None if self.eyes_open is None else EYES_OPEN.grade(self.eyes_open)

    @property
    def mouth(self) -> Grade:
        """Whether the mouth is closed, or shows no more than a smile."""
        return MOUTH_OPEN.grade(self.mouth_open)

    @property
    def glasses(self) -> Grade:
        """Whether no dark glasses hide the eyes. Clear ones are not seen."""
        return DARK_GLASSES.grade(self.dark_glasses)

    @property
    def colour(self) -> Grade:
        """Whether the picture has colour. A toned one, as sepia, has."""
        return COLOUR.grade(self.chroma)


def look_of(rgb: NDArray[np.uint8], face: Face) -> Look:
    """Measure how a person looks into the camera.

    Args:
        rgb: H x W x 3, uint8, RGB.
        face: in that picture.
    """
    yaw_deg, pitch_deg = _turn(face)
    near = closeup(rgb, face, _FACE_PX)
    return Look(
        roll_deg=face.roll_deg,
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        eyes_open=_eyes_open(near),
        mouth_open=_mouth_open(face),
        dark_glasses=_dark_glasses(near),
        chroma=_chroma(near),
    )


def _turn(face: Face) -> tuple[float, float]:
    """Yaw and pitch, in degrees, of the levelled mesh."""
    angle = math.radians(face.roll_deg)
    along = np.array((math.cos(angle), math.sin(angle), 0.0))
    down = np.array((-math.sin(angle), math.cos(angle), 0.0))
    across, deep = (
        face.points[_RIGHT_CHEEK] - face.points[_LEFT_CHEEK],
        face.points[CHIN] - face.points[FOREHEAD],
    )
    yaw = math.degrees(math.atan2(float(across[2]), float(across @ along)))
    pitch = math.degrees(math.atan2(float(deep[2]), float(deep @ down)))
    return round(yaw, 1), round(_LEVEL_PITCH_DEG - pitch, 1)


def _mouth_open(face: Face) -> float:
    points = face.points[:, :2]
    gap = float(np.hypot(*(points[_LOWER_LIP] - points[_UPPER_LIP])))
    width = float(np.hypot(*(points[_RIGHT_CORNER] - points[_LEFT_CORNER])))
    return gap / max(width, 1e-6)


def _eyes_open(near: Closeup) -> float | None:
    """An open eye changes along its width, white, iris, white; a closed one only down, lid, lashes, cheek.

    The mesh itself draws the same opening around both.
    """
    found = [share for eye in _EYES if (share := _eye_open(near, *eye)) is not None]
    return max(found) if found else None


def _eye_open(near: Closeup, ring: tuple[int, ...], left: int, right: int) -> float | None:
    width_px = float(np.hypot(*(near.points[right] - near.points[left])))
    inside = near.inside(ring)
    rows, columns = np.nonzero(inside)
    if rows.size < _LEAST_PX:
        return None
    sigma = width_px / 60
    top, bottom, first, last = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    smooth = np.asarray(cv2.GaussianBlur(near.rgb[max(0, top - 4) : bottom + 4], (0, 0), max(sigma, 0.3)), np.uint8)
    levels = lightness(smooth[min(4, top) : min(4, top) + bottom - top, first:last])
    part = inside[top:bottom, first:last]
    middle = float(near.points[[left, right], 0].mean()) - first
    away = np.abs(np.arange(part.shape[1]) - middle)
    profile = np.array(
        [levels[part[:, x], x].mean() for x in np.flatnonzero((away <= _EYE_HALF * width_px) & part.any(0))]
    )
    core = part & (away <= _IRIS_HALF * width_px)
    column = np.array([levels[y, core[y]].mean() for y in np.flatnonzero(core.any(1))])
    if profile.size < _LEAST_PX // 2 or column.size < _LEAST_ROWS:
        return None
    along = _without_trend(profile)
    across_range = quantile(along, 0.9) - quantile(along, 0.05)
    down_range = quantile(column.astype(np.float32), 0.95) - quantile(column.astype(np.float32), 0.05)
    if across_range + down_range < _LEAST_CONTRAST:
        return None
    return across_range / (across_range + down_range)


def _without_trend(profile: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light from one side is no iris."""
    at = np.arange(profile.size) - (profile.size - 1) / 2
    slope = float((profile * at).sum() / (at * at).sum())
    return (profile - slope * at).astype(np.float32)


def _dark_glasses(near: Closeup) -> float:
    side = near.rgb.shape[0]
    spots = [
        near.rgb[max(0, y - _CHEEK_PX) : y + _CHEEK_PX + 1, max(0, x - _CHEEK_PX) : x + _CHEEK_PX + 1].reshape(-1, 3)
        for x, y in np.clip(np.rint(near.points[list(_CHEEKS)]).astype(np.int64), 0, side - 1).tolist()
    ]
    cheeks = quantile(lightness(np.concatenate(spots)), 0.5)
    brightest = 0.0
    for ring, *_ in _EYES:
        outline = near.points[list(ring)]
        middle = outline.mean(axis=0)
        hull = cv2.convexHull(np.rint(middle + (outline - middle) * np.array(_SOCKET)).astype(np.int32))
        filled = np.zeros(near.rgb.shape[:2], np.uint8)
        cv2.fillPoly(filled, [hull], 1)
        if filled.any():
            brightest = max(brightest, quantile(lightness(near.rgb[filled > 0]), 0.9))
    return min(1.0, max(0.0, 1 - brightest / max(cheeks, 1.0)))


def _chroma(near: Closeup) -> float:
    pixels = near.rgb[::2, ::2][near.inside(OVAL)[::2, ::2]]
    if not pixels.size:
        return 0.0
    planes = lab(pixels)
    return quantile(np.hypot(planes[:, 1], planes[:, 2]), 0.95)


_FACE_LIGHT_PX = 128
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
    near = closeup(rgb, face, _FACE_LIGHT_PX)
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
