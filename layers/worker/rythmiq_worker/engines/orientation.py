"""Which way up a page lies, judged by its text: along or across by the boxes' shape, which way by what can be read.

Text that is read upside down has few letters and little confidence, in scripts that the recogniser does not know too:
so both ways of a few lines settle it (docs/decisions.md has the figures, and why the classifier that RapidOCR brings is
not asked). A page is turned only on proof; without text, or in doubt, it stays as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rythmiq_worker.engines.recognition import Reading, Turn, box_size, line_width
from rythmiq_worker.engines.text import PageTurn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_ASPECT = 1.5  # a box this much longer than wide tells which way its line runs
CLEAR_AXIS = 3.0  # one way's lines are this much longer, all together, than the other's
SAMPLE = 6  # lines that are read both ways
SAMPLE_WIDTH_PX = 480  # of a line 48 pixels high: some 25 letters
PLAIN_CONFIDENCE = 0.90  # upright print has .95 and more, upside down at most .83
PLAIN_LETTERS = 8
MIN_MARGIN = 1.5  # how much more one way must say than another
SURE_CONFIDENCE = 0.85
SURE_LETTERS = 3  # in one line: textures are read as a lone letter, and that sometimes surely
LINE_ASPECT = 4.0  # without a sure line: a box that is long enough to be one
LINE_LETTERS = 4

CLOCKWISE: Mapping[Turn, int] = {Turn.LEVEL: 0, Turn.UPWARDS: 90, Turn.INVERTED: 180, Turn.DOWNWARDS: 270}
"""How far a page is to be turned whose text stands so."""

ReadAs = Callable[["NDArray[np.float32]", Turn], list[Reading]]
"""Reads lines in boxes as if all stood one way."""


def is_plain(readings: Sequence[Reading]) -> bool:
    """Whether so much was read so surely that the page cannot lie another way up."""
    letters = sum(len(reading.text) for reading in readings)
    said = sum(len(reading.text) * reading.confidence for reading in readings)
    return letters >= PLAIN_LETTERS and said >= PLAIN_CONFIDENCE * letters


def evidence(readings: Sequence[Reading]) -> float:
    """How much was read and how surely: the letters by their confidence, times the mean confidence."""
    letters = sum(len(reading.text) for reading in readings)
    said = sum(len(reading.text) * reading.confidence for reading in readings)
    return said * said / max(1, letters)


def lengths_of(quads: "NDArray[np.float32]") -> tuple[float, float]:
    """How long the lines along the page are, and those across it, all together, in pixels."""
    along = across = 0.0
    for quad in quads:
        width_px, height_px = box_size(quad)
        if width_px >= MIN_ASPECT * height_px:
            along += width_px
        elif height_px >= MIN_ASPECT * width_px:
            across += height_px
    return along, across


def lies_along(quads: "NDArray[np.float32]") -> bool:
    """Whether the page's lines run along it, so that it is upright or upside down; also when nothing tells."""
    along, across = lengths_of(quads)
    return across <= CLEAR_AXIS * along


def find_turn(quads: "NDArray[np.float32]", read_as: ReadAs) -> PageTurn | None:
    """Find how far a page is to be turned; None when it lies right, or there is no proof that it does not.

    Args:
        quads: N x 4 x 2, float32: the boxes of its text, clockwise from top left.
        read_as: reads some of them.
    """
    along, across = lengths_of(quads)
    ways: list[Turn] = []
    if across <= CLEAR_AXIS * along:
        ways += [Turn.LEVEL, Turn.INVERTED]
    if across and along <= CLEAR_AXIS * across:
        ways += [Turn.UPWARDS, Turn.DOWNWARDS]
    said: dict[Turn, float] = {}
    proven: dict[Turn, bool] = {}
    samples = {way: sample(quads, way) for way in ways}
    for way, some in samples.items():
        readings = read_as(quads[some], way)
        said[way] = evidence(readings)
        proven[way] = is_text(quads[some], readings)
    ranked = sorted(ways, key=lambda way: said[way], reverse=True)
    best = next(iter(ranked), Turn.LEVEL)
    against = max((said[way] for way in ways if way is not best), default=0.0)
    if best is Turn.LEVEL or not proven[best] or said[best] < MIN_MARGIN * against:
        return None
    return PageTurn(CLOCKWISE[best], len(samples[best]), round(said[best], 2), round(against, 2))


def sample(quads: "NDArray[np.float32]", way: Turn) -> list[int]:
    """A few of the boxes whose shape fits a way of standing, of a handy length."""
    fitting: list[tuple[int, int]] = []
    for index, quad in enumerate(quads):
        width_px, height_px = box_size(quad)
        if (width_px >= height_px) if way.along else (height_px >= MIN_ASPECT * width_px):
            fitting.append((abs(line_width(quad, way) - SAMPLE_WIDTH_PX), index))
    return sorted(index for _, index in sorted(fitting)[:SAMPLE])


def is_text(quads: "NDArray[np.float32]", readings: Sequence[Reading]) -> bool:
    """Whether what was read is text: a line of some sure letters, or one long enough, of a script that is not known."""
    for quad, reading in zip(quads, readings, strict=True):
        sides = box_size(quad)
        letters = len(reading.text.replace(" ", ""))
        if letters >= SURE_LETTERS and reading.confidence >= SURE_CONFIDENCE:
            return True
        if letters >= LINE_LETTERS and max(sides) >= LINE_ASPECT * min(sides):
            return True
    return False
