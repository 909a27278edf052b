"""The words of real, labelled pages: which are missing, which are made up. Pages are mended and read as in a job."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rythmiq_worker.engines import PageText, TurningEngine, rapidocr
from rythmiq_worker.engines.tesseract import folder_of
from rythmiq_worker.stages.enhance import enhance
from tests.bench.real_pictures import RealPicture
from tests.support.uploads import context, decoded

Row = dict[str, object]
MOST_MISSING_FLAT = 0.015
MOST_MISSING_BENT = 7
LEAST_RIGHT = 0.75
_JOINERS = str.maketrans({"\u200c": None, "\u200d": None})


@dataclass(frozen=True, slots=True)
class Read:
    """One page: what stands on it and was labelled, and what was read."""

    picture: RealPicture
    wanted: Counter[str]
    page: PageText

    @property
    def words(self) -> Counter[str]:
        """What was read, by word."""
        return words_of("\n".join(line.text for line in self.page.lines))

    @property
    def missing(self) -> int:
        """Labelled words that were not read, or not so."""
        return (self.wanted - self.words).total()

    @property
    def made_up(self) -> int:
        """Words in Latin letters that are not on the page."""
        known = words_of(" ".join(self.picture.label.get("latin_words") or ()))
        return sum(
            count
            for word, count in self.words.items()
            if any("a" <= letter <= "z" for letter in word) and word not in known
        )

    @property
    def devanagari(self) -> bool:
        """Whether most of it is in Devanagari."""
        return str(self.picture.label["script"]) != "latin"


def words_of(text: str) -> Counter[str]:
    """Words in small letters: letters and digits with their marks, whatever stands between them."""
    plain = unicodedata.normalize("NFKC", text.translate(_JOINERS)).lower()
    return Counter("".join(letter if unicodedata.category(letter)[0] in "LNM" else " " for letter in plain).split())


def rows(pictures: Sequence[RealPicture]) -> list[Row]:
    """Read those whose words are labelled."""
    engine = rapidocr.load()
    read = [_read(engine, picture) for picture in pictures if picture.label.get("text")]
    flat = [one for one in read if not one.devanagari and one.picture.label["shape"] == "flat"]
    bent = [one for one in read if not one.devanagari and one.picture.label["shape"] != "flat"]
    other = [one for one in read if one.devanagari]
    latin = [one.page.sight.completeness or 0.0 for one in flat if one.page.sight is not None]
    made = [
        _row("flat pages in Latin script, words missing", _missing(flat), flat, MOST_MISSING_FLAT * _wanted(flat)),
        _row("bent pages in Latin script, words missing", _missing(bent), bent, MOST_MISSING_BENT),
        _row(
            "flat pages in Latin script, least share that completeness tells",
            round(min(latin, default=0), 3),
            flat,
            None,
        ),
    ]
    if folder_of(("eng", "hin")) is None:
        return made
    share = 1 - _missing(other) / max(1, _wanted(other))
    return [
        *made,
        _row(
            "pages in Devanagari, words in Latin letters that are made up", sum(one.made_up for one in other), other, 0
        ),
        _row("pages in Devanagari, share of the words right", round(share, 3), other, LEAST_RIGHT, least=True),
    ]


def _read(engine: TurningEngine, picture: RealPicture) -> Read:
    made = enhance(decoded(picture.image()), "document", context(kind="document", enhance="auto", color="rgb"))
    truth = (picture.path.parents[1] / picture.label["text"]).read_text(encoding="utf-8")
    return Read(picture, words_of(truth), engine.read_turned(np.asarray(made.pages[0].image())))


def _missing(pages: Sequence[Read]) -> int:
    return sum(page.missing for page in pages)


def _wanted(pages: Sequence[Read]) -> int:
    return sum(page.wanted.total() for page in pages)


def _row(what: str, measured: float, pages: Sequence[Read], bar: float | None, *, least: bool = False) -> Row:
    holds = None if bar is None else measured >= bar if least else measured <= bar
    told = None if bar is None else f"{'>=' if least else '<='} {bar:g}"
    note = f"{len(pages)} pages, {_wanted(pages)} labelled words"
    return {"what": what, "measured": measured, "bar": told, "unit": None, "holds": holds, "note": note}
