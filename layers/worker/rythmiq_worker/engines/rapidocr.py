"""The default text engine: PP-OCR models from the `rapidocr` package, in our own lean loop over ONNX Runtime.

One look at 960 pixels is enough for large text, one at 1280 for a page that fills the frame. A page far away is read
badly *and confidently*, so another look hangs on geometry: where hardly a line was found, or the lower quartile of the
text is at most 7 detector pixels high, the page is searched again at 1280, and if need be at up to 1920, in strips
(measured: docs/decisions.md). Low confidence is the other trigger.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rythmiq_worker.engines import BUNDLED, ModelChoice, PageText, Quad, TextLine, TurningEngine
from rythmiq_worker.engines.detection import Detection, detect
from rythmiq_worker.engines.layout import find_turn, is_plain, lies_along, reading_order
from rythmiq_worker.engines.models import ModelFiles, find_models, open_network, open_recogniser
from rythmiq_worker.engines.other_scripts import Hung, OtherScripts, Reread, of_language
from rythmiq_worker.engines.recognition import Reading, Recogniser, crop_line
from rythmiq_worker.engines.tesseract import sight_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_LOOK_PX = 960
FULL_LOOK_PX = 1280
SMALL_TEXT_LOOK_PX = 1920
DOUBTFUL_LOOK_PX = 1440
SMALL_TEXT_PX = 7.0
SMALL_TEXT_QUANTILE = 0.25
FEW_LINES = 3  # at most so many: a page so far away that most of it was missed
DOUBT_BELOW = 0.90
MIN_CONFIDENCE = 0.5  # a line below this is noise, as in RapidOCR's defaults
LONE = 2  # so few characters
LONE_CONFIDENCE = 0.8  # are read in icons, seals and dirt, and less surely than this
INDIA = "\u0900"  # where the scripts of India begin in Unicode


def load(choice: ModelChoice = BUNDLED) -> TurningEngine:
    """Make the engine.

    Raises:
        ModelsMissingError: the models are not installed.
    """
    if choice.language == "en":
        return RapidOcr(find_models(), OtherScripts(choice.languages))
    return RapidOcr(find_models(), OtherScripts(of_language(choice.language, choice.languages), everything=True))


class RapidOcr:
    """Reads text with a detector and a recogniser of the PP-OCR family, and other scripts than Latin with Tesseract."""

    def __init__(self, files: ModelFiles, others: OtherScripts) -> None:
        cv2.setNumThreads(1)  # its small jobs gain nothing from a second thread but its start
        self._detector = open_network(files.detection)
        self._recogniser = Recogniser(*open_recogniser(files.recognition))
        self._others = others

    def read(self, image: "NDArray[np.uint8]") -> list[TextLine]:
        """Read the lines of an upright page in reading order.

        Args:
            image: H x W x 3, uint8, RGB.
        """
        found, closely = self._find(image)
        return self._page(image, found, *self._lines(image, found), closely=closely).lines

    def read_turned(self, image: "NDArray[np.uint8]") -> PageText:
        """Turn a page upright if its text proves that it is not, and read it.

        A page that is upright costs nothing more: it is read as it lies, and that is plain, in whatever script.

        Args:
            image: H x W x 3, uint8, RGB.
        """
        found, closely = self._find(image)
        read: tuple[list[Reading], Reread] | None = None
        if lies_along(found.quads):
            read = readings, told = self._lines(image, found)
            if is_plain(readings) or told.found:
                return self._page(image, found, readings, told, closely=closely)
        turn = find_turn(
            found.quads,
            lambda quads, way: self._recogniser.read_as(image, quads, way),
            lambda quad, way: crop_line(image, quad, way),
        )
        if turn is not None:
            upright = np.ascontiguousarray(np.rot90(image, -(turn.degrees_clockwise // 90)))
            found, closely = self._find(upright)
            page = self._page(upright, found, *self._lines(upright, found), closely=closely)
            return replace(page, turn=turn)
        return self._page(image, found, *(read or self._lines(image, found)), closely=closely)

    def _lines(self, image: "NDArray[np.uint8]", found: Detection) -> tuple[list[Reading], Reread]:
        """Read the lines: what the Latin recogniser makes of them, and what all readers together."""
        hung = Hung()

        def leave(doubtful: Sequence[int]) -> Collection[int]:
            nonlocal hung
            hung = self._others.read_hanging(image, found.places, doubtful)
            return hung.readings

        readings = self._recogniser.read(image, found.places, leave)
        return readings, self._others.reread(image, found.places, readings, hung)

    def _find(self, image: "NDArray[np.uint8]") -> tuple[Detection, bool]:
        """Where the lines are, and whether that took the closest look."""
        found = detect(self._detector, image, FIRST_LOOK_PX)
        if not is_missing_text(found):
            return found, False
        grown = found.heights_px * np.float32(FULL_LOOK_PX / FIRST_LOOK_PX)
        if len(found.quads) > FEW_LINES and not has_small_text(grown):
            found = detect(self._detector, image, FULL_LOOK_PX)
            if not is_missing_text(found):
                return found, False
        near = found.quads if len(found.quads) > FEW_LINES else None
        return detect(self._detector, image, SMALL_TEXT_LOOK_PX, near), True

    def _page(
        self,
        image: "NDArray[np.uint8]",
        found: Detection,
        readings: list[Reading],
        told: Reread,
        *,
        closely: bool,
    ) -> PageText:
        """The text of a page: other scripts read by another reader; where Latin is doubtful, after another look."""
        is_unread = not told.settled or told.scripts  # blurred Latin, too, may look like a script that nobody reads
        if is_unread and found.scale < 1 and not closely and readings and mean_confidence(readings) < DOUBT_BELOW:
            closer, reread = self._doubt(image, found, readings)
            if closer is not found:
                found, told = closer, self._others.reread(image, closer.places, reread)
        kept = kept_of(told.readings)
        size_px = image.shape[1], image.shape[0]
        sight = sight_of(found.places, told.readings, kept, size_px, told.scripts)
        return PageText(lines_of(found.quads, told.readings), sight=sight)

    def _doubt(
        self, image: "NDArray[np.uint8]", found: Detection, readings: list[Reading]
    ) -> tuple[Detection, list[Reading]]:
        """Look closer at what was read with little confidence; keep the reading that says more, more surely."""
        closer = detect(self._detector, image, DOUBTFUL_LOOK_PX)
        reread = self._recogniser.read(image, closer.places)
        return (closer, reread) if evidence(reread) > evidence(readings) else (found, readings)


def is_missing_text(found: Detection) -> bool:
    """Whether a closer look may find more: the picture was shrunk, and hardly a line was found or the text is small."""
    return found.scale < 1 and (len(found.quads) <= FEW_LINES or has_small_text(found.heights_px))


def has_small_text(heights_px: "NDArray[np.float32]") -> bool:
    """Whether the detector needs a closer look, because the lower quartile of text is small in its own pixels."""
    return float(np.quantile(heights_px, SMALL_TEXT_QUANTILE)) <= SMALL_TEXT_PX


def mean_confidence(readings: Sequence[Reading]) -> float:
    """The mean confidence of a page, each line weighted by its characters."""
    weights = [max(1, len(reading.text)) for reading in readings]
    return sum(reading.confidence * weight for reading, weight in zip(readings, weights, strict=True)) / sum(weights)


def evidence(readings: Sequence[Reading]) -> float:
    """How much was read: characters of the lines that will be kept, weighted by confidence."""
    return sum(reading.confidence * len(reading.text) for reading in readings if reading.confidence >= MIN_CONFIDENCE)


def kept_of(readings: Sequence[Reading]) -> list[int]:
    """The numbers of the lines worth keeping: not blank, and read with reason."""
    return [index for index, reading in enumerate(readings) if reading.confidence >= _least(reading.text.strip())]


def _least(text: str) -> float:
    """How surely a text is to be read; a blank never is, and one or two Latin letters are seen in icons and dirt."""
    if not text:
        return math.inf
    return LONE_CONFIDENCE if len(text) <= LONE and max(text) < INDIA else MIN_CONFIDENCE


def lines_of(quads: "NDArray[np.float32]", readings: Sequence[Reading]) -> list[TextLine]:
    """The lines worth keeping, in reading order."""
    kept = kept_of(readings)
    return [
        TextLine(readings[index].text.strip(), readings[index].confidence, _corners(quads[index]))
        for index in (kept[place] for place in reading_order(quads[kept]))
    ]


def _corners(quad: "NDArray[np.float32]") -> Quad:
    top_left, top_right, bottom_right, bottom_left = ((float(x), float(y)) for x, y in quad)
    return top_left, top_right, bottom_right, bottom_left
