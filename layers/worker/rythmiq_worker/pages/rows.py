"""How straight the rows of print on a page are: what tells a bent page, and whether unbending it helped."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.imaging.measures import Gray, shrunk

Values = NDArray[np.float64]

_LOOK_PX: Final = 1000
_NEAR: Final = 1.3  # a picture not larger than this is taken as it is
_WINDOW_PX: Final = 31
_INK_OFFSET: Final = 12
_LETTER_PX: Final = (4, 48)
_LEAST_STROKE_PX: Final = 2
_LEAST_INK_PX: Final = 6
_FEWEST: Final = 20
_ALIKE: Final = (0.45, 2.2)  # of the middle letter's height
_WORD: Final = 6  # heights: letters that touch each other
_BRIDGE: Final = 2.2  # heights: how far the next letter of a row may be
_LEAST_LETTERS: Final = 8  # of a row
_LEAST_LENGTH: Final = 10  # heights
_MOST_ROWS: Final = 40  # of the longest, which are enough to judge a page by
_OFF_ROW: Final = 0.35  # heights, by which a letter may stand off its row


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of print of a page.

    Attributes:
        letters: how many letters stand in rows long enough to be judged.
        count: how many such rows there are.
        sag: how far the middle of a row stands from the line between its ends, in heights of a letter; the upper
            quartile of the rows.
        likeness: how much rows that follow each other are bent alike: 1 when all the same, below 0.5 by chance.
        fan_deg: how much the rows' directions differ, from the first to the ninth tenth of the letters.
    """

    letters: int = 0
    count: int = 0
    sag: float = 0.0
    fan_deg: float = 0.0
    likeness: float = 0.0


def rows_of(page: Image.Image) -> Rows:
    """Measure the rows of print, which may lean by 15 degrees.

    Args:
        page: RGB; a small copy is enough.
    """
    gray = np.asarray(page.convert("L"), np.uint8)
    gray = shrunk(gray, _LOOK_PX) if max(gray.shape) > _NEAR * _LOOK_PX else gray
    if min(gray.shape) < _WINDOW_PX:
        return Rows()
    ink, labels, boxes, middles = _components(gray)
    height = float(np.median(boxes[ink, 3])) if ink.sum() >= _FEWEST else 0.0
    ink &= (boxes[:, 3] >= _ALIKE[0] * height) & (boxes[:, 3] <= _ALIKE[1] * height) & (boxes[:, 2] <= _WORD * height)
    if ink.sum() < _FEWEST:
        return Rows()
    bridge = np.ones((1, max(3, round(_BRIDGE * height) | 1)), np.uint8)
    _, joined = cv2.connectedComponents(cv2.dilate(ink[labels].astype(np.uint8), bridge), connectivity=4)
    points = middles[ink]
    down, across = np.round(points[:, ::-1]).astype(int).T
    row = joined[down, across]
    order = np.argsort(row, kind="stable")
    points, row = points[order], row[order]
    starts = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
    chains = [points[start:end] for start, end in pairwise(starts) if row[start] and end - start >= _LEAST_LETTERS]
    chains = [chain for chain in chains if np.ptp(chain[:, 0]) >= _LEAST_LENGTH * height]
    return _measured(chains, height)


def _components(gray: Gray) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32], Values]:
    """What may be letters: whether each component is one, each pixel's component, their boxes, their middles."""
    ink = cv2.adaptiveThreshold(gray, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, _WINDOW_PX, _INK_OFFSET)
    _, labels, boxes, middles = cv2.connectedComponentsWithStats(ink, connectivity=8)
    low, high = boxes[:, 2:4].min(axis=1), boxes[:, 2:4].max(axis=1)
    letters = (high >= _LETTER_PX[0]) & (high <= _LETTER_PX[1]) & (low >= _LEAST_STROKE_PX)
    letters &= boxes[:, 4] >= _LEAST_INK_PX
    letters[0] = False  # the paper
    return letters, np.asarray(labels, np.int32), np.asarray(boxes, np.int32), np.asarray(middles, np.float64)


def _measured(chains: list[Values], height: float) -> Rows:
    """The longest chains of letters, each taken for a parabola."""
    sags: list[tuple[float, float]] = []  # where the row stands, and how it is bent
    slopes: list[float] = []
    weights: list[float] = []
    letters = sum(len(chain) for chain in chains)
    for chain in sorted(chains, key=len, reverse=True)[:_MOST_ROWS]:
        half = float(np.ptp(chain[:, 0])) / 2
        along, down = (chain[:, 0] - chain[:, 0].mean()) / half, chain[:, 1]
        off = np.abs(down - np.polyval(np.polyfit(along, down, 2), along))
        kept = off <= max(_OFF_ROW * height, 1.5 * float(np.median(off)))
        if kept.sum() < _LEAST_LETTERS:
            continue
        curve, slope, _ = (float(term) for term in np.polyfit(along[kept], down[kept], 2))
        sags.append((float(down.mean()), curve / height))
        for place in (-0.7, 0.0, 0.7):
            slopes.append(float(np.degrees(np.arctan((slope + 2 * curve * place) / half))))
            weights.append(float(kept.sum()))
    if not sags:
        return Rows()
    ranked = np.argsort(slopes)
    shares = np.cumsum(np.array(weights)[ranked]) / sum(weights)
    first, ninth = (slopes[int(ranked[int(np.searchsorted(shares, share))])] for share in (0.1, 0.9))
    bends = np.array([bend for _, bend in sorted(sags)])
    change = float(np.abs(np.diff(bends)).mean()) if bends.size > 1 else 0.0
    likeness = 1 - change / max(2 * float(np.abs(bends).mean()), 1e-6)
    return Rows(letters, len(chains), float(np.percentile(np.abs(bends), 75)), ninth - first, likeness)
