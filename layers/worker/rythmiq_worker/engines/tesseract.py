"""Text in the scripts of India: how a line of one looks to us, and Tesseract, which reads it.

The Latin recogniser reads a line of another script as a few letters of little confidence, with wide stretches of ink
between them that it makes nothing of. The letters of Devanagari, Bengali and Gurmukhi hang on a line, too. Both are
measured where the Latin recogniser is not sure, and only there (docs/decisions.md has the measurements). How much of
the text on a page was read is the lines that were kept, and what looks like text beside them.

The wheel of `tesserocr` brings the library without data; Debian's `tesseract-ocr-*` packages bring a file a language.
They lie in TESSDATA_PREFIX, in `tessdata` beside the worker's models, or where the system keeps them. Several languages
are read as `eng+hin`: the first decides where both could be (`hin+eng` reads the digit 1 as 4; docs/decisions.md).
"""

import itertools
import os
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from enum import Enum
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import cv2

from rythmiq_worker.engines import TextSight
from rythmiq_worker.engines.line_shape import MOST_INK, Stretch, hanging_share
from rythmiq_worker.engines.recognition import Reading, box_size
from rythmiq_worker.installation import built_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rythmiq_worker.engines.recognition import Places

Script = Literal[
    "Devanagari", "Bengali", "Gurmukhi", "Tamil", "Telugu", "Gujarati", "Kannada", "Malayalam", "Odia", "Arabic"
]

SCRIPT_OF: Mapping[str, Script] = MappingProxyType(
    {
        "hin": "Devanagari",
        "mar": "Devanagari",
        "nep": "Devanagari",
        "ben": "Bengali",
        "asm": "Bengali",
        "pan": "Gurmukhi",
        "tam": "Tamil",
        "tel": "Telugu",
        "guj": "Gujarati",
        "kan": "Kannada",
        "mal": "Malayalam",
        "ori": "Odia",
        "urd": "Arabic",
    }
)
"""Scripts by the languages that OCR_LANGUAGES takes, as Tesseract names them."""
HANGING: frozenset[Script] = frozenset({"Devanagari", "Bengali", "Gurmukhi"})

SURE = 0.93  # what the Latin recogniser says of Latin print, nearly always; of another script hardly ever
LEGIBLE = 0.75  # of Latin that is blurred or written by hand, and of another script hardly ever
CLOSE = 2.3  # letters on a line's height, along it: Latin has 1.6 to 4, of another script fewer are seen
STRETCH = 1.6  # line heights without a letter: more than wide print leaves between two
END_STRETCH = 1.3  # the same before the first and after the last, where the box has a margin
HANGS_FROM = 0.3  # of what the Latin recogniser made nothing of
FEW_LETTERS = 2  # a lone letter is read with confidence in anything


class Look(Enum):
    """What a line looks like."""

    LATIN = "latin"
    HANGING = "hanging"
    STRANGE = "strange"


def grouped(languages: Iterable[str]) -> dict[Script, tuple[str, ...]]:
    """The languages by their script, in the order in which each came."""
    found: dict[Script, tuple[str, ...]] = {}
    for language in languages:
        script = SCRIPT_OF[language]
        found[script] = (*found.get(script, ()), language)
    return found


def packages_of(scripts: str) -> str:
    """Debian's packages for the data of some scripts with " or " between them, the usual language of each."""
    usual = {str(script): language for language, script in reversed(list(SCRIPT_OF.items()))}
    return " or ".join(f"tesseract-ocr-{usual[script]}" for script in scripts.split(" or "))


def density(reading: "Reading", aspect: float) -> float:
    """How many letters stand on a length of the line's height; blanks are none.

    Args:
        reading: of the line.
        aspect: width over height of the line.
    """
    return len("".join(reading.text.split())) / max(aspect, 1e-3)


def is_latin(reading: "Reading", aspect: float) -> bool:
    """Whether a reading is surely one of Latin script, from one end of the line to the other.

    Args:
        reading: of the line.
        aspect: width over height of the line.
    """
    letters = len("".join(reading.text.split()))
    return letters >= FEW_LETTERS and reading.confidence >= SURE and not stretches(reading, aspect)


def stretches(reading: "Reading", aspect: float) -> list[Stretch]:
    """The parts of a line that are too long to be a blank, and of which nothing was read."""
    read = [
        place for place, letter in zip(reading.places, reading.text, strict=False) if letter.strip() and reading.places
    ]
    if not read and reading.text.strip():
        return []  # nobody knows where the letters stand
    ends = [0.0, *read, 1.0]
    return [
        Stretch(start, end)
        for start, end in itertools.pairwise(ends)
        if (end - start) * aspect > (STRETCH if start > 0 and end < 1 else END_STRETCH)
    ]


