"""Text recognition: the interface of the engines, and their results.

Imported by the parent, which must stay light: numpy is named for the types only.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from rythmiq.contracts.choices import TextLanguage
    from rythmiq.contracts.portal import OcrLanguage

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text as it stands on the page.

    Attributes:
        text: what was read; never empty, no line break.
        confidence: 0..1, the mean over its characters.
        quad: its corners (x, y) in pixels of the picture: top left, top right, bottom right, bottom left.
    """

    text: str
    confidence: float
    quad: Quad


@dataclass(frozen=True, slots=True)
class PageTurn:
    """How a page that lies wrong is to be turned, and what says so.

    Attributes:
        degrees_clockwise: 90, 180 or 270.
        decided_by: "reading", by what could be read, or "headline", by the line on which Devanagari's letters hang.
        lines: how many lines were read both ways.
        evidence: what they say the right way up: letters, weighted by confidence.
        against: what they say the next best way.
    """

    degrees_clockwise: int
    decided_by: str
    lines: int
    evidence: float
    against: float


@dataclass(frozen=True, slots=True)
class TextSight:
    """How much of the text that stands on a page was read, and how surely.

    Attributes:
        letters: that were read; blanks are none.
        said: the same, each letter by its confidence.
        missed: letters that stand there and were not read with reason, estimated by their length.
        unread_lines: how many lines those are, or parts of lines.
        cut_lines: how many lines run into the picture's border.
        scripts: that stand there and were not read, "unknown" for one that could not be told.
    """

    letters: int = 0
    said: float = 0.0
    missed: float = 0.0
    unread_lines: int = 0
    cut_lines: int = 0
    scripts: tuple[str, ...] = ()

    @property
    def completeness(self) -> float | None:
        """The share of the letters that was read; None when there are none."""
        there = self.letters + self.missed
        return self.letters / there if there else None

    @property
    def legibility(self) -> float | None:
        """The mean confidence over all letters that stand there; None when there are none, or of another script."""
        there = self.letters + self.missed
        return self.said / there if there and not self.scripts else None


def sight_of_lines(lines: "list[TextLine]") -> TextSight:
    """What an engine's lines tell that does not say what it has missed."""
    counts = [len("".join(line.text.split())) for line in lines]
    said = sum(count * line.confidence for count, line in zip(counts, lines, strict=True))
    return TextSight(sum(counts), round(said, 3))


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page, and how the page was turned before it was read.

    Attributes:
        lines: in reading order; their places are in pixels of the turned page.
        turn: None: it was read as it lay.
        sight: how much was read; None: the engine does not say.
    """

    lines: list[TextLine]
    turn: PageTurn | None = None
    sight: TextSight | None = None


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Which models an engine loads.

    Attributes:
        language: of the text; it decides which model reads the lines.
        folder: the operator's own models (OCR_MODELS_DIR); None: there are none.
        languages: that may stand beside Latin script, as OCR_LANGUAGES names them.
    """

    language: "OcrLanguage" = "en"
    folder: "Path | None" = None
    languages: "tuple[TextLanguage, ...]" = ("hin",)


BUNDLED = ModelChoice()
"""The models that come with the worker."""


class OcrEngine(Protocol):
    """Reads the text of a picture.

    An engine lives in a module of its own with a `load(choice: ModelChoice) -> OcrEngine`, which
    `engines.child.ENGINES` names.
    """

    def read(self, image: "NDArray[np.uint8]") -> list[TextLine]:
        """Read the lines of an upright page in reading order: rows from the top, each from left to right.

        Args:
            image: H x W x 3, uint8, RGB; not written to.
        """
        ...


@runtime_checkable
class TurningEngine(OcrEngine, Protocol):
    """An engine that also finds out which way up a page lies."""

    def read_turned(self, image: "NDArray[np.uint8]") -> PageText:
        """Turn a page upright by a multiple of 90 degrees, if its text proves that it is not, and read it.

        Args:
            image: H x W x 3, uint8, RGB; not written to.
        """
        ...
