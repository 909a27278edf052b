"""A page photographed on something of another colour: its four corners, and the page seen from straight above.

Cutting a page out by wrong corners loses text, so a find has to pass every gate, and otherwise the page stays as it is
(docs/decisions.md): the sheet differs from what surrounds it along the whole of each edge, its outline is four straight
lines, nothing is written beside it, and it is large.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.warp import Matrix, warped

Plane = NDArray[np.float32]
Mask = NDArray[np.uint8]

_LOOK_PX: Final = 480
_RING_SHARE: Final = 0.012
_RING_SPREAD: Final = 3.0  # mean distances from the desk's own colour beyond which something else lies there
_LEAST_DISTANCE: Final = 10.0
_CHROMA_WEIGHT: Final = 1.5  # a shadow changes lightness more than hue
_LEAST_AREA: Final = 0.15
_MOST_AREA: Final = 0.97
_MOST_OFF_RIGHT_DEG: Final = 60.0
_MOST_RESIDUAL: Final = 0.006  # of the long side: the outline's distance from its four lines
_LEAST_EDGE_STEP: Final = 8.0
_LEAST_EDGE_COVER: Final = 0.88
_EDGE_POINTS: Final = 60
_EDGE_STEP_SHARE: Final = 0.012
_MOST_INK_BESIDE: Final = 0.2  # how much is written beside the page, over what is on it
_INK_CONTRAST: Final = 18
_LEAST_TILT: Final = 0.05  # by which opposite sides differ
_LEAST_LEAN_DEG: Final = 1.5
_ASPECT_TRUST: Final = 1.25


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

    corners: NDArray[np.float64]
    reach: tuple[float, float]
    tilt: float
    lean_deg: float
    aspect: float

    @property
    def distorted(self) -> bool:
        """Whether there is anything to mend."""
        return self.tilt >= _LEAST_TILT or abs(self.lean_deg) >= _LEAST_LEAN_DEG

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


def find_sheet(glance: Image.Image) -> Sheet | None:
    """Find the page on its desk; None when there is none, or it is not certain.

    Args:
        glance: RGB, small.
    """
    small = glance.copy()
    small.thumbnail((_LOOK_PX, _LOOK_PX), Image.Resampling.BOX)
    if min(small.size) < _LOOK_PX // 8:
        return None
    colours = np.asarray(small, dtype=np.uint8)
    distance = _from_desk(cv2.GaussianBlur(colours, (0, 0), 1.2).astype(np.uint8))
    outline = None if distance is None else _outline(distance)
    if distance is None or outline is None:
        return None
    corners = _corners(outline)
    if corners is None or not _plausible(corners, small.size) or not _edged(distance, corners):
        return None
    if _ink_beside(colours, corners) > _MOST_INK_BESIDE:
        return None
    return _sheet(corners, small.size)


def flattened(image: Image.Image, sheet: Sheet) -> Image.Image:
    """The page alone, seen from straight above."""
    return warped(image, sheet.matrix(*image.size), sheet.size_px(*image.size))


def _from_desk(colours: NDArray[np.uint8]) -> Plane | None:
    """How far each pixel is from the colour of what lies along the picture's border; None when that is no one thing."""
    lab = cv2.cvtColor(colours.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(np.float32)
    height, width = lab.shape[:2]
    rim = max(2, round(_RING_SHARE * max(height, width)))
    ring = np.ones((height, width), bool)
    ring[rim:-rim, rim:-rim] = False
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    terms = np.stack([np.ones_like(across), across / width, down / height], axis=2)
    chosen = ring.copy()
    plane = np.zeros_like(lab)
    apart = np.zeros((height, width), np.float32)
    for _ in range(4):  # a page that touches the border is left out step by step
        fit = np.linalg.lstsq(terms[chosen], lab[chosen], rcond=None)[0].astype(np.float32)
        plane = terms @ fit
        off = lab - plane
        off[:, :, 0] = np.where(off[:, :, 0] < 0, off[:, :, 0] / 3, off[:, :, 0])  # a page casts its shadow on the desk
        off[:, :, 1:] *= _CHROMA_WEIGHT
        apart = np.sqrt((off * off).sum(axis=2))
        typical = float(apart[chosen].mean())
        chosen = ring & (apart <= max(2.5 * typical, 4.0))
        if chosen.sum() < 0.5 * ring.sum():
            return None
    return np.asarray(apart / max(_RING_SPREAD * float(apart[chosen].mean()), _LEAST_DISTANCE), np.float32)


def _outline(distance: Plane) -> NDArray[np.int32] | None:
    """The hull of the one large thing that is not desk: N x 2."""
    mask = (distance > 1).astype(np.uint8)
    side = max(3, round(0.02 * max(mask.shape)) | 1)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8)
    padded = cv2.copyMakeBorder(mask, side, side, side, side, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))[side:-side, side:-side]
    contours, _ = cv2.findContours(np.ascontiguousarray(closed), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    hull = cv2.convexHull(largest)
    area = cv2.contourArea(hull)
    if not _LEAST_AREA <= area / mask.size <= _MOST_AREA or cv2.contourArea(largest) < 0.93 * area:
        return None
    return np.asarray(largest[:, 0], np.int32)


def _corners(outline: NDArray[np.int32]) -> NDArray[np.float64] | None:
    """Four corners, clockwise from the top left: where the lines through the outline's four sides meet."""
    hull = cv2.convexHull(outline)
    girth = cv2.arcLength(hull, closed=True)
    rough = next(
        (quad for step in range(1, 16) if len(quad := cv2.approxPolyDP(hull, 0.008 * step * girth, closed=True)) <= 4),  # noqa: PLR2004  a page has four
        hull,
    )
    if len(rough) != 4:  # noqa: PLR2004  ditto
        return None
    first = _clockwise(np.asarray(rough[:, 0], np.float64))
    points = outline.astype(np.float64)
    lines = []
    worst = 0.0
    for start, end in zip(first, np.roll(first, -1, axis=0), strict=True):
        along = end - start
        length = float(np.hypot(*along))
        along /= max(length, 1e-6)
        normal = np.array([-along[1], along[0]])
        place, off = (points - start) @ along, (points - start) @ normal
        near = (place > 0.06 * length) & (place < 0.94 * length) & (np.abs(off) < 0.04 * length + 3)
        if near.sum() < 8:  # noqa: PLR2004  too few to draw a line through
            return None
        vx, vy, x, y = (
            float(value)
            for value in cv2.fitLine(points[near].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        )
        residual = np.abs((points[near] - (x, y)) @ np.array([-vy, vx]))
        worst = max(worst, float(np.partition(residual, int(0.9 * residual.size))[int(0.9 * residual.size)]))
        lines.append(np.cross((x, y, 1.0), (x + vx, y + vy, 1.0)))
    if worst > max(1.0, _MOST_RESIDUAL * girth / 2):
        return None
    met = [np.cross(lines[index - 1], lines[index]) for index in range(4)]
    if any(abs(point[2]) < 1e-9 for point in met):  # noqa: PLR2004  parallel
        return None
    return np.array([point[:2] / point[2] for point in met])


def _clockwise(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the top left, which is the corner from which the others lie most to the right and below."""
    centre = points.mean(axis=0)
    around = points[np.argsort(np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0]), kind="stable")]
    leans = [abs(math.atan2(*(around[(index + 1) % 4] - around[index])[::-1])) for index in range(4)]
    return np.roll(around, -int(np.argmin(leans)), axis=0)


def _plausible(corners: NDArray[np.float64], size: tuple[int, int]) -> bool:
    if (corners < -0.02 * np.array(size)).any() or (corners > 1.02 * np.array(size)).any():
        return False
    for index in range(4):
        here, before, after = corners[index], corners[index - 1], corners[(index + 1) % 4]
        one, other = before - here, after - here
        cosine = float(one @ other) / max(1e-6, float(np.hypot(*one) * np.hypot(*other)))
        if abs(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))) - 90) > _MOST_OFF_RIGHT_DEG:
            return False
    return True


def _edged(distance: Plane, corners: NDArray[np.float64]) -> bool:
    """Whether along the whole of each side there is page within and desk beyond."""
    step = max(2.0, _EDGE_STEP_SHARE * max(distance.shape))
    middle = corners.mean(axis=0)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - start) / max(1e-6, float(np.hypot(*(end - start))))
        normal = np.array([-along[1], along[0]])
        inward = normal if float((middle - start) @ normal) > 0 else -normal
        shares = np.linspace(0.04, 0.96, _EDGE_POINTS)[:, None]
        points = start + shares * (end - start)
        within, beyond = _at(distance, points + step * inward), _at(distance, points - step * inward)
        if float(((within > 1) & (beyond < 1) & (within - beyond > _LEAST_EDGE_STEP / 20)).mean()) < _LEAST_EDGE_COVER:
            return False
    return True


def _at(plane: Plane, points: NDArray[np.float64]) -> Plane:
    limit = np.array([plane.shape[1] - 1, plane.shape[0] - 1])
    x, y = np.clip(np.round(points).astype(int), 0, limit).T
    return np.asarray(plane[y, x], np.float32)


def _ink_beside(colours: NDArray[np.uint8], corners: NDArray[np.float64]) -> float:
    """How densely the desk is written on, over how densely the page is."""
    gray = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
    ink = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, np.ones((7, 7), np.uint8)) > _INK_CONTRAST
    page = np.zeros(gray.shape, np.uint8)
    cv2.fillConvexPoly(page, np.round(corners).astype(np.int32), 1)
    around = np.ones((9, 9), np.uint8)
    inner, outer = cv2.erode(page, around) > 0, cv2.dilate(page, around) == 0
    if not inner.any():
        return math.inf
    beside = float(ink[outer].mean()) if outer.any() else 0.0
    return beside / max(float(ink[inner].mean()), 0.01)


def _sheet(corners: NDArray[np.float64], size: tuple[int, int]) -> Sheet:
    top, right, bottom, left = (float(np.hypot(*(corners[(index + 1) % 4] - corners[index]))) for index in range(4))
    tilt = max(abs(top - bottom) / max(top, bottom), abs(left - right) / max(left, right))
    across = (corners[1] - corners[0]) / max(top, 1e-6) + (corners[2] - corners[3]) / max(bottom, 1e-6)
    lean = math.degrees(math.atan2(across[1], across[0]))
    simple = (top + bottom) / max(left + right, 1e-6)
    exact = _true_aspect(corners, size)
    aspect = exact if exact is not None and 1 / _ASPECT_TRUST <= exact / simple <= _ASPECT_TRUST else simple
    diagonal = math.hypot(*size)
    reach = max(top, bottom) / diagonal, max(left, right) / diagonal
    return Sheet(corners / np.array(size, np.float64), reach, tilt, lean, aspect)


def _true_aspect(corners: NDArray[np.float64], size: tuple[int, int]) -> float | None:
    """Width over height of the rectangle that a camera sees so, its axis through the picture's middle.

    None when the picture does not tell the focal length, as when the page is seen from straight above.

    Source: Zhang and He, Whiteboard scanning and image enhancement (2007), section 3.
    """
    centred = np.column_stack([corners - np.array(size) / 2, np.ones(4)])
    m1, m2, m4, m3 = centred  # theirs are: top left, top right, bottom left, bottom right
    k2 = float(np.dot(np.cross(m1, m4), m3)) / (float(np.dot(np.cross(m2, m4), m3)) or 1e-12)
    k3 = float(np.dot(np.cross(m1, m4), m2)) / (float(np.dot(np.cross(m3, m4), m2)) or 1e-12)
    n2, n3 = k2 * m2 - m1, k3 * m3 - m1
    if abs(n2[2] * n3[2]) < 1e-6:  # noqa: PLR2004  a side is seen without perspective
        return None
    focal_squared = -(n2[0] * n3[0] + n2[1] * n3[1]) / (n2[2] * n3[2])
    if not 0.3 < math.sqrt(max(focal_squared, 0.0)) / max(size) < 5:  # noqa: PLR2004  no camera's
        return None
    weights = np.array([1 / focal_squared, 1 / focal_squared, 1.0])
    ratio = float((n2 * n2 * weights).sum()) / float((n3 * n3 * weights).sum())
    return math.sqrt(ratio) if ratio > 0 else None
