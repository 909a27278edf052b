"""The default text engine: PP-OCR models from the `rapidocr` package, in our own lean loop over ONNX Runtime.

One look at 960 pixels is enough for large text, one at 1280 for a page that fills the frame. A page far away is read
badly *and confidently*, so another look hangs on geometry: where hardly a line was found, or the lower quartile of the
text is at most 7 detector pixels high, the page is searched again at 1280, and if need be at up to 1920, in strips
(measured: docs/decisions.md). Low confidence is the other trigger.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from rythmiq_worker.engines.detection import Detection, detect
from rythmiq_worker.engines.models import ModelFiles, find_models, open_network, open_recogniser
from rythmiq_worker.engines.orientation import find_turn, is_plain, lies_along
from rythmiq_worker.engines.reading_order import reading_order
from rythmiq_worker.engines.recognition import Reading, Recogniser, crop_line
from rythmiq_worker.engines.text import BUNDLED, ModelChoice, PageText, Quad, TextLine, TurningEngine

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


def load(choice: ModelChoice = BUNDLED) -> TurningEngine:
    """Make the engine.

    Raises:
        ModelsMissingError: the models are not installed.
    """
    return RapidOcr(find_models(choice))


class RapidOcr:
    """Reads text with a detector and a recogniser of the PP-OCR family."""

    def __init__(self, files: ModelFiles) -> None:
        cv2.setNumThreads(1)  # its small jobs gain nothing from a second thread but its start
        self._detector = open_network(files.detection)
        self._recogniser = Recogniser(*open_recogniser(files.recognition))

    def read(self, image: "NDArray[np.uint8]") -> list[TextLine]:
        """Read the lines of an upright page in reading order.

        Args:
            image: H x W x 3, uint8, RGB.
        """
        found, closely = self._find(image)
        return self._lines(image, found, self._recogniser.read(image, found.places), closely=closely)

    def read_turned(self, image: "NDArray[np.uint8]") -> PageText:
        """Turn a page upright if its text proves that it is not, and read it.

        A page that is upright costs nothing more: it is read as it lies, and that is plain.

        Args:
            image: H x W x 3, uint8, RGB.
        """
        found, closely = self._find(image)
        readings: list[Reading] | None = None
        if lies_along(found.quads):
            readings = self._recogniser.read(image, found.places)
            if is_plain(readings):
                return PageText(lines_of(found.quads, readings))
        turn = find_turn(
            found.quads,
            lambda quads, way: self._recogniser.read_as(image, quads, way),
            lambda quad, way: crop_line(image, quad, way),
        )
        if turn is not None:
            return PageText(self.read(np.ascontiguousarray(np.rot90(image, -(turn.degrees_clockwise // 90)))), turn)
        if readings is None:
            readings = self._recogniser.read(image, found.places)
        return PageText(self._lines(image, found, readings, closely=closely))

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

    def _lines(
        self, image: "NDArray[np.uint8]", found: Detection, readings: list[Reading], *, closely: bool
    ) -> list[TextLine]:
        """The lines read; where they are doubtful and there is more to see, after another look."""
        if found.scale < 1 and not closely and readings and mean_confidence(readings) < DOUBT_BELOW:
            found, readings = self._doubt(image, found, readings)
        return lines_of(found.quads, readings)

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


def lines_of(quads: "NDArray[np.float32]", readings: Sequence[Reading]) -> list[TextLine]:
    """The lines worth keeping, in reading order: not blank, confidence at least MIN_CONFIDENCE."""
    kept = [
        index for index, reading in enumerate(readings) if reading.text.strip() and reading.confidence >= MIN_CONFIDENCE
    ]
    return [
        TextLine(readings[index].text.strip(), readings[index].confidence, _corners(quads[index]))
        for index in (kept[place] for place in reading_order(quads[kept]))
    ]


def _corners(quad: "NDArray[np.float32]") -> Quad:
    top_left, top_right, bottom_right, bottom_left = ((float(x), float(y)) for x, y in quad)
    return top_left, top_right, bottom_right, bottom_left
