"""The orientation of a page, and the order in which its lines are read.

Orientation: along or across by the boxes' shape, which way up by what can be read. Text that is read upside down has
few letters and little confidence, in scripts that the recogniser does not know too: so reading a few lines both ways
settles it. Where it does not, the line on which Devanagari, Bengali and Gurmukhi hang their letters does
(docs/decisions.md has the figures, and why the classifier that RapidOCR brings is not asked). A page is turned only on
proof; without text, or in doubt, it stays as it is.

Order: columns of prose one after the other, else rows from the top, on a page that may lean. A table has gaps from top
to bottom too, and is read by rows. What tells prose is that its lines fill their column.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rythmiq_worker.engines import PageTurn
from rythmiq_worker.engines.recognition import Reading, Turn, box_size, line_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLEAR_ASPECT = 1.5  # a box this much longer than wide tells which way its line runs
CLEAR_AXIS = 3.0  # one way's lines are this much longer, all together, than the other's
SAMPLE = 6  # lines that are read both ways
SAMPLE_WIDTH_PX = 480  # of a line 48 pixels high: some 25 letters
PLAIN_CONFIDENCE = 0.90  # upright print has .95 and more, upside down at most .83
PLAIN_LETTERS = 8
MIN_MARGIN = 1.5  # how much more one way must say than another
CLEAR_GAP = (
    0.06  # or how much surer it must be, when it is plain: short words are read upside down too, at 0.66 to 0.91
)
SURE_CONFIDENCE = 0.85
SURE_LETTERS = 3  # in one line: textures are read as a lone letter, and that sometimes surely
LINE_ASPECT = 4.0  # without a sure line: a box that is long enough to be one
LINE_LETTERS = 4
HEADLINE_COVER = 0.55  # of the line's width
HEADLINE_OFF_MIDDLE = 0.04  # of its height
LEAST_HANGING = 0.5  # of the lines, more of one kind than of the other
MOST_INK = 0.5

CLOCKWISE: Mapping[Turn, int] = {Turn.LEVEL: 0, Turn.UPWARDS: 90, Turn.INVERTED: 180, Turn.DOWNWARDS: 270}
"""How far a page is to be turned whose text stands so."""

ReadAs = Callable[["NDArray[np.float32]", Turn], list[Reading]]
"""Reads lines in boxes as if all stood one way."""

CropAs = Callable[["NDArray[np.float32]", Turn], "NDArray[np.uint8]"]
"""Cuts the line in a box out, level if it stands so: 48 x W x 3, uint8, RGB."""


def is_plain(readings: Sequence[Reading]) -> bool:
    """Whether so much was read so surely that the page cannot lie another way up."""
    letters, said = _said(readings)
    return letters >= PLAIN_LETTERS and said >= PLAIN_CONFIDENCE * letters


def evidence(readings: Sequence[Reading]) -> float:
    """How much was read and how surely: the letters by their confidence, times the mean confidence."""
    letters, said = _said(readings)
    return said * said / max(1, letters)


def _said(readings: Sequence[Reading]) -> tuple[int, float]:
    """Letters, and their sum by confidence; a blank is none."""
    counts = [sum(map(len, reading.text.split())) for reading in readings]
    return sum(counts), sum(count * reading.confidence for count, reading in zip(counts, readings, strict=True))


def lengths_of(quads: "NDArray[np.float32]") -> tuple[float, float]:
    """How long the lines along the page are, and those across it, all together, in pixels."""
    along = across = 0.0
    for quad in quads:
        width_px, height_px = box_size(quad)
        if width_px >= CLEAR_ASPECT * height_px:
            along += width_px
        elif height_px >= CLEAR_ASPECT * width_px:
            across += height_px
    return along, across


def lies_along(quads: "NDArray[np.float32]") -> bool:
    """Whether the page's lines run along it, so that it is upright or upside down; also when nothing tells."""
    along, across = lengths_of(quads)
    return across <= CLEAR_AXIS * along


