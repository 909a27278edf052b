"""Lines that the Latin recogniser cannot read: told from the others, and read by Tesseract where its data is there.

A page is looked at only where the Latin recogniser is not sure. Lines that hang on a headline, and lines that look
strange, are candidates; which script they are in is settled by reading a few of them in each that is at hand, because
Tesseract is as unsure of a wrong script (at most .58) as it is sure of the right one (.61 to .96). What no reader
reads with reason is left out and counted. On a page whose long lines the Latin recogniser reads with doubt, lines that
hang from one end to the other are read here alone: half of the work, and the Latin recogniser could add nothing.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING

from rythmiq_worker.engines.line_shape import Stretch, hanging_share, hangs_wholly
from rythmiq_worker.engines.recognition import Reading, box_size, crop_line
from rythmiq_worker.engines.tesseract import (
    CLOSE,
    HANGING,
    LATIN,
    SCRIPT_OF,
    Look,
    Script,
    Tesseract,
    Word,
    folder_of,
    grouped,
    is_latin,
    look_of,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rythmiq.contracts.choices import OcrLanguage, TextLanguage
    from rythmiq_worker.engines.recognition import Places

SAMPLES = 3  # lines that are read in every script at hand
OWN_SCRIPT = 0.6  # what Tesseract says of its own script, at least
READ_FROM = 0.55  # of a line; below that it is left out
WORD_FROM = 0.3  # of a word
SURE_WORD = 0.88  # of a Latin word inside such a line, by the Latin recogniser
HANGING_WORD = 0.5  # of its width has a headline: whatever was read, it is no Latin word
SURE_LETTER = 0.8  # at its ends
GAP = 0.8  # line heights between two letters: only wide print leaves so much
APART = 1.5  # times the usual distance of its letters
SHORT_WORD = 2  # letters
SURE_SHORT_WORD = 0.97
LEAST_LINE = 1.2  # width over height: less is a letter, and tells nothing
LEAST_PROOF = 2.5  # line heights, of all candidates together: less is no reason to start another reader
LEAST_CLAIM = 6.0  # line heights, of all lines that nobody read, before a page is said to be in another script
LEAST_SHARE = 0.15  # and of all lines of the page
STRANGE_SHARE = 0.5  # of all lines that do not hang: strange ones are many on a page of a script, few on one of Latin
UNKNOWN = "unknown"
OTHERS: frozenset[Script] = frozenset(SCRIPT_OF.values()) - HANGING

OWN: "Mapping[OcrLanguage, TextLanguage]" = MappingProxyType({"en": "hin", "hi": "hin"})
"""Which of Tesseract's languages `ocr_language` stands for; en reads other scripts only where it sees them."""


@dataclass(frozen=True, slots=True)
class Reread:
    """The readings of a page after another look at its strange lines.

    Attributes:
        readings: one a line; an empty text where nothing was read with reason.
        scripts: that stand on the page and were not read; "unknown" for one that could not be told.
        settled: the lines that another reader has read, or nobody can: a closer look would not help the Latin one.
        found: a script that was read with reason, so that the page lies as it should.
    """

    readings: list[Reading]
    scripts: tuple[str, ...] = ()
    settled: frozenset[int] = frozenset()
    found: Script | None = None


@dataclass(frozen=True, slots=True)
class Hung:
    """Lines that hang wholly and were read by the reader of their script, before the Latin recogniser.

    Attributes:
        readings: by line.
        script: of all of them; None where there are none.
    """

    readings: Mapping[int, Reading] = field(default_factory=dict)
    script: Script | None = None


def of_language(language: "OcrLanguage", languages: "Sequence[TextLanguage]") -> "tuple[TextLanguage, ...]":
    """The languages of a page that its owner or its slot says is in one: all that share its script, itself first."""
    own: TextLanguage = OWN[language]
    return (own, *(one for one in languages if one != own and SCRIPT_OF[one] == SCRIPT_OF[own]))


_NOTHING = Hung()


