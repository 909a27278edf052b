"""The shape of a line of text: how it bends, and over what of it the stroke runs on which its letters hang.

A rectangle around a bent line is as high as the bend, holds its neighbours' letters and is mostly paper, so such a line
used to be refused as no text, without a word. What is probable has an outline; its middle, from one end to the other,
is the line's course, by which it is cut out level.

The letters of Devanagari, Bengali and Gurmukhi hang on a headline.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from cv2.typing import MatLike
    from numpy.typing import NDArray

STATIONS = 17  # where a course is written down; between them it is straight
MIN_ASPECT = 4.0  # a shorter stretch of text does not bend
FULL = 0.75  # of its rectangle: so much does the outline of a straight line fill at least
BEND_DEGREE = 4  # of the polynomial: a page has a wave or two across its width, no more
MIN_BEND = 0.25  # of the line's height, off the straight line: less than that is read as well from a rectangle
MANY_LINES = 1.6  # of the text's own thickness: what is spread over so much is several lines that touch
MAX_LEAN = 1.0  # tangent: what runs more down than along is read on its rectangle


@dataclass(frozen=True, slots=True)
class Course:
    """Where one bent line runs.

    Attributes:
        edges: STATIONS x 2 x 2, float32: from the line's left end to its right, a point (x, y) of its upper edge and
            one of its lower edge.
        height_px: of the text's core, before growing.
    """

    edges: "NDArray[np.float32]"
    height_px: float

    @property
    def quad(self) -> "NDArray[np.float32]":
        """The straight box from one end to the other: 4 x 2, float32, clockwise from top left."""
        (top_left, bottom_left), (top_right, bottom_right) = self.edges[0], self.edges[-1]
        return np.array([top_left, top_right, bottom_right, bottom_left], np.float32)


def size_of(edges: "NDArray[np.float32]") -> tuple[int, int]:
    """Length along a course and its height in pixels, at least 1."""
    middle = edges.mean(axis=1)
    length_px = float(np.linalg.norm(np.diff(middle, axis=0), axis=1).sum())
    height_px = float(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).mean())
    return max(1, int(length_px)), max(1, int(height_px))


def may_bend(contour: "MatLike", width_px: float, height_px: float) -> bool:
    """Whether an outline is so long, and fills its smallest rectangle so badly, that it is no straight line.

    Args:
        contour: N x 1 x 2, int32.
        width_px: of its smallest rectangle, along the text or across.
        height_px: the other side.
    """
    long_px, short_px = max(width_px, height_px), min(width_px, height_px)
    return long_px >= MIN_ASPECT * short_px / 2 and cv2.contourArea(contour) < FULL * long_px * short_px


def course_of(contour: "MatLike", ratio: float) -> Course | None:
    """The course of one line by its outline; None when it is straight, short, no line, or more than one.

    Args:
        contour: N x 1 x 2, int32.
        ratio: by how much text is grown: area x ratio / perimeter, at every side.
    """
    along = _direction(contour)
    if abs(along[1]) > MAX_LEAN * along[0]:
        return None
    across = np.array([-along[1], along[0]])
    middles, counts, spans, start = _profile(contour, along, across)
    height_px = float(np.median(counts))
    if len(middles) < MIN_ASPECT * height_px or float(np.median(spans)) > MANY_LINES * height_px:
        return None
    places = np.arange(len(middles), dtype=np.float64)
    curve = _smooth(places, middles, counts, height_px)
    if curve is None:
        return None
    bend = curve(places) - np.interp(places, places[[0, -1]], curve(places[[0, -1]]))
    if float(np.abs(bend).max()) < MIN_BEND * height_px:
        return None
    grown = len(middles) * height_px * ratio / (2 * (len(middles) + height_px))
    stations = np.linspace(-grown, len(middles) - 1 + grown, STATIONS)
    held = np.clip(stations, 0, len(middles) - 1)
    slope = curve.deriv()(held)
    centre = curve(held) + slope * (stations - held)  # it goes on as it ends
    points = (start + stations)[:, None] * along + centre[:, None] * across
    normal = across - slope[:, None] * along
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    half = height_px / 2 + grown
    edges = np.stack([points - half * normal, points + half * normal], axis=1)
    return Course(edges.astype(np.float32), height_px)


def several(contour: "MatLike") -> bool:
    """Whether an outline holds lines that touch somewhere: it is spread over much more than it covers."""
    along = _direction(contour)
    _, counts, spans, _ = _profile(contour, along, np.array([-along[1], along[0]]))
    return float(np.median(spans)) > MANY_LINES * float(np.median(counts)) or float(counts.max()) > 2 * float(
        np.median(counts)
    )


def crop_course(
    image: "NDArray[np.uint8]", edges: "NDArray[np.float32]", width_px: int, height_px: int
) -> "NDArray[np.uint8]":
    """Cut a bent line out of the full-size picture, straightened.

    Args:
        image: H x W x 3, uint8.
        edges: STATIONS x 2 x 2, float32, in its pixels.
        width_px: how wide to make it.
        height_px: how high to make it.

    Returns:
        H x W x 3, uint8, channels as given.
    """
    limit = np.array([image.shape[1] - 1, image.shape[0] - 1])
    low = np.clip(np.floor(edges.min(axis=(0, 1))).astype(int), 0, limit)
    high = np.clip(np.ceil(edges.max(axis=(0, 1))).astype(int), low, limit)
    patch = image[low[1] : high[1] + 1, low[0] : high[0] + 1]
    source = (edges - low).astype(np.float32)
    scale = height_px / size_of(edges)[1]
    if scale < 1:
        size = max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale))
        source *= np.array([size[0] / patch.shape[1], size[1] / patch.shape[0]], np.float32)
        patch = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    places = np.linspace(0, len(edges) - 1, width_px)
    column = np.stack(
        [np.interp(places, np.arange(len(edges)), source[:, side, axis]) for side in (0, 1) for axis in (0, 1)]
    )
    share = ((np.arange(height_px) + 0.5) / height_px)[:, None]
    across = (column[0] * (1 - share) + column[2] * share).astype(np.float32)
    down = (column[1] * (1 - share) + column[3] * share).astype(np.float32)
    line = cv2.remap(patch, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return line.astype(np.uint8, copy=False)


def _direction(contour: "MatLike") -> "NDArray[np.float64]":
    """Which way an outline runs: a unit vector to the right."""
    _, (width_px, height_px), degrees = cv2.minAreaRect(contour)
    radians = math.radians(degrees + (0 if width_px >= height_px else 90))
    along = np.array([math.cos(radians), math.sin(radians)])
    return -along if along[0] < 0 else along


def _profile(
    contour: "MatLike", along: "NDArray[np.float64]", across: "NDArray[np.float64]"
) -> "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]":
    """What an outline covers, step by step of one pixel along it: the middle across it, how much, over how much.

    Returns:
        Middles, counts and spans, float64, of equal length; and the place of the first step.
    """
    left, top, width_px, height_px = cv2.boundingRect(contour)
    inside = np.zeros((height_px, width_px), np.uint8)
    cv2.drawContours(inside, [contour], 0, 1, cv2.FILLED, offset=(-left, -top))
    rows, columns = np.nonzero(inside)
    points = np.stack([columns + left, rows + top], axis=1)
    forth, up = points @ along, points @ across
    start = math.floor(forth.min())
    step = np.floor(forth).astype(np.int64) - start
    counts = np.bincount(step).astype(np.float64)
    middles = np.bincount(step, up) / np.maximum(counts, 1)
    highest, lowest = np.full(len(counts), -np.inf), np.full(len(counts), np.inf)
    np.maximum.at(highest, step, up)
    np.minimum.at(lowest, step, up)
    empty = counts == 0
    middles[empty] = np.interp(np.flatnonzero(empty), np.flatnonzero(~empty), middles[~empty])
    return middles, counts, np.where(empty, 0, highest - lowest + 1), float(start)


def _smooth(
    places: "NDArray[np.float64]", middles: "NDArray[np.float64]", counts: "NDArray[np.float64]", height_px: float
) -> "np.polynomial.Polynomial | None":
    """A smooth curve through the middles, of what is left when twice the worst are left out; None: there is none."""
    kept = counts > 0
    for _ in range(2):
        if kept.sum() < MIN_ASPECT * height_px:
            return None
        curve = np.polynomial.Polynomial.fit(places[kept], middles[kept], BEND_DEGREE).convert()
        kept &= np.abs(curve(places) - middles) <= height_px / 2
    return None if kept.mean() < FULL else curve


_RUN = 0.6  # of the height: a stroke along the line as long as that is no part of a Latin letter
_UPPER = 0.55  # of the height: a line below that underlines
_MOSTLY = 0.6  # of the columns with ink: Devanagari has .67 and more, a line of both scripts less
_BARE = 1.0  # line heights without a headline: a word of three Latin letters or digits is wider
_NEAR = 0.12  # of the height: letters of one word stand as close
_LEAST_WRITTEN_PX = 2  # less ink in a column is dust
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
    written = ink.sum(axis=0) >= _LEAST_WRITTEN_PX
    bare = (written & ~covered).astype(np.uint8)[np.newaxis]
    near = np.ones((1, max(1, round(_NEAR * len(ink)))), np.uint8)
    edges = np.flatnonzero(np.diff(np.asarray(cv2.morphologyEx(bare, cv2.MORPH_CLOSE, near))[0], prepend=0, append=0))
    longest_px = int(np.diff(edges)[::2].max(initial=0))
    return bool(
        covered.any() and written.any() and covered[written].mean() >= _MOSTLY and longest_px <= _BARE * len(ink)
    )


def _headline(ink: "NDArray[np.uint8]") -> "NDArray[np.bool]":
    """Over which columns of a line's ink a long stroke runs in its upper half."""
    height_px = len(ink)
    strokes = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, round(_RUN * height_px)), np.uint8))
    covered: NDArray[np.bool] = np.asarray(strokes)[: round(_UPPER * height_px)].max(axis=0) > 0
    return covered
