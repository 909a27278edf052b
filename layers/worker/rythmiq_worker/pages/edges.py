"""Whether four corners are those of a page: along the whole of each side another thing begins, at one straight line.

What is proposed is coarse, so that each side is first moved to where the colour really changes; then it is measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from rythmiq_worker.pages import Lab, Look, Points

Values = NDArray[np.float64]

_STATIONS: Final = 48  # along each side
_ENDS: Final = 0.03  # of a side that is left out, because corners are round, bent or held
_REACH_SHARE: Final = 0.02  # of the long side, in which the change is looked for at first
_NEAR_PX: Final = 4
_WINDOW_PX: Final = 3  # that is compared on each side of a change
_BAND_PX: Final = (2, 6)  # from the line, in which both sides of an edge are compared
_LEAST_CHANGE: Final = 3.0  # of weighted L*a*b*
_LEAST_CONTRAST: Final = 4.0
_CONTRAST_SHARE: Final = 0.35  # of the side's own
_BAND_CONTRAST: Final = 10.0  # of a coloured band or a stamp at the edge
_BAND_SHARE: Final = 0.5
_OFF_LINE_PX: Final = 2.0
_FURTHER_SHARE: Final = 0.1  # of the long side, within which a band of another colour ends
_LEAST_FURTHER: Final = 8.0
_BEYOND: Final = 0.03  # of the picture, that a corner may lie outside it


@dataclass(frozen=True, slots=True)
class Sides:
    """Measurements along the four sides of a quadrilateral, each an array of 4: top, right, bottom, left.

    Attributes:
        cover: share of the side along which what lies within differs from what lies beyond, in the side's own way or
            more.
        straight: share of that at which the change lies on the line.
        contrast: the middle difference, in weighted L*a*b*.
        within: the middle lightness within, L*.
        beyond: the middle lightness beyond, L*.
    """

    cover: Values
    straight: Values
    contrast: Values
    within: Values
    beyond: Values


def settle(look: Look, corners: Points, *, near: bool = False) -> Points | None:
    """Move coarse corners to where the colours change.

    Args:
        look: the picture.
        corners: 4 x 2, pixels of it, clockwise.
        near: whether they are a few pixels off at most.

    Returns:
        4 x 2, or None where a side shows no line or a corner leaves the picture.
    """
    for reach in (_NEAR_PX,) if near else (round(_REACH_SHARE * look.long_px), _NEAR_PX):
        moved = _moved(look, corners, reach)
        if moved is None or (moved < -_BEYOND * look.size).any() or (moved > (1 + _BEYOND) * look.size).any():
            return None
        corners = moved
    return corners


def measure(look: Look, corners: Points) -> Sides:
    """Measure the four sides of settled corners (4 x 2, pixels)."""
    profile, offsets, places = _profiles(look, corners, _BAND_PX[1])
    near, far = _BAND_PX
    within = profile[:, :, (offsets >= near) & (offsets <= far)].mean(axis=2)
    beyond = profile[:, :, (offsets <= -near) & (offsets >= -far)].mean(axis=2)
    apart = within - beyond
    middle = np.median(apart, axis=1)
    contrast = np.sqrt((middle**2).sum(axis=1))
    way = middle / np.maximum(contrast, 1e-6)[:, None]
    beside = places[:, :, offsets == -near][:, :, 0]
    left, top, right, bottom = look.lit  # the end of a black bar is no edge of a page
    seen = ((beside >= (left, top)) & (beside <= (right - 1, bottom - 1))).all(axis=2)
    alike = (apart * way[:, None]).sum(axis=2) > np.maximum(_LEAST_CONTRAST, _CONTRAST_SHARE * contrast)[:, None]
    strong = np.sqrt((apart**2).sum(axis=2)) > np.maximum(_BAND_CONTRAST, _BAND_SHARE * contrast)[:, None]
    differs = seen & (alike | strong)
    changes, steps = _changes(profile, offsets)
    off = np.abs(steps[(changes * way[:, None, None]).sum(axis=3).argmax(axis=2)])
    straight = (differs & (off <= _OFF_LINE_PX)).sum(axis=1) / np.maximum(differs.sum(axis=1), 1)
    return Sides(
        differs.mean(axis=1),
        straight,
        contrast.astype(np.float64),
        np.median(within[:, :, 0], axis=1).astype(np.float64),
        np.median(beyond[:, :, 0], axis=1).astype(np.float64),
    )


def further(look: Look, corners: Points) -> Iterator[Points]:
    """The same corners with one side moved outward to where the colours change again, as beyond a card's coloured band.

    Args:
        look: the picture.
        corners: 4 x 2, pixels of it, settled.
    """
    profile, offsets, _ = _profiles(look, corners, round(_FURTHER_SHARE * look.long_px))
    changes, steps = _changes(profile, offsets)
    strength = np.sqrt((np.median(changes, axis=1) ** 2).sum(axis=2))
    strength[:, steps > -2 * _NEAR_PX] = 0
    for side in range(4):
        place = int(strength[side].argmax())
        if strength[side, place] < _LEAST_FURTHER:
            continue
        first, second = corners[side], corners[(side + 1) % 4]
        along = (second - first) / max(1e-6, float(np.hypot(*(second - first))))
        inward = np.array([-along[1], along[0]])
        moved = corners.copy()
        for corner, away in ((side, side - 1), ((side + 1) % 4, (side + 2) % 4)):
            back = corners[away] - corners[corner]
            moved[corner] = corners[corner] + back * (steps[place] / max(1e-6, float(back @ inward)))
        yield moved


def _moved(look: Look, corners: Points, reach: int) -> Points | None:
    profile, offsets, places = _profiles(look, corners, reach + _WINDOW_PX)
    changes, steps = _changes(profile, offsets)
    typical = np.median(changes, axis=1)  # 4 x D x 3
    strength = np.sqrt((typical**2).sum(axis=2))
    best = strength.argmax(axis=1)
    way = typical[np.arange(4), best] / np.maximum(strength.max(axis=1), 1e-6)[:, None]
    along = (changes * way[:, None, None]).sum(axis=3)  # 4 x N x D
    place, size = steps[along.argmax(axis=2)], along.max(axis=2)
    floor = np.maximum(_LEAST_CHANGE, 0.3 * strength.max(axis=1))
    lines = []
    for index in range(4):
        weights = np.where(size[index] > floor[index], np.minimum(size[index], 30), 0)
        fitted = _line(place[index], weights)
        if fitted is None:
            return None
        start, end = places[index, 0, offsets == 0][0], places[index, -1, offsets == 0][0]
        inward = places[index, 0, offsets == 1][0] - start
        middle, slope = fitted
        lines.append(np.cross((*(start + (middle - slope) * inward), 1.0), (*(end + (middle + slope) * inward), 1.0)))
    met = np.array([np.cross(lines[index - 1], lines[index]) for index in range(4)])
    if (np.abs(met[:, 2]) < 1e-9).any():  # noqa: PLR2004  parallel
        return None
    return np.asarray(met[:, :2] / met[:, 2:], np.float64)


def _profiles(look: Look, corners: Points, reach: int) -> tuple[Lab, Values, Points]:
    """Colours across each side: 4 x N x D x 3; the offsets inward in pixels: D; and the places: 4 x N x D x 2."""
    ends = np.roll(corners, -1, axis=0)
    along = ends - corners
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    normal = np.column_stack([-along[:, 1], along[:, 0]])  # clockwise in pixels, so this points inward
    shares = np.linspace(_ENDS, 1 - _ENDS, _STATIONS)
    stations = corners[:, None] + shares[None, :, None] * (ends - corners)[:, None]
    offsets = np.arange(-reach, reach + 1, dtype=np.float64)
    places = stations[:, :, None] + offsets[None, None, :, None] * normal[:, None, None]
    colours = look.at(places.reshape(4 * _STATIONS, offsets.size, 2))
    return colours.reshape(4, _STATIONS, offsets.size, 3), offsets, places


def _changes(profile: Lab, offsets: Values) -> tuple[Values, Values]:
    """The colour of a few pixels inward less that of a few outward, at each offset where both are there."""
    sums = np.cumsum(np.concatenate([np.zeros_like(profile[:, :, :1]), profile], axis=2), axis=2, dtype=np.float64)
    inner = np.arange(_WINDOW_PX, offsets.size - _WINDOW_PX)
    ahead = sums[:, :, inner + _WINDOW_PX + 1] - sums[:, :, inner + 1]
    behind = sums[:, :, inner] - sums[:, :, inner - _WINDOW_PX]
    return (ahead - behind) / _WINDOW_PX, offsets[inner]


def _line(offsets: Values, weights: Values) -> tuple[float, float] | None:
    """The middle and the slope (over half the side) of the line through most of the offsets; None for too few."""
    across = np.linspace(-1, 1, offsets.size)
    kept = weights > 0
    middle = slope = 0.0
    for _ in range(6):
        if kept.sum() < offsets.size // 6:
            return None
        weight = weights * kept
        total = weight.sum()
        centre, mean = float(weight @ across) / total, float(weight @ offsets) / total
        spread = float(weight @ (across - centre) ** 2)
        slope = float(weight @ ((across - centre) * (offsets - mean))) / max(spread, 1e-9)
        middle = mean - slope * centre
        off = np.abs(offsets - middle - slope * across)
        kept = (weights > 0) & (off < 2.5 * max(0.7, 1.5 * float(np.median(off[kept]))))
    return middle, slope


_RIM_STATIONS: Final = 192
_SOFT: Final = 4
_REACH_PX: Final = 12
_PARTS: Final = 8
_LEAST_RIM_CHANGE: Final = 6.0
_MOST_DARKER: Final = 2.0
_MARGIN_PX: Final = 3


@dataclass(frozen=True, slots=True)
class Rim:
    """An outline, measured.

    Attributes:
        points: N x 2, pixels of the look, evenly spaced and smooth.
        cover: share of them at which a lighter thing, or one of another colour, ends.
        worst: that of the worst eighth of the outline.
    """

    points: Points
    cover: float
    worst: float


def measure_rim(look: Look, outline: Points) -> Rim:
    """Measure a closed outline (N x 2, pixels of the look)."""
    closed = np.vstack([outline, outline[:1]])
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    places = np.linspace(0, way[-1], _RIM_STATIONS, endpoint=False)
    even = np.column_stack([np.interp(places, way, closed[:, axis]) for axis in (0, 1)])
    kernel = np.hanning(2 * _SOFT + 3)[1:-1]
    wrapped = np.vstack([even[-_SOFT:], even, even[:_SOFT]])
    smooth = np.column_stack([np.convolve(wrapped[:, axis], kernel / kernel.sum(), "valid") for axis in (0, 1)])
    along = np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    inward = np.column_stack([-along[:, 1], along[:, 0]])
    if cv2.contourArea(smooth.astype(np.float32), oriented=True) < 0:
        inward = -inward
    offsets = np.arange(-_REACH_PX, _REACH_PX + 1, dtype=np.float64)
    colours = look.at(smooth[:, None] + offsets[None, :, None] * inward[:, None])
    changes, _ = _changes(colours[None], offsets)
    size = np.sqrt((changes[0] ** 2).sum(axis=2))
    best = size.argmax(axis=1)
    rows = np.arange(_RIM_STATIONS)
    inside = ((smooth > _MARGIN_PX) & (smooth < look.size - 1 - _MARGIN_PX)).all(axis=1)
    ends = inside & (size[rows, best] > _LEAST_RIM_CHANGE) & (changes[0][rows, best, 0] > -_MOST_DARKER)
    return Rim(smooth, float(ends.mean()), float(ends.reshape(_PARTS, -1).mean(axis=1).min()))
