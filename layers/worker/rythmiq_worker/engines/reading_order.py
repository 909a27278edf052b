"""Reading order: columns of prose one after the other, else rows from the top, on a page that may lean.

A table has gaps from top to bottom too, and is read by rows. What tells prose is that its lines fill their column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_ASPECT = 2.0  # a box this much wider than high tells which way its line runs
MIN_OVERLAP = 0.5  # of the lower of two boxes: they stand in one row
MAX_LEAN = 0.36  # tangent of 20 degrees; more is no lean but text that runs another way

MIN_COLUMN_LINES = 4  # on each side of a gutter
MIN_COLUMN_ASPECT = 12.0  # a line of prose, width over height; cells are shorter
MIN_FILL = 0.8  # of the column's width, by its median line


@dataclass(frozen=True, slots=True)
class _Box:
    """A box on the levelled page."""

    index: int
    left: float
    right: float
    height: float


Row = list[_Box]


def lean_of(quads: "NDArray[np.float32]") -> float:
    """The median slope (dy/dx) of the boxes' baselines, each weighted by its length; 0 when no box tells."""
    run = quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]
    fall = quads[:, 3] - quads[:, 0] + quads[:, 2] - quads[:, 1]
    lengths = np.hypot(run[:, 0], run[:, 1])
    tells = (lengths > MIN_ASPECT * np.hypot(fall[:, 0], fall[:, 1])) & (np.abs(run[:, 1]) <= MAX_LEAN * run[:, 0])
    if not tells.any():
        return 0.0
    slopes, weights = run[tells, 1] / run[tells, 0], lengths[tells]
    order = np.argsort(slopes, kind="stable")
    half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    return float(slopes[order][min(half, len(order) - 1)])


def reading_order(quads: "NDArray[np.float32]") -> list[int]:
    """The order in which the boxes are read.

    A box belongs to a row when it overlaps the row's nearest box by half of the lower one's height, after the page's
    lean is taken away; so a row may bend, as on a page photographed at an angle, as long as its neighbours agree.

    Args:
        quads: N x 4 x 2, float32, corners clockwise from top left.

    Returns:
        A permutation of 0..N-1.
    """
    if not len(quads):
        return []
    lean = lean_of(quads)
    levelled = quads[:, :, 1] - lean * quads[:, :, 0]
    tops = (levelled[:, 0] + levelled[:, 1]) / 2
    bottoms = (levelled[:, 2] + levelled[:, 3]) / 2
    middles = ((tops + bottoms) / 2).tolist()
    heights = np.maximum(bottoms - tops, 1e-3).tolist()
    centres = quads[:, :, 0].mean(axis=1).tolist()
    tallest = max(heights)

    rows: list[list[int]] = []
    for box in sorted(range(len(quads)), key=lambda box: (middles[box], centres[box], box)):
        best: tuple[float, int] | None = None
        for number in range(len(rows) - 1, -1, -1):
            nearest = min(rows[number], key=lambda other: (abs(centres[other] - centres[box]), other))
            if middles[box] - middles[rows[number][0]] > 2 * tallest:
                break
            lower = min(heights[box], heights[nearest])
            reach = (heights[box] + heights[nearest]) / 2 - abs(middles[box] - middles[nearest])
            if min(reach, lower) >= MIN_OVERLAP * lower:
                off = abs(middles[box] - middles[nearest])
                if best is None or off < best[0]:
                    best = off, number
        if best is None:
            rows.append([box])
        else:
            rows[best[1]].append(box)
    rows.sort(key=lambda row: (sum(middles[box] for box in row) / len(row), row[0]))
    across = quads[:, :, 0] + lean * quads[:, :, 1]
    lefts, rights = across.min(axis=1).tolist(), across.max(axis=1).tolist()
    boxes = [
        [_Box(box, lefts[box], rights[box], heights[box]) for box in sorted(row, key=lambda box: (centres[box], box))]
        for row in rows
    ]
    return [box.index for box in _in_columns(boxes)]


def _in_columns(rows: Sequence[Row]) -> Row:
    """The boxes of some rows: by columns of prose where there are some, else row by row."""
    for gutter in _gutters(rows):
        start, end = _longest_uncrossed(rows, gutter)
        west, east = _split(rows[start:end], gutter)
        if _is_prose(west) and (columns := _columns(east)):
            parts = (rows[:start], west, *columns, rows[end:])
            return [box for part in parts for box in _in_columns(part)]
    return [box for row in rows for box in row]


def _columns(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that are columns of prose throughout, as those; none when they are anything else."""
    if _is_prose(rows):
        return [list(rows)]
    for gutter in _gutters(rows):
        west, east = _split(rows, gutter)
        if _longest_uncrossed(rows, gutter) == (0, len(rows)) and _is_prose(west) and (columns := _columns(east)):
            return [west, *columns]
    return []


def _gutters(rows: Sequence[Row]) -> list[float]:
    """Where a column may begin."""
    return sorted({box.left for row in rows for box in row})[1:] if len(rows) >= MIN_COLUMN_LINES else []


def _split(rows: Sequence[Row], gutter: float) -> tuple[list[Row], list[Row]]:
    west = [side for row in rows if (side := [box for box in row if box.right <= gutter])]
    east = [side for row in rows if (side := [box for box in row if box.left >= gutter])]
    return west, east


def _longest_uncrossed(rows: Sequence[Row], gutter: float) -> tuple[int, int]:
    """The longest run of rows of which no box lies across a gutter: its first row and its end."""
    best, start = (0, 0), 0
    for number, row in enumerate(rows):
        if any(box.left < gutter < box.right for box in row):
            start = number + 1
        elif number + 1 - start > best[1] - best[0]:
            best = start, number + 1
    return best


def _is_prose(lines: Sequence[Row]) -> bool:
    """Whether these are the lines of one column of running text."""
    if len(lines) < MIN_COLUMN_LINES:
        return False
    extents = np.array([max(box.right for box in line) - line[0].left for line in lines])
    heights = np.array([max(box.height for box in line) for line in lines])
    column = max(box.right for line in lines for box in line) - min(line[0].left for line in lines)
    return bool(
        np.median(extents) >= MIN_FILL * column
        and np.median(extents / heights) >= MIN_COLUMN_ASPECT
        and np.median([len(line) for line in lines]) == 1  # a row of cells has several
    )