def find_turn(quads: "NDArray[np.float32]", read_as: ReadAs, crop_as: CropAs) -> PageTurn | None:
    """Find how far a page is to be turned; None when it lies right, or there is no proof that it does not.

    Args:
        quads: N x 4 x 2, float32: the boxes of its text, clockwise from top left.
        read_as: reads some of them.
        crop_as: cuts one of them out.
    """
    along, across = lengths_of(quads)
    ways: list[Turn] = []
    if across <= CLEAR_AXIS * along:
        ways += [Turn.LEVEL, Turn.INVERTED]
    if across and along <= CLEAR_AXIS * across:
        ways += [Turn.UPWARDS, Turn.DOWNWARDS]
    samples = {way: quads[sample(quads, way)] for way in ways}
    readings = {way: read_as(some, way) for way, some in samples.items()}
    said = {way: evidence(readings[way]) for way in ways}
    best = max(ways, key=lambda way: said[way], default=Turn.LEVEL)
    if is_text(samples.get(best, quads[:0]), readings.get(best, [])) and (
        _leads(said, best) or _is_surer(readings, best)
    ):
        return _page_turn(best, "reading", samples, said)
    hung = Turn.LEVEL if best.along else Turn.UPWARDS
    lines = [quad for quad in samples.get(hung, ()) if max(box_size(quad)) >= LINE_ASPECT * min(box_size(quad))]
    votes = sum(hangs(crop_as(quad, hung)) for quad in lines)
    if abs(votes) < max(1.0, LEAST_HANGING * len(lines)):
        return None
    way = hung if votes > 0 else Turn((hung + 2) % 4)
    if said[way] * MIN_MARGIN < max(said.values()):
        return None
    return _page_turn(way, "headline", samples, said)


def _leads(said: Mapping[Turn, float], best: Turn) -> bool:
    return said[best] >= MIN_MARGIN * max((said[way] for way in said if way is not best), default=0.0)


def _is_surer(readings: Mapping[Turn, Sequence[Reading]], best: Turn) -> bool:
    """Whether one way is read plainly and every other with doubt."""
    surety = {way: _said(some)[1] / max(1, _said(some)[0]) for way, some in readings.items()}
    others = max((surety[way] for way in surety if way is not best), default=0.0)
    return is_plain(readings[best]) and surety[best] >= others + CLEAR_GAP


def _page_turn(
    way: Turn, by: str, samples: "Mapping[Turn, NDArray[np.float32]]", said: Mapping[Turn, float]
) -> PageTurn | None:
    if way is Turn.LEVEL:
        return None
    against = max((said[other] for other in said if other is not way), default=0.0)
    return PageTurn(CLOCKWISE[way], by, len(samples[way]), round(said[way], 2), round(against, 2))


def hangs(line: "NDArray[np.uint8]") -> int:
    """Whether the letters of a line hang on a line of ink: 1 when it runs above them, -1 when below, 0 without one.

    Args:
        line: 48 x W x 3, uint8.
    """
    gray = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
    _, ink = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    cover = ink.mean(axis=1)
    if cover.mean() > MOST_INK:
        cover = 1 - cover
    row = int(cover.argmax())
    if cover[row] < HEADLINE_COVER:
        return 0
    place = (row + 0.5) / len(cover)
    return int(place < 0.5 - HEADLINE_OFF_MIDDLE) - int(place > 0.5 + HEADLINE_OFF_MIDDLE)


def sample(quads: "NDArray[np.float32]", way: Turn) -> list[int]:
    """A few of the boxes whose shape fits a way of standing, of a handy length."""
    fitting: list[tuple[int, int]] = []
    for index, quad in enumerate(quads):
        width_px, height_px = box_size(quad)
        if (width_px >= height_px) if way.along else (height_px >= CLEAR_ASPECT * width_px):
            fitting.append((abs(line_width(quad, way) - SAMPLE_WIDTH_PX), index))
    return sorted(index for _, index in sorted(fitting)[:SAMPLE])


def is_text(quads: "NDArray[np.float32]", readings: Sequence[Reading]) -> bool:
    """Whether what was read is text: a line of some sure letters, or one long enough, of a script that is not known."""
    for quad, reading in zip(quads, readings, strict=True):
        sides = box_size(quad)
        letters, _ = _said([reading])
        if letters >= SURE_LETTERS and reading.confidence >= SURE_CONFIDENCE:
            return True
        if letters >= LINE_LETTERS and max(sides) >= LINE_ASPECT * min(sides):
            return True
    return False


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
