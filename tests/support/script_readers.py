"""Readers in place of Tesseract, and the lines of a page that they are asked to read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq.contracts.choices import TextLanguage
from rythmiq_worker.engines import other_scripts
from rythmiq_worker.engines.other_scripts import Hung, OtherScripts, Reread
from rythmiq_worker.engines.recognition import Reading
from rythmiq_worker.engines.tesseract import Word

HEIGHT_PX, WIDTH_PX = 48, 480
ASPECT = WIDTH_PX / HEIGHT_PX


def line_of(*, headline: bool, light: bool = False) -> NDArray[np.uint8]:
    """A line of upright strokes, with or without a headline from which they hang."""
    line = np.full((HEIGHT_PX, WIDTH_PX, 3), 250, np.uint8)
    for left in range(12, WIDTH_PX - 12, 14):
        line[16:38, left : left + 4] = 10
    if headline:
        line[14:18, 8 : WIDTH_PX - 8] = 10
    return 255 - line if light else line


def spread(text: str, surety: float, start: float = 0.05, end: float = 0.95) -> Reading:
    """A reading whose letters stand evenly between two places."""
    places = tuple(np.linspace(start, end, len(text)).tolist())
    return Reading(text, surety, (surety,) * len(text), places)


LATIN = spread("Government of India", 0.99)
GARBAGE = spread("RTUTRT HTR", 0.6)


class Reader:
    """A reader that knows one script: sure of a line in it, unsure of any other."""

    known: ClassVar[Mapping[tuple[str, ...], Sequence[Word]]] = {}
    asked: ClassVar[list[tuple[str, ...]]] = []

    def __init__(self, languages: tuple[str, ...], _folder: Path) -> None:
        self.languages = languages

    def read(self, _line: object) -> list[Word]:
        Reader.asked.append(self.languages)
        return list(self.known.get(self.languages, [Word("ज़", 0.4, 0.0, 1.0)]))


HINDI = (Word("राष्ट्रीय", 0.95, 0.0, 0.5), Word("परीक्षा", 0.9, 0.5, 1.0))


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> type[Reader]:
    """Readers in place of Tesseract, with the data of every language."""
    monkeypatch.setattr(other_scripts, "Tesseract", Reader)
    monkeypatch.setattr(other_scripts, "folder_of", lambda _languages, _environ: Path())
    monkeypatch.setattr(Reader, "known", {})
    monkeypatch.setattr(Reader, "asked", [])
    return Reader


def page_of(lines: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A page whose lines stand below each other, and where they do."""
    tops = np.arange(len(lines), dtype=np.float32) * HEIGHT_PX
    quads = [[[0, top], [WIDTH_PX, top], [WIDTH_PX, top + HEIGHT_PX], [0, top + HEIGHT_PX]] for top in tops]
    return np.concatenate(lines), np.array(quads, np.float32)


def reread(
    readings: Sequence[Reading],
    lines: Sequence[NDArray[np.uint8]],
    *languages: TextLanguage,
    everything: bool = False,
    hung: Hung | None = None,
) -> Reread:
    """Look at a page again whose lines stand below each other."""
    return OtherScripts(languages, everything=everything).reread(*page_of(lines), readings, hung or Hung())
