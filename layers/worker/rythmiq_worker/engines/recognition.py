"""Reads lines of text: crops of one height, batched by width, through the PP-OCR recogniser, decoded by CTC.

Nothing is padded to a common 320 pixels as RapidOCR does: on a dense page that is nearly half of the work
(docs/decisions.md).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rythmiq_worker.engines.line_shape import crop_course, size_of
from rythmiq_worker.engines.models import LINE_HEIGHT_PX

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rythmiq_worker.engines.models import AnyNetwork

    Places = NDArray[np.float32] | Sequence[NDArray[np.float32]]
    """Where lines stand: N boxes of 4 x 2, clockwise from top left, or some of them courses of bent lines."""

MIN_LINE_WIDTH_PX = 8
MAX_LINE_WIDTH_PX = 3200  # about 180 letters; a longer box is squeezed, so that memory has a bound
WIDTH_STEP_PX = 32
BATCH_WIDTH_PX = 6 * 320  # columns of one batch, padding included
TALL_RATIO = 1.5  # higher than wide by this: text that runs downwards or upwards, or a lone letter
LONE_LETTER_RATIO = 3.0  # higher than wide by this: no letter stands like that
PREFILTER_BELOW = 0.75
BLANK = 0
COURSE_DIMENSIONS = 3  # of the array that says where a bent line runs; a box has two
# How far lines are squeezed: until a letter has 13 pixels, on average. Measured on five typefaces: nothing is lost
# down to 14, 0.04 % of the letters at 13, 0.3 % at 11, 5 % at 9. Lines of a few letters are not worth it.
LETTER_WIDTH_PX = 13.0
MIN_SQUEEZE = 0.6
LONG_LINE_PX = 200
PILOTS = 3
SURE = 0.95
HOPEFUL = 0.75
HOPEFUL_DENSITY = 1.2  # letters on a length of the line's height


class Turn(IntEnum):
    """How text stands in its box; the value is the corner, clockwise from top left, at which its first line begins."""

    LEVEL = 0
    DOWNWARDS = 1
    INVERTED = 2
    UPWARDS = 3

    @property
    def along(self) -> bool:
        """Whether the text runs along its box's top, be it upside down."""
        return self in {Turn.LEVEL, Turn.INVERTED}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one line.

    Attributes:
        text: as it stands, blanks at its ends included.
        confidence: 0..1, the mean probability of its characters.
        surety: of each character, 0..1; empty when that is not known.
        places: of each character, as a share of the line's width; empty when that is not known.
    """

    text: str
    confidence: float
    surety: tuple[float, ...] = ()
    places: tuple[float, ...] = ()


def box_size(quad: "NDArray[np.float32]") -> tuple[int, int]:
    """Width and height of a box, or of a bent line along its course, in pixels of the picture, at least 1."""
    if quad.ndim == COURSE_DIMENSIONS:
        return size_of(quad)
    width_px = max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3]))
    height_px = max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2]))
    return max(1, int(width_px)), max(1, int(height_px))


def turns_of(quad: "NDArray[np.float32]") -> tuple[Turn, ...]:
    """How the text in a box may stand: a box on end is read both ways, and upright too if it may be a lone letter."""
    width_px, height_px = box_size(quad)
    if height_px < TALL_RATIO * width_px:
        return (Turn.LEVEL,)
    if height_px < LONE_LETTER_RATIO * width_px:
        return Turn.LEVEL, Turn.DOWNWARDS, Turn.UPWARDS
    return Turn.DOWNWARDS, Turn.UPWARDS


def line_width(quad: "NDArray[np.float32]", turn: Turn = Turn.LEVEL) -> int:
    """Width in pixels of a box's crop when it is 48 pixels high."""
    width_px, height_px = box_size(quad)
    ratio = width_px / height_px if turn.along else height_px / width_px
    return min(max(MIN_LINE_WIDTH_PX, math.ceil(LINE_HEIGHT_PX * ratio)), MAX_LINE_WIDTH_PX)


