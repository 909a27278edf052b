"""The outline of a page that does not lie flat: whether along all of it the page ends and its desk begins."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from rythmiq_worker.pages.edges import _changes
from rythmiq_worker.pages.look import Look, Points

_STATIONS: Final = 192
_SOFT: Final = 4
_REACH_PX: Final = 12
_PARTS: Final = 8
_LEAST_CHANGE: Final = 6.0
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
    places = np.linspace(0, way[-1], _STATIONS, endpoint=False)
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
    rows = np.arange(_STATIONS)
    inside = ((smooth > _MARGIN_PX) & (smooth < look.size - 1 - _MARGIN_PX)).all(axis=1)
    ends = inside & (size[rows, best] > _LEAST_CHANGE) & (changes[0][rows, best, 0] > -_MOST_DARKER)
    return Rim(smooth, float(ends.mean()), float(ends.reshape(_PARTS, -1).mean(axis=1).min()))
