"""Reading order: rows from the top, each from left to right, on a page that may lean."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_ASPECT = 2.0  # a box this much wider than high tells which way its line runs
MIN_OVERLAP = 0.5  # of the lower of two boxes: they stand in one row
MAX_LEAN = 0.36  # tangent of 20 degrees; more is no lean but text that runs another way


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
    return [box for row in rows for box in sorted(row, key=lambda box: (centres[box], box))]
