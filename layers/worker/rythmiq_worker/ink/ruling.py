"""Ruled lines of paper: where they run, and which pixels are theirs and not a stroke's that crosses them.

A rule is thin, straight and long. One alone is taken for a rule only where it goes from edge to edge, because a pen's
underline is as straight; two and more run parallel.
"""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_THICKEST_SHARE: Final = 0.012  # of the long side
_FAINTEST: Final = 6  # gray levels below the paper
_LEAST_PIECE_SHARE: Final = 0.015  # of the side along which it runs; longer, and a lean of a few degrees breaks it up
_LEAST_PIECE_PX: Final = 16
_LEAST_SPAN: Final = 0.5
_WHOLE_SPAN: Final = 0.94
_UNBROKEN: Final = 0.9  # of its length: a line of words, or words hung on a headline, has gaps
_MOST_LEAN_DEG: Final = 8.0
_PARALLEL_DEG: Final = 1.5
_AS_LONG: Final = 0.7
_LEAST_RULES: Final = 2
_BAND_PX: Final = 3
_DARKER: Final = 50  # gray levels by which a stroke along a rule stands out from it
_SQUEEZE: Final = 8
_LEAST_SIDE_PX: Final = 120
_MOST_SEGMENTS: Final = 2000


@dataclass(frozen=True, slots=True)
class Ruling:
    """The ruled lines of a picture.

    Attributes:
        count: how many there are, across and down.
        mask: their pixels, but for those at which a stroke crosses; H x W.
    """

    count: int
    mask: Mask


def find_ruling(darkness: Levels) -> Ruling:
    """Find the rules of a sheet.

    Args:
        darkness: H x W, uint8, the darkest channel of a picture whose paper has been made even and white.
    """
    across_count, across = _rules(darkness)
    down_count, down = _rules(np.ascontiguousarray(darkness.T))
    return Ruling(across_count + down_count, across | down.T)


def _rules(darkness: Levels) -> tuple[int, Mask]:
    """The rules that run across."""
    height, width = darkness.shape
    nothing = np.zeros(darkness.shape, bool)
    if min(height, width) < _LEAST_SIDE_PX:
        return 0, nothing
    thickest = max(5, round(_THICKEST_SHARE * max(height, width))) | 1
    thin = cv2.morphologyEx(darkness, cv2.MORPH_BLACKHAT, np.ones((thickest, 1), np.uint8)) > _FAINTEST
    piece = np.ones((1, max(_LEAST_PIECE_PX, round(_LEAST_PIECE_SHARE * width))), np.uint8)
    pieces = cv2.morphologyEx(thin.astype(np.uint8), cv2.MORPH_OPEN, piece)
    lines = _lines(np.asarray(pieces, np.uint8))
    whole = [line for line in lines if line[2] >= _WHOLE_SPAN]
    if len(lines) < _LEAST_RULES and not whole:
        return 0, nothing
    band = np.zeros(darkness.shape, np.uint8)
    for middle, slope, _ in lines:
        ends = [(x, round(middle + slope * (x - width / 2))) for x in (0, width - 1)]
        cv2.line(band, ends[0], ends[1], 1, 2 * _BAND_PX + 1)
    own = thin & (band > 0)
    # A stroke that crosses goes on above and below; a rule's thickness is measured on the rules themselves.
    thickness = _thickness(own)
    column = np.ones((thickness + 3, 1), np.uint8)
    crossing = cv2.morphologyEx((darkness < 255 - 2 * _FAINTEST).astype(np.uint8), cv2.MORPH_OPEN, column) > 0
    usual = int(np.sort(darkness[own])[own.sum() // 6]) if own.any() else 0  # its core, not the grain around it
    return len(lines), own & ~crossing & (darkness >= usual - _DARKER)


def _lines(pieces: Levels) -> list[tuple[float, float, float]]:
    """Straight lines through the pieces: height at the middle, slope, and the share of the width that is there."""
    height, width = pieces.shape
    # Squeezed to an eighth of its width a line is seen as well, and its lean is eight times as steep.
    narrow = max(1, width // _SQUEEZE)
    squeezed = (cv2.resize(pieces, (narrow, height), interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    least = round(_LEAST_SPAN * narrow)
    found = cv2.HoughLinesP(
        squeezed, 1, math.pi / 360, max(8, least // 2), minLineLength=least // 2, maxLineGap=round(0.06 * narrow)
    )
    if found is None:
        return []
    stretch = np.array([width / narrow, 1, width / narrow, 1])
    lines: list[tuple[float, float, float]] = []
    steepest = math.tan(math.radians(_MOST_LEAN_DEG))
    segments = np.asarray(found, np.float64).reshape(-1, 4)[:_MOST_SEGMENTS] * stretch
    order = np.argsort(-np.abs(segments[:, 2] - segments[:, 0]), kind="stable")
    for x0, y0, x1, y1 in segments[order]:
        slope = (y1 - y0) / (x1 - x0) if x1 != x0 else math.inf
        if abs(slope) > steepest:
            continue
        middle = y0 + slope * (width / 2 - x0)
        if any(_meet(middle - other, (slope - lean) * width / 2) for other, lean, _ in lines):
            continue
        span = _span(pieces, middle, slope)
        if span >= _LEAST_SPAN:
            lines.append((middle, slope, span))
    return _parallel(lines)


def _meet(apart: float, turned: float) -> bool:
    """Whether two lines meet, or nearly, within the picture: rules never do.

    Args:
        apart: how far apart they are at its middle, in pixels.
        turned: by how much that changes towards its right side.
    """
    return abs(apart) <= abs(turned) + 2 * _BAND_PX


def _span(pieces: Levels, middle: float, slope: float) -> float:
    """The share of the width over which a line is there; 0 where it has gaps."""
    height, width = pieces.shape
    across = np.arange(width)
    down = np.round(middle + slope * (across - width / 2)).astype(int)
    there = np.zeros(width, bool)
    for off in range(-_BAND_PX, _BAND_PX + 1):
        row = down + off
        inside = (row >= 0) & (row < height)
        there[inside] |= pieces[row[inside], across[inside]] > 0
    reach = np.flatnonzero(there)
    if not reach.size or there[reach[0] : reach[-1] + 1].mean() < _UNBROKEN:
        return 0.0
    return float(there.mean())


def _parallel(lines: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Those that run as most of them do, and as far: an underline ends with the name."""
    if not lines:
        return []
    angles = np.degrees(np.arctan([slope for _, slope, _ in lines]))
    agree = [np.abs(angles - angle) <= _PARALLEL_DEG for angle in angles]
    best = max(agree, key=lambda chosen: int(chosen.sum()))
    parallel = [line for line, chosen in zip(lines, best, strict=True) if chosen]
    usual = sorted(span for _, _, span in parallel)[len(parallel) // 2]
    return [line for line in parallel if line[2] >= _AS_LONG * usual]


def _thickness(own: Mask) -> int:
    """How many pixels a rule is thick, in most places."""
    heights = own.sum(axis=0)
    counts = cv2.connectedComponents(own.astype(np.uint8), connectivity=4)[0] - 1
    if not counts:
        return 1
    runs = np.diff(np.pad(own.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    starts = int((runs == 1).sum())
    return max(1, math.ceil(float(heights.sum()) / max(1, starts)))
