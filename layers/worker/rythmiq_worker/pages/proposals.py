"""Propose outlines of a page by several segmentations at two sizes; none is verified here.

Lightness tells white paper from wood, chroma a card from a gray cloth, the colour planes a yellow page from a blue one;
each is cut in two by Otsu's threshold, the brighter part once more (a page on a table before a dark room), and searched
for closed edges. Print is taken off first, so that a dense page is one thing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.imaging import otsu_threshold
from rythmiq_worker.pages import Colours, Look, Points

Mask = NDArray[np.uint8]

SIZES_PX: Final = (480, 240)
LEAST_AREA: Final = 0.06
MOST_AREA: Final = 0.97
_LEAST_FILLED: Final = 0.8  # of its hull: the rest is a finger, a fold, a torn corner
_PRINT_SHARE: Final = 0.02  # of the long side: how wide the strokes and gaps are that a mask may not see
_GAP_SHARE: Final = 0.015
_LEAST_SPAN: Final = 8  # levels of a colour plane between its first and last percentile, below which it says nothing
_LEAST_REST: Final = 0.1  # of the picture: what is worth cutting in two once more
_CANNY: Final = (20, 60)
_LEAST_POINTS: Final = 40
_CORNERS: Final = 4
_ENDS: Final = 0.05
_NEAR: Final = 0.15  # of a side's length: how far its line may turn round
_LEAST_SIDE_POINTS: Final = 8


@dataclass(frozen=True, slots=True)
class Outline:
    """A closed line around what may be a page.

    Attributes:
        points: N x 2, pixels of the look.
        corners: 4 x 2, pixels: clockwise from the one nearest to the upper left.
        filled: the area within, over that of its hull.
        area: of the hull, as a share of the picture.
    """

    points: Points
    corners: Points
    filled: float
    area: float


def propose(look: Look) -> Iterator[Outline]:
    """Every outline that one of the ways gives, the same one often several times."""
    for long_px in SIZES_PX:
        colours = look.shrunk(long_px)
        for mask, nested in _masks(colours):
            yield from _outlines(mask, max(1.0, look.long_px / long_px), nested=nested)


def clockwise(corners: Points) -> Points:
    """Four corners in the order in which a clock's hand passes them, from the one nearest to the upper left."""
    off = corners - corners.mean(axis=0)
    ordered = corners[np.argsort(np.arctan2(off[:, 1], off[:, 0]))]
    return np.asarray(np.roll(ordered, -int(ordered.sum(axis=1).argmin()), axis=0), np.float64)


def _masks(colours: Colours) -> Iterator[tuple[Mask, bool]]:
    """A segmentation, and whether nested contours count."""
    for name, plane in _planes(colours):
        soft = np.asarray(cv2.GaussianBlur(plane, (0, 0), 1.2), np.uint8)
        level = otsu_threshold(soft)
        yield _whole(soft > level), False
        yield _whole(soft <= level), False
        bright, dark = soft[soft > level], soft[soft <= level]
        if bright.size > _LEAST_REST * soft.size:
            yield _whole(soft > otsu_threshold(bright)), False
        if name == "lightness" and dark.size > _LEAST_REST * soft.size:
            second = otsu_threshold(dark)
            yield _whole(soft > second), False
            yield _whole(soft <= second), False
        side = max(3, round(_GAP_SHARE * max(soft.shape)) | 1)
        for low in _CANNY:
            edges = cv2.Canny(soft, low, 3 * low)
            yield np.asarray(cv2.morphologyEx(edges, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)), np.uint8), True


def _planes(colours: Colours) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)
    side = max(3, round(_PRINT_SHARE * max(colours.shape)) | 1)
    kernel = np.ones((side, side), np.uint8)
    yield "lightness", np.asarray(cv2.morphologyEx(lab[:, :, 0], cv2.MORPH_CLOSE, kernel), np.uint8)
    chroma = colours.max(axis=2) - colours.min(axis=2)  # not HSV's saturation, which is all noise where it is dark
    yield "chroma", np.asarray(cv2.morphologyEx(chroma, cv2.MORPH_OPEN, kernel), np.uint8)
    for name, index in (("a", 1), ("b", 2)):
        soft = cv2.GaussianBlur(lab[:, :, index], (0, 0), 2)
        low, high = (float(level) for level in np.percentile(soft, (1, 99)))
        if high - low >= _LEAST_SPAN:
            yield name, np.clip((soft.astype(np.float32) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)


def _whole(mask: NDArray[np.bool_]) -> Mask:
    """Without specks and without holes of print."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    side = max(3, round(_PRINT_SHARE * max(mask.shape)) | 1)
    padded = cv2.copyMakeBorder(opened, side, side, side, side, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    return np.ascontiguousarray(closed[side:-side, side:-side], np.uint8)


def _outlines(mask: Mask, scale: float, *, nested: bool) -> Iterator[Outline]:
    mode = cv2.RETR_LIST if nested else cv2.RETR_EXTERNAL
    contours, _ = cv2.findContours(mask, mode, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        if len(contour) < _LEAST_POINTS:
            continue
        hull = cv2.convexHull(contour)
        area = cv2.contourArea(hull)
        if not LEAST_AREA * mask.size < area < MOST_AREA * mask.size:
            continue
        filled = cv2.contourArea(contour) / area
        corners = _corners(hull) if filled >= _LEAST_FILLED else None
        if corners is not None:
            points = (contour[:, 0].astype(np.float64) + 0.5) * scale - 0.5
            yield Outline(points, (clockwise(corners) + 0.5) * scale - 0.5, filled, area / mask.size)


def _corners(hull: NDArray[Any]) -> Points | None:
    girth = cv2.arcLength(hull, closed=True)
    for step in range(1, 16):
        rough = cv2.approxPolyDP(hull, 0.006 * step * girth, closed=True)
        if len(rough) <= _CORNERS:
            return np.asarray(rough[:, 0], np.float64) if len(rough) == _CORNERS else None
    return None


def where_sides_meet(outline: Outline) -> Points | None:
    """An outline's corners as they would be if nothing lay over them, as a finger does: most of each side is one line.

    Returns:
        4 x 2, pixels of the look; None when a side shows no line.
    """
    lines = []
    for start, end in zip(outline.corners, np.roll(outline.corners, -1, axis=0), strict=True):
        along = end - start
        length = float(np.hypot(*along))
        along /= max(length, 1e-6)
        normal = np.array([-along[1], along[0]])
        share, off = (outline.points - start) @ along / max(length, 1e-6), (outline.points - start) @ normal
        near = (share > _ENDS) & (share < 1 - _ENDS) & (np.abs(off) < _NEAR * length)
        if near.sum() < _LEAST_SIDE_POINTS:
            return None
        share, off = share[near], off[near]
        kept = np.ones(share.size, bool)
        level = slope = 0.0
        for _ in range(6):
            centre, mean = float(share[kept].mean()), float(off[kept].mean())
            apart = share[kept] - centre
            slope = float(apart @ (off[kept] - mean)) / max(float(apart @ apart), 1e-9)
            level = mean - slope * centre
            distance = np.abs(off - level - slope * share)
            kept = distance <= max(1.0, float(np.median(distance)))
        first, last = start + level * normal, end + (level + slope) * normal
        lines.append(np.cross((*first, 1.0), (*last, 1.0)))
    met = np.array([np.cross(lines[index - 1], lines[index]) for index in range(4)])
    if (np.abs(met[:, 2]) < 1e-9).any():  # noqa: PLR2004  parallel
        return None
    return np.asarray(met[:, :2] / met[:, 2:], np.float64)