def look_of(reading: "Reading", line: "NDArray[np.uint8]", aspect: float) -> Look:
    """What a line looks like that is not surely Latin.

    Args:
        reading: what the Latin recogniser made of it.
        line: H x W x 3, uint8: the line, level.
        aspect: width over height of the line.
    """
    letters = len("".join(reading.text.split()))
    close = density(reading, aspect) >= CLOSE
    if reading.confidence >= LEGIBLE and close:
        return Look.LATIN
    sure = letters >= FEW_LETTERS and reading.confidence >= SURE
    parts = stretches(reading, aspect) if sure else [Stretch(0.0, 1.0)]
    if hanging_share(line, parts) >= HANGS_FROM:
        return Look.HANGING
    if sure or close or reading.confidence >= SURE:
        return Look.LATIN
    return Look.STRANGE


USUAL_DENSITY = 2.2  # letters on a length of the line's height, where no line of the page tells
LEAST_ASPECT = 1.5  # width over height: less is a mark or an icon as often as a word
MOST_HEIGHT = 3.0  # of the page's usual line: higher is a picture or a seal
LEAST_HEIGHT = 0.4
AT_BORDER = 0.12  # of the line's height: nearer to the picture's side than that, the line goes on beyond it
LEAST_CUT = 0.7  # width over height of what is cut: a letter or two is left of some words


def sight_of(
    places: "Places",
    readings: Sequence[Reading],
    kept: Collection[int],
    size_px: tuple[int, int],
    scripts: tuple[str, ...],
) -> TextSight:
    """Measure how much of a page's text was read.

    Args:
        places: of all that looks like a line.
        readings: one a line.
        kept: the numbers of the lines that were read with reason.
        size_px: width and height of the picture.
        scripts: that were not read.
    """
    sizes = [box_size(place) for place in places]
    aspects = [width_px / height_px for width_px, height_px in sizes]
    usual_px = median([sizes[line][1] for line in kept]) if kept else 0
    densities = [density(readings[line], aspects[line]) for line in kept if aspects[line] >= LEAST_ASPECT]
    usual = median(densities) if densities else USUAL_DENSITY
    letters, said, missed, unread, cut = 0, 0.0, 0.0, 0, 0
    for line, (place, (_, height_px), aspect) in enumerate(zip(places, sizes, aspects, strict=True)):
        reading = readings[line]
        like_the_others = not usual_px or LEAST_HEIGHT * usual_px <= height_px <= MOST_HEIGHT * usual_px
        if line in kept:
            count = len("".join(reading.text.split()))
            letters += count
            said += count * reading.confidence
            if aspect >= LEAST_CUT and runs_out(place, height_px, size_px[0]):
                cut += 1
        elif aspect >= LEAST_ASPECT and like_the_others:
            missed += aspect * usual
            unread += 1
    return TextSight(letters, round(said, 3), round(missed, 1), unread, cut, scripts)


def runs_out(place: "NDArray[np.float32]", height_px: int, width_px: int) -> bool:
    """Whether a line goes on beyond the left or the right side of the picture."""
    across = place[..., 0]
    margin_px = AT_BORDER * height_px
    return bool(across.min() <= margin_px or across.max() >= width_px - margin_px)


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

    @property
    def letters(self) -> str:
        """Its letters and digits, without marks."""
        return "".join(letter for letter in self.text if letter.isalnum())

    def is_like_any(self, others: "Iterable[Word]") -> bool:
        """Whether another reader has seen much the same in its place."""
        return any(
            self.is_within([other]) and SequenceMatcher(None, self.text, other.text).ratio() >= ALIKE
            for other in others
        )

    def is_part_of_any(self, others: "Iterable[Word]") -> bool:
        """Whether another reader has seen it whole, and a letter more; a mark more is none."""
        return any(self.is_within([other]) and self.letters in other.letters != self.letters for other in others)

    def parted(self, others: "Iterable[Word]") -> "list[Word]":
        """Itself; or words of letters in its place, in which another reader has seen the same letters with blanks."""
        parts = [other for other in others if other.is_within([self])]
        words = all(len(part.letters) > 1 and part.letters.isalpha() for part in parts)
        same = len(parts) > 1 and "".join(part.letters for part in parts) == self.letters
        return [replace(part, confidence=self.confidence) for part in parts] if words and same else [self]

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
        self._reader.SetVariable("invert_threshold", "0")  # `read` inverts; it would try that on every doubtful word

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