def crop_line(
    image: "NDArray[np.uint8]",
    quad: "NDArray[np.float32]",
    turn: Turn = Turn.LEVEL,
    width_px: int | None = None,
    height_px: int = LINE_HEIGHT_PX,
) -> "NDArray[np.uint8]":
    """Cut one line out of the full-size picture, level.

    Where it shrinks, the picture is averaged first (INTER_AREA): a warp alone would skip pixels.

    Args:
        image: H x W x 3, uint8.
        quad: 4 x 2, float32, clockwise from top left; or the course of a bent line, which stands level.
        turn: how the text stands in it.
        width_px: how wide to make it; `line_width` by default, which keeps the shape of one 48 pixels high.
        height_px: how high to make it.

    Returns:
        H x W x 3, uint8, channels as given.
    """
    width_px = line_width(quad, turn) if width_px is None else width_px
    if quad.ndim == COURSE_DIMENSIONS:
        return crop_course(image, quad, width_px, height_px)
    limit = np.array([image.shape[1] - 1, image.shape[0] - 1])
    low = np.clip(np.floor(quad.min(axis=0)).astype(int), 0, limit)
    high = np.clip(np.ceil(quad.max(axis=0)).astype(int), low, limit)
    patch = image[low[1] : high[1] + 1, low[0] : high[0] + 1]
    source = (quad - low).astype(np.float32)
    scale = LINE_HEIGHT_PX / box_size(quad)[1 if turn.along else 0]
    if scale < PREFILTER_BELOW:
        size = max(1, round(patch.shape[1] * scale)), max(1, round(patch.shape[0] * scale))
        source *= np.array([size[0] / patch.shape[1], size[1] / patch.shape[0]], np.float32)
        patch = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    target = np.array([[0, 0], [width_px, 0], [width_px, height_px], [0, height_px]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.roll(source, -turn, axis=0), target)
    line = cv2.warpPerspective(
        patch, matrix, (width_px, height_px), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return line.astype(np.uint8, copy=False)


def batches(widths_px: Sequence[int]) -> list[list[int]]:
    """Group lines of like width, so that little is padded and no batch is wider than BATCH_WIDTH_PX in all.

    Returns:
        Indices into `widths_px`; each occurs once. A line that is too wide by itself is alone.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(widths_px)), key=lambda index: (widths_px[index], index)):
        width_px = widths_px[index]
        if groups:
            narrowest_px = widths_px[groups[-1][0]]
            alike = width_px <= max(narrowest_px * 1.25, narrowest_px + WIDTH_STEP_PX)
            if alike and padded_width(width_px) * (len(groups[-1]) + 1) <= BATCH_WIDTH_PX:
                groups[-1].append(index)
                continue
        groups.append([index])
    return groups


def padded_width(width_px: int) -> int:
    """The next width that the network takes."""
    return math.ceil(width_px / WIDTH_STEP_PX) * WIDTH_STEP_PX


def decode(probabilities: "NDArray[np.float32]", characters: Sequence[str], padding: float = 1.0) -> Reading:
    """Read one line's probabilities: the best class of each step, repeats merged, blanks dropped.

    Args:
        probabilities: T x C, float32.
        characters: C texts; the first is the blank.
        padding: how much wider than the line its picture was made.
    """
    best = probabilities.argmax(axis=1)
    kept = best != BLANK
    kept[1:] &= best[1:] != best[:-1]
    steps = np.flatnonzero(kept)
    if not len(steps):
        return Reading("", 0.0)
    surety = probabilities[steps, best[steps]].astype(np.float64)
    confidence = min(max(float(surety.mean()), 0.0), 1.0)
    places = (steps + 0.5) * padding / len(best)
    text = "".join(characters[index] for index in best[steps])
    return Reading(text, confidence, tuple(surety.tolist()), tuple(places.tolist()))


def pilots_of(widths_px: Sequence[int]) -> list[int]:
    """The long lines that are read first, to learn how wide the page's letters are: widest to median."""
    order = sorted(
        (index for index, width_px in enumerate(widths_px) if width_px > LONG_LINE_PX),
        key=lambda index: (widths_px[index], index),
    )
    last = len(order) - 1
    return sorted({order[last - last * step // (2 * (PILOTS - 1))] for step in range(PILOTS)}) if order else []


def squeeze_of(widths_px: Sequence[int], readings: Sequence[Reading]) -> float:
    """How far the other long lines may be squeezed, judged by the pilots; 1 where one of those was read with doubt."""
    if not readings or any(reading.confidence < SURE for reading in readings):
        return 1.0
    narrowest_px = min(width_px / len(reading.text) for width_px, reading in zip(widths_px, readings, strict=True))
    return min(1.0, max(MIN_SQUEEZE, LETTER_WIDTH_PX / narrowest_px))


def is_worth_another(reading: Reading, width_px: int) -> bool:
    """Whether a line that was read squeezed or low is to be read again as it is: with doubt, and not in vain.

    Of another script, the network sees few letters, and those with much doubt, however large they are.
    """
    strange = reading.confidence < HOPEFUL and len(reading.text) * LINE_HEIGHT_PX < HOPEFUL_DENSITY * width_px
    return reading.confidence < SURE and not strange


@dataclass(frozen=True, slots=True)
class _Try:
    """One way to read one box."""

    box: int
    turn: Turn
    width_px: int
    height_px: int = LINE_HEIGHT_PX


class Recogniser:
    """Reads lines out of a picture.

    The network's work goes by pixels. So lines are made lower than it is taught, where it bears that; on a page of long
    ones a few are read at their width, the others squeezed as far as those allow; and one that is then read with doubt
    is read again as it is.

    Args:
        network: the model.
        height_px: how high lines are made at first; their widths are those of lines 48 pixels high all the same.

    Raises:
        ValueError: the model carries no dictionary.
    """

    def __init__(self, network: "AnyNetwork", height_px: int = LINE_HEIGHT_PX) -> None:
        dictionary = network.metadata("character")
        if not dictionary:
            raise ValueError("the recognition model carries no dictionary")
        self._network = network
        self._height_px = height_px
        self._characters = ("", *dictionary.splitlines(), " ")

    def read(
        self,
        image: "NDArray[np.uint8]",
        quads: "Places",
        leave: Callable[[Sequence[int]], Collection[int]] | None = None,
    ) -> list[Reading]:
        """Read the lines in the given boxes.

        Args:
            image: H x W x 3, uint8, RGB.
            quads: N places: 4 x 2, float32, clockwise from top left, or a bent line's course.
            leave: asked once, where long lines were read with doubt, which those are; it says which boxes need not be
                read here.

        Returns:
            One reading a box, in the boxes' order; of those that were left a blank one.
        """
        tries = [_Try(box, turn, line_width(quad, turn)) for box, quad in enumerate(quads) for turn in turns_of(quad)]
        lowered = [replace(one, height_px=self._height_px) for one in tries]
        pilots = pilots_of([one.width_px for one in tries])
        readings = self._read(image, quads, {index: lowered[index] for index in pilots})
        squeeze = squeeze_of([tries[index].width_px for index in pilots], [readings[index] for index in pilots])
        doubtful = [tries[index].box for index in pilots if readings[index].confidence < SURE]
        left = frozenset(leave(doubtful) if leave is not None and doubtful else ())
        squeezed = {
            index: replace(one, width_px=math.ceil(one.width_px * squeeze)) if one.width_px > LONG_LINE_PX else one
            for index, one in enumerate(lowered)
            if index not in readings and one.box not in left
        }
        readings |= self._read(image, quads, squeezed)
        best: dict[int, int] = {}
        for index, one in enumerate(tries):
            if one.box in left:
                continue
            if one.box not in best or readings[index].confidence > readings[best[one.box]].confidence:
                best[one.box] = index
        changed = [index for index in best.values() if squeezed.get(index, lowered[index]) != tries[index]]
        again = [index for index in changed if is_worth_another(readings[index], tries[index].width_px)]
        readings |= self._read(image, quads, {index: tries[index] for index in again})
        return [Reading("", 0.0) if box in left else readings[best[box]] for box in range(len(quads))]

    def read_as(self, image: "NDArray[np.uint8]", quads: "Places", turn: Turn) -> list[Reading]:
        """Read the lines in the given boxes as if all of them stood one way; as `read` else."""
        tries = {box: _Try(box, turn, line_width(quad, turn)) for box, quad in enumerate(quads)}
        readings = self._read(image, quads, tries)
        return [readings[box] for box in tries]

    def _read(self, image: "NDArray[np.uint8]", quads: "Places", tries: Mapping[int, _Try]) -> dict[int, Reading]:
        keys = list(tries)
        readings: dict[int, Reading] = {}
        for group in batches([tries[key].width_px for key in keys]):
            batch_keys = [keys[place] for place in group]
            widest = tries[batch_keys[-1]]
            batch = np.zeros((len(group), 3, widest.height_px, padded_width(widest.width_px)), np.float32)
            for row, key in enumerate(batch_keys):
                one = tries[key]
                line = crop_line(image, quads[one.box], one.turn, one.width_px, one.height_px)
                pixels = batch[row, :, :, : one.width_px]
                pixels[...] = line[:, :, ::-1].transpose(2, 0, 1)  # the network is taught BGR
                pixels *= 2 / 255
                pixels -= 1
            probabilities = self._network.run(batch)
            for row, key in enumerate(batch_keys):
                padding = batch.shape[3] / tries[key].width_px
                readings[key] = decode(probabilities[row], self._characters, padding)
        return readings