class OtherScripts:
    """Reads lines of other scripts than Latin.

    Args:
        languages: what to read, as Tesseract names them.
        everything: whether every line is in the first language, however Latin it looks.
        environ: names the folder of Tesseract's data.
    """

    def __init__(
        self, languages: Sequence[str], *, everything: bool = False, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._languages = grouped(languages)
        self._everything = everything
        self._environ = environ
        self._readers: dict[tuple[str, ...], Tesseract | None] = {}

    def read_hanging(self, image: "NDArray[np.uint8]", places: "Places", doubtful: Sequence[int]) -> Hung:
        """Read the lines that hang wholly, where their script's reader is sure of them and reads that script alone.

        Args:
            image: H x W x 3, uint8, RGB; not written to.
            places: of N lines.
            doubtful: the lines of which the Latin recogniser made little; where none of them hangs, none is read.
        """
        page = _Page(image, places, [Reading("", 0.0)] * len(places))
        if not any(hangs_wholly(page.crop(line)) for line in doubtful):
            return Hung()
        wide = [line for line, aspect in enumerate(page.aspects) if aspect >= LEAST_LINE]
        lines = [line for line in wide if hangs_wholly(page.crop(line))]
        script = self._script_of(page, lines, HANGING) if page.length(lines) >= LEAST_PROOF else None
        if script is None:
            return Hung()
        readings = {line: reading for line in lines if (reading := self._alone(page, line, script)) is not None}
        return Hung(readings, script) if readings else Hung()  # blurred Latin hangs, too, as it seems

    def _alone(self, page: "_Page", line: int, script: Script) -> Reading | None:
        """A line by its script's reader; None where that is not sure, or sees what the Latin one reads better."""
        reader = self._reader((LATIN, *self._languages[script]))
        words = [] if reader is None else page.words(line, reader)
        if _mean(words) < OWN_SCRIPT or any(_is_latin_word(word.text) or _has_digits(word.text) for word in words):
            return None
        kept = [word for word in words if word.confidence >= WORD_FROM]
        return Reading(" ".join(word.text for word in kept), _mean(kept))

    def reread(
        self, image: "NDArray[np.uint8]", places: "Places", readings: Sequence[Reading], hung: Hung = _NOTHING
    ) -> Reread:
        """Read the lines of other scripts again.

        Args:
            image: H x W x 3, uint8, RGB; not written to.
            places: of N lines.
            readings: what the Latin recogniser made of each.
            hung: what was read before it, and stays.
        """
        page = _Page(image, places, [hung.readings.get(line, reading) for line, reading in enumerate(readings)])
        looks = page.looks(everything=self._everything, but=hung.readings)
        if self._everything and looks:
            return self._read_all(page, looks, hung)
        told: dict[int, Script | None] = {}
        lacking: list[str] = []
        found = hung.script
        for lines, group in page.candidates(looks, hung.readings):
            script = found if found in group and lines else self._script_of(page, lines, group)
            if script is not None or (found is None and page.is_claim(lines)):
                told.update((line, script) for line in lines)
                lacking += [] if script else [self._missing(group)]
            found = found or script
        if told or hung.readings:
            mixed = page.mixed(looks.keys() | hung.readings.keys()) if found in HANGING else ()
            for line in (*looks, *mixed):
                told.setdefault(line, found)
        for line, script in told.items():
            self._settle(page, line, script)
        return Reread(page.readings, tuple(lacking), frozenset(told) | hung.readings.keys(), found)

    def _read_all(self, page: "_Page", looks: Mapping[int, Look], hung: Hung) -> Reread:
        script = next(iter(self._languages))
        settled = frozenset(looks) | hung.readings.keys()
        if self._reader((LATIN, *self._languages[script])) is None:
            for line in looks:
                self._settle(page, line, None)
            return Reread(page.readings, (script,), settled)
        for line in looks:
            self._settle(page, line, script)
        return Reread(page.readings, (), settled)

    def _script_of(self, page: "_Page", lines: Sequence[int], group: frozenset[Script]) -> Script | None:
        """The script of a group in which a few of the lines are read with reason; None: it is none that is at hand."""
        sample = sorted(lines, key=lambda line: (-page.aspects[line], line))[:SAMPLES]
        best: tuple[float, Script | None] = (OWN_SCRIPT, None)
        for script, languages in self._languages.items() if sample else ():
            if script not in group or (reader := self._reader((LATIN, *languages))) is None:
                continue
            words = [word for line in sample for word in page.words(line, reader)]
            best = max(best, (_mean(words), script), key=lambda pair: pair[0])
        return best[1]

    def _settle(self, page: "_Page", line: int, script: Script | None) -> None:
        """Put together what two readers make of a line: Latin words that ours is sure of, and others from Tesseract."""
        seen = page.bare_words(line)
        sure = [word for word in seen if is_sure(word)]
        words = sure if script is None else self._together(page, line, script, seen)
        confidence = _mean(words)
        text = " ".join(word.text for word in words) if confidence >= READ_FROM else ""
        page.readings[line] = Reading(text, confidence)

    def _together(self, page: "_Page", line: int, script: Script, seen: Sequence[Word]) -> list[Word]:
        """The words of both readers from left to right. Latin that Tesseract alone sees is read again without Latin."""
        languages = self._languages[script]
        reader = self._reader((LATIN, *languages))
        words = [] if reader is None else page.words(line, reader)
        own = words_of(page.readings[line], page.aspects[line])  # also what hangs: print under a rule is Latin to both
        alike = [word for word in words if _is_latin_word(word.text) and word.is_like_any(own)]
        agreed = [word for word in alike if word.confidence >= WORD_FROM]
        sure = [word for word in seen if is_sure(word) and not word.is_part_of_any(agreed)]
        latin = [part for word in sure for part in word.parted(words)]
        latin += [word for word in agreed if not word.is_within(latin)]
        others = [word for word in words if not word.is_within(latin)]
        odd = [word for word in others if _is_latin_word(word.text)]
        kept = [word for word in others if word not in odd]
        if odd and (alone := self._reader(languages)) is not None:
            again = [word for word in page.words(line, alone) if not _is_latin_word(word.text)]
            kept += [word for word in again if word.is_within(odd) and not word.is_within([*latin, *kept])]
        return sorted(
            [*latin, *(word for word in kept if word.confidence >= WORD_FROM)], key=lambda word: (word.left, word.right)
        )

    def _missing(self, scripts: frozenset[Script]) -> str:
        """The name of what could not be read: the scripts that were asked for and have no data, else unknown."""
        lacking = [
            script
            for script, languages in self._languages.items()
            if script in scripts and self._reader((LATIN, *languages)) is None
        ]
        return " or ".join(lacking) or UNKNOWN

    def _reader(self, languages: tuple[str, ...]) -> Tesseract | None:
        """The reader of some languages; None where their data is missing or damaged."""
        if languages not in self._readers:
            folder = folder_of(languages, self._environ)
            try:
                self._readers[languages] = None if folder is None else Tesseract(languages, folder)
            except RuntimeError:
                self._readers[languages] = None
        return self._readers[languages]


class _Page:
    """The lines of a page, with what is known of each."""

    def __init__(self, image: "NDArray[np.uint8]", places: "Places", readings: list[Reading]) -> None:
        self.readings = readings
        self.aspects: list[float] = []
        for place in places:
            width_px, height_px = box_size(place)
            self.aspects.append(width_px / height_px)
        self._image = image
        self._places = places
        self._crops: dict[int, NDArray[np.uint8]] = {}
        self._words: dict[tuple[int, int], list[Word]] = {}

    def looks(self, *, everything: bool, but: Collection[int] = ()) -> dict[int, Look]:
        """What each line looks like that lies along the page and is not surely Latin; or every line. But for some."""
        found: dict[int, Look] = {}
        for line, (reading, aspect) in enumerate(zip(self.readings, self.aspects, strict=True)):
            if line in but or aspect < (1 if everything else LEAST_LINE / 2):
                continue
            if everything or not is_latin(reading, aspect):
                found[line] = look_of(reading, self.crop(line), aspect)
        return found

    def candidates(
        self, looks: Mapping[int, Look], read: Collection[int] = ()
    ) -> list[tuple[list[int], frozenset[Script]]]:
        """The lines that hang and those that look strange, where they are enough, with what they may be in.

        Args:
            looks: of the lines that are not surely Latin.
            read: lines that hang as well, and were read.
        """
        hanging = [line for line, look in looks.items() if look is Look.HANGING]
        strange = [line for line, look in looks.items() if look is Look.STRANGE]
        if self.length([*hanging, *read]) < LEAST_PROOF:
            hanging = []
        upright = self.length(range(len(self.readings))) - self.length([*hanging, *read])
        if self.length(strange) < max(LEAST_PROOF, STRANGE_SHARE * upright):
            strange = []
        return [(hanging, HANGING), (strange, OTHERS)]

    def mixed(self, but: Collection[int]) -> list[int]:
        """The lines that are surely Latin, as it seems, and in which something hangs; but for some."""
        rest = [line for line, aspect in enumerate(self.aspects) if aspect >= LEAST_LINE and line not in but]
        return [line for line in rest if self.bare_words(line) != words_of(self.readings[line], self.aspects[line])]

    def crop(self, line: int) -> "NDArray[np.uint8]":
        if line not in self._crops:
            self._crops[line] = crop_line(self._image, self._places[line])
        return self._crops[line]

    def hangs(self, line: int, word: Word) -> bool:
        """Whether the letters of a word hang on a line, so that they are no Latin ones."""
        span = Stretch(max(0.0, word.left), min(1.0, word.right))
        return hanging_share(self.crop(line), [span]) >= HANGING_WORD

    def bare_words(self, line: int) -> list[Word]:
        """The words that the Latin recogniser sees, without what hangs: a word, or what is before or behind a slash."""
        reading, aspect = self.readings[line], self.aspects[line]
        pieces = words_of(reading, aspect, " /")
        found: list[Word] = []
        for word in words_of(reading, aspect):
            parts = [part for part in pieces if part.is_within([word])] or [word]
            bare = [part for part in parts if not self.hangs(line, part)]
            found += [word] if len(bare) == len(parts) else bare
        return found

    def words(self, line: int, reader: Tesseract) -> list[Word]:
        """What a reader makes of a line; it is asked once."""
        key = line, id(reader)
        if key not in self._words:
            self._words[key] = reader.read(self.crop(line))
        return self._words[key]

    def length(self, lines: "Sequence[int] | range") -> float:
        """How long some lines are together, in heights of a line; letters by themselves tell nothing."""
        return sum(self.aspects[line] for line in lines if self.aspects[line] >= LEAST_LINE)

    def is_claim(self, lines: Sequence[int]) -> bool:
        """Whether lines that nobody read are so many, and so unlike blurred Latin, that they are in another script."""
        length, whole = self.length(lines), self.length(range(len(self.readings)))
        letters = sum(len("".join(self.readings[line].text.split())) for line in lines)
        return length >= max(LEAST_CLAIM, LEAST_SHARE * whole) and letters < CLOSE * length


def _mean(words: Sequence[Word]) -> float:
    """How surely words were read, each by its letters."""
    letters = sum(len(word.text) for word in words)
    return sum(word.confidence * len(word.text) for word in words) / letters if letters else 0.0


def _is_latin_word(text: str) -> bool:
    return any("A" <= letter.upper() <= "Z" for letter in text)


def _has_digits(text: str) -> bool:
    return any(letter.isdecimal() for letter in text)


def words_of(reading: Reading, aspect: float, ends: str = " ") -> list[Word]:
    """The words of the Latin recogniser, where they stand, and how sure it is of each; lone letters are none.

    Args:
        reading: of the line.
        aspect: width over height of the line.
        ends: what stands between words.
    """
    if len(reading.surety) != len(reading.text):
        return []
    found: list[Word] = []
    for first, last in _spans(reading, aspect, ends):
        left, right = reading.places[first], reading.places[last - 1]
        margin = (right - left) / max(1, last - first - 1) / 2
        word = Word(reading.text[first:last], fmean(reading.surety[first:last]), left - margin, right + margin)
        if len(word.letters) > 1:
            found.append(word)
    return found


def is_sure(word: Word) -> bool:
    """Whether the Latin recogniser's word is a word; two letters are sooner seen where there are none."""
    return word.confidence >= (SURE_WORD if len(word.letters) > SHORT_WORD else SURE_SHORT_WORD)


def _spans(reading: Reading, aspect: float, ends: str) -> Iterator[tuple[int, int]]:
    """From where to where each word goes: to a blank, or to a gap in which letters of another script may stand."""
    start = 0
    gaps = [aspect * (after - before) for before, after in pairwise(reading.places)]
    for place, letter in enumerate(f"{reading.text} "):
        word = gaps[start : place - 1]
        far = place > start and place < len(reading.text) and gaps[place - 1] > max(GAP, APART * median(word or [0.0]))
        if letter in ends or far:
            if place > start:
                yield _core(reading, start, place)
            start = place + (letter in ends)


def _core(reading: Reading, start: int, end: int) -> tuple[int, int]:
    """A word without doubtful letters at its ends that stand apart: there the other script was taken for one more."""
    gaps = [after - before for before, after in pairwise(reading.places[start:end])]
    wide = APART * median(gaps) if gaps else 0.0
    while end - start > SHORT_WORD and reading.surety[start] < SURE_LETTER and gaps[0] > wide:
        start, gaps = start + 1, gaps[1:]
    while end - start > SHORT_WORD and reading.surety[end - 1] < SURE_LETTER and gaps[-1] > wide:
        end, gaps = end - 1, gaps[:-1]
    return start, end
