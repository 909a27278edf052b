"""Lines that hang on a headline from one end to the other: who reads them, and what that tells of the others."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq.contracts.choices import TextLanguage
from rythmiq_worker.engines import other_scripts
from rythmiq_worker.engines.line_shape import hangs_wholly
from rythmiq_worker.engines.other_scripts import Hung, OtherScripts
from rythmiq_worker.engines.recognition import Reading
from rythmiq_worker.engines.tesseract import Word
from tests.support.script_readers import GARBAGE, HINDI, LATIN, Reader, line_of, page_of, readers, reread, spread

__all__ = ["readers"]

HANGING, BARE = line_of(headline=True), line_of(headline=False)


def read_hanging(lines: Sequence[NDArray[np.uint8]], *languages: TextLanguage, doubtful: Sequence[int] = (0,)) -> Hung:
    return OtherScripts(languages).read_hanging(*page_of(lines), doubtful)


def test_lines_that_hang_wholly_are_read_without_the_latin_recogniser(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "hin"): HINDI})
    found = read_hanging([HANGING, BARE, HANGING], "hin", "tam")
    assert found.script == "Devanagari"
    assert {line: reading.text for line, reading in found.readings.items()} == dict.fromkeys((0, 2), "राष्ट्रीय परीक्षा")
    assert readers.asked == [("eng", "hin")] * 2


def test_where_no_doubtful_line_hangs_nobody_is_asked(readers: type[Reader]) -> None:
    assert read_hanging([BARE, HANGING], "hin") == Hung()
    assert readers.asked == []


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Word("TET", 0.9, 0.5, 1.0), id="Latin"),
        pytest.param(Word("2026", 0.9, 0.5, 1.0), id="digits"),
        pytest.param(Word("२०२६", 0.9, 0.5, 1.0), id="digits of the script"),
    ],
)
def test_a_line_in_which_its_reader_sees_more_than_its_script_is_left_to_both(
    other: Word, readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "hin"): (HINDI[0], other)})
    assert read_hanging([HANGING], "hin") == Hung()


@pytest.mark.parametrize("languages", [("hin",), ("tam",)])
def test_lines_of_a_script_that_no_reader_is_sure_of_are_left_to_both(
    languages: tuple[TextLanguage, ...], readers: type[Reader]
) -> None:
    assert read_hanging([HANGING], *languages) == Hung()
    assert set(readers.asked) <= {("eng", "hin")}


def test_lines_are_left_to_both_where_the_data_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_scripts, "folder_of", lambda _languages, _environ: None)
    assert read_hanging([HANGING] * 3, "hin") == Hung()


@pytest.mark.parametrize("everything", [False, True])
def test_what_was_read_before_stays_and_tells_the_script_of_the_rest(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch, *, everything: bool
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "hin"): HINDI})
    hung = Hung({0: Reading("भारत सरकार", 0.9)}, "Devanagari")
    found = reread(
        [Reading("", 0.0), GARBAGE, LATIN], [HANGING, HANGING, BARE], "hin", hung=hung, everything=everything
    )
    assert [reading.text for reading in found.readings] == ["भारत सरकार", "राष्ट्रीय परीक्षा", LATIN.text]
    assert found.settled >= {0, 1}
    assert found.scripts == ()
    assert readers.asked.count(("eng", "hin")) == (2 if everything else 1)


@pytest.mark.parametrize(
    ("first", "text"),
    [(GARBAGE, "भारत GOVERNMENTOFINDIA"), (LATIN, "HRART/GOVERNMENTOFINDIA")],
    ids=["page in Hindi", "Latin page"],
)
def test_on_a_page_in_hindi_a_sure_line_of_which_a_part_hangs_is_read_by_both(
    first: Reading, text: str, readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = (Word("भारत", 0.95, 0.0, 0.25), Word("/GOVERNMENTOFINDIA", 0.7, 0.27, 1.0))
    monkeypatch.setattr(readers, "known", {("eng", "hin"): seen, ("hin",): HINDI})
    half = line_of(headline=False)
    half[14:18, 8:120] = 10
    found = reread([first, spread("HRART/GOVERNMENTOFINDIA", 0.97)], [line_of(headline=first is GARBAGE), half], "hin")
    assert found.readings[1].text == text


@pytest.mark.filterwarnings("error")
def test_a_rule_as_thin_as_a_pixel_is_no_line_that_hangs() -> None:
    line = np.full((48, 480, 3), 250, np.uint8)
    line[10] = 10
    assert not hangs_wholly(line)
