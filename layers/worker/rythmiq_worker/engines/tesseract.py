"""Tesseract, for the scripts that our recogniser does not know: lines that we found, one at a time.

The wheel of `tesserocr` brings the library without data; Debian's `tesseract-ocr-*` packages bring a file a language.
They lie in TESSDATA_PREFIX, in `tessdata` beside the worker's models, or where the system keeps them. Several languages
are read as `eng+hin`: the first decides where both could be (`hin+eng` reads the digit 1 as 4; docs/decisions.md).
"""

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from rythmiq_worker.engines.scripts import MOST_INK
from rythmiq_worker.installation import built_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VARIABLE = "TESSDATA_PREFIX"
FOLDER = "tessdata"
SUFFIX = ".traineddata"
LATIN = "eng"
SYSTEM = (
    "/usr/share/tesseract-ocr/5/tessdata",
    "/usr/share/tesseract-ocr/4.00/tessdata",
    "/usr/share/tessdata",
    "/usr/local/share/tessdata",
    "/opt/homebrew/share/tessdata",
)
"""Where Debian, Fedora, Homebrew and those who build it themselves keep the data."""
RAW_LINE = 13  # Tesseract's PSM_RAW_LINE: the line as it is, without a search for blocks in it
ALIKE = 0.6  # of the letters of two readings of one word
MARGIN_PX = (6, 10)  # above and beside: it expects paper around a line


_JOINERS = re.compile("(?<!\u0930\u094d)\u200d|\u200c")
_DOUBLED = re.compile("([\u094d\u09cd\u0a4d])\\1+")  # virama
_MARKS = frozenset("\u0964\u0965|/-:&+")


@dataclass(frozen=True, slots=True)
class Word:
    """One word, how surely it was read, 0..1, and from where to where it stands, as shares of the line's width."""

    text: str
    confidence: float
    left: float = 0.0
    right: float = 0.0

    def is_like_any(self, others: "Iterable[Word]") -> bool:
        """Whether another reader has seen much the same in its place."""
        return any(
            self.is_within([other]) and SequenceMatcher(None, self.text, other.text).ratio() >= ALIKE
            for other in others
        )

    def is_part_of_any(self, others: "Iterable[Word]") -> bool:
        """Whether another reader has seen it whole, and a letter more."""
        return any(self.is_within([other]) and self.text in other.text and self.text != other.text for other in others)

    def is_within(self, others: "Iterable[Word]") -> bool:
        """Whether more than half of it is covered by others, which do not overlap."""
        covered = sum(max(0.0, min(self.right, other.right) - max(self.left, other.left)) for other in others)
        return covered > (self.right - self.left) / 2


def folders(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """The folders in which the data may lie, the operator's first."""
    named = environ.get(VARIABLE)
    return (*([Path(named)] if named else []), built_in().with_name(FOLDER), *map(Path, SYSTEM))


def folder_of(languages: Sequence[str], environ: Mapping[str, str] = os.environ) -> Path | None:
    """The first folder that has the data of all these languages; None when none has, or no library reads them."""
    if "tesserocr" not in sys.modules and not _installed():
        return None
    return next(
        (
            folder
            for folder in folders(environ)
            if all((folder / f"{language}{SUFFIX}").is_file() for language in languages)
        ),
        None,
    )


def _installed() -> bool:
    import importlib.util  # noqa: PLC0415  asked once

    return importlib.util.find_spec("tesserocr") is not None


def tidy(text: str) -> str:
    """A word without what the reader adds: joiners that change nothing, doubled signs, marks that stand alone.

    The eyelash form of ra keeps its joiner: without it another letter is meant.
    """
    joined = _JOINERS.sub("", _DOUBLED.sub(r"\1", text.strip()))
    bare = joined.strip("_=@~\u2014\u2018\u201c")
    return bare if any(unicodedata.category(letter)[0] in "LN" for letter in bare) or bare in _MARKS else ""


class Tesseract:
    """Reads lines in some languages at once, the first of which goes first.

    Args:
        languages: as Tesseract names them.
        folder: has the data of each.

    Raises:
        RuntimeError: the data is damaged.
    """

    def __init__(self, languages: Sequence[str], folder: Path) -> None:
        import tesserocr  # noqa: PLC0415  an eighth of a second and 30 MB, for pages that have such a script

        self._tesserocr: Any = tesserocr
        self._reader: Any = tesserocr.PyTessBaseAPI(path=str(folder), lang="+".join(languages), psm=RAW_LINE)
        if not set(languages) <= set(self._reader.GetLoadedLanguages()):  # it goes on with those that it could load
            raise RuntimeError("the data of a language is damaged")
        self._reader.SetVariable("debug_file", os.devnull)

    def read(self, line: "NDArray[np.uint8]") -> list[Word]:
        """Read one line.

        Args:
            line: H x W x 3, uint8, RGB: the line, level.

        Returns:
            Its words from left to right.
        """
        from PIL import Image  # noqa: PLC0415  what tesserocr takes

        gray = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
        _, paper = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
        if cv2.mean(paper)[0] < MOST_INK:
            gray = cv2.bitwise_not(gray)  # light letters on a dark ground
        down, across = MARGIN_PX
        framed = cv2.copyMakeBorder(gray, down, down, across, across, cv2.BORDER_REPLICATE)
        self._reader.SetImage(Image.fromarray(framed))
        if not self._reader.Recognize():
            return []
        level = self._tesserocr.RIL.WORD
        words: list[Word] = []
        for word in self._tesserocr.iterate_level(self._reader.GetIterator(), level):
            box = None if word.Empty(level) else word.BoundingBox(level)
            if box is not None and (text := tidy(word.GetUTF8Text(level))):
                confidence = min(max(float(word.Confidence(level)) / 100, 0.0), 1.0)
                left, right = ((edge - across) / line.shape[1] for edge in (box[0], box[2]))
                words.append(Word(text, confidence, left, right))
        return apart(words)


def apart(words: Sequence[Word]) -> list[Word]:
    """Words that end where the next begins: of a raw line, the first one's box often reaches to the line's end."""
    starts = [word.left for word in words[1:]]
    return [
        replace(word, right=max(word.left, min(word.right, start)))
        for word, start in zip(words, [*starts, 1.0][: len(words)], strict=True)
    ]
