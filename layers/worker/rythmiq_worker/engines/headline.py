"""The stroke on which the letters of Devanagari, Bengali and Gurmukhi hang: over what of a line of text it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RUN = 0.6  # of the height: a stroke along the line as long as that is no part of a Latin letter
UPPER = 0.55  # of the height: a line below that underlines
MOSTLY = 0.6  # of the columns with ink: Devanagari has .67 and more, a line of both scripts less
BARE = 1.0  # line heights without a headline: a word of three Latin letters or digits is wider
NEAR = 0.12  # of the height: letters of one word stand as close
LEAST_WRITTEN_PX = 2  # less ink in a column is dust
MOST_INK = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a line of which nothing was read, from and to, as shares of its width."""

    start: float
    end: float


def ink_of(line: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """Where a line has ink, whether it is dark or light: H x W, uint8, 0 or 1."""
    gray = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
    _, ink = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    dark = ink.astype(np.uint8, copy=False)
    return 1 - dark if dark.mean() > MOST_INK else dark


def hanging_share(line: "NDArray[np.uint8]", parts: Sequence[Stretch]) -> float:
    """The share of some parts of a line, by width, over which a long stroke runs in its upper half."""
    covered = _headline(ink_of(line))
    width_px = len(covered)
    wanted = np.zeros(width_px, np.bool)
    for part in parts:
        wanted[round(part.start * width_px) : round(part.end * width_px)] = True
    return float(covered[wanted].mean()) if wanted.any() else 0.0


def hangs_wholly(line: "NDArray[np.uint8]") -> bool:
    """Whether nearly all of a line hangs on a headline, and what does not is nowhere as long as a Latin word."""
    ink = ink_of(line)
    covered = _headline(ink)
    written = ink.sum(axis=0) >= LEAST_WRITTEN_PX
    bare = (written & ~covered).astype(np.uint8)[np.newaxis]
    near = np.ones((1, max(1, round(NEAR * len(ink)))), np.uint8)
    edges = np.flatnonzero(np.diff(np.asarray(cv2.morphologyEx(bare, cv2.MORPH_CLOSE, near))[0], prepend=0, append=0))
    longest_px = int(np.diff(edges)[::2].max(initial=0))
    return bool(covered.any() and written.any() and covered[written].mean() >= MOSTLY and longest_px <= BARE * len(ink))


def _headline(ink: "NDArray[np.uint8]") -> "NDArray[np.bool]":
    """Over which columns of a line's ink a long stroke runs in its upper half."""
    height_px = len(ink)
    strokes = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, round(RUN * height_px)), np.uint8))
    covered: NDArray[np.bool] = np.asarray(strokes)[: round(UPPER * height_px)].max(axis=0) > 0
    return covered
