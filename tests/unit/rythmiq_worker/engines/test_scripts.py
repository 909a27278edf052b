"""Which lines are not Latin, which reader they go to, and what of both is put together."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rythmiq_worker.engines import other_scripts
from rythmiq_worker.engines.line_shape import Stretch, hanging_share
from rythmiq_worker.engines.other_scripts import READ_FROM, OtherScripts, is_sure, of_language, words_of
from rythmiq_worker.engines.recognition import Reading
from rythmiq_worker.engines.tesseract import (
    Look,
    Tesseract,
    Word,
    apart,
    folder_of,
    grouped,
    is_latin,
    look_of,
    packages_of,
    stretches,
    tidy,
)
from tests.support.script_readers import (
    ASPECT,
    GARBAGE,
    HEIGHT_PX,
    HINDI,
    LATIN,
    WIDTH_PX,
    Reader,
    line_of,
    readers,
    reread,
    spread,
)
from tests.support.tessdata import needs_hindi

__all__ = ["readers"]


def test_print_that_is_read_from_end_to_end_is_latin() -> None:
    assert is_latin(LATIN, ASPECT)


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(spread("Government of India", 0.92), id="with doubt"),
        pytest.param(spread("x", 1.0, 0.5, 0.5), id="a lone letter"),
        pytest.param(spread("DOB:15/08/2004", 0.99, start=0.4), id="not from its start"),
        pytest.param(Reading("", 0.0), id="nothing"),
    ],
)
def test_anything_less_is_looked_at(reading: Reading) -> None:
    assert not is_latin(reading, ASPECT)


def test_a_stretch_is_where_no_letter_was_read() -> None:
    (stretch,) = stretches(spread("DOB:15/08/2004", 0.99, start=0.4), ASPECT)
    assert (stretch.start, stretch.end) == (0.0, 0.4)


def test_a_reading_whose_letters_have_no_places_has_no_stretch() -> None:
    assert stretches(Reading("abc", 0.9), ASPECT) == []


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize(("headline", "share"), [(True, 0.97), (False, 0.0)])
def test_a_headline_is_a_long_stroke_above_whatever_the_colours(headline: bool, share: float, light: bool) -> None:  # noqa: FBT001
    whole = [Stretch(0.0, 1.0)]
    assert hanging_share(line_of(headline=headline, light=light), whole) == pytest.approx(share, abs=0.03)


def test_an_underline_is_no_headline() -> None:
    assert hanging_share(np.ascontiguousarray(line_of(headline=True)[::-1]), [Stretch(0.0, 1.0)]) == 0


@pytest.mark.parametrize(
    ("reading", "headline", "look"),
    [
        pytest.param(GARBAGE, True, Look.HANGING, id="garbage under a headline"),
        pytest.param(GARBAGE, False, Look.STRANGE, id="garbage without one"),
        pytest.param(spread("blurred Latin letters are many", 0.76), True, Look.LATIN, id="blurred and underlined"),
        pytest.param(spread("blurred Latin letters are many", 0.6), False, Look.LATIN, id="very blurred"),
        pytest.param(spread("DOB:15/08/2004", 0.99, start=0.4), True, Look.HANGING, id="Hindi before Latin"),
        pytest.param(spread("DOB:15/08/2004", 0.99, start=0.4), False, Look.LATIN, id="a gap before Latin"),
    ],
)
def test_a_line_looks_latin_strange_or_hanging(reading: Reading, headline: bool, look: Look) -> None:  # noqa: FBT001
    assert look_of(reading, line_of(headline=headline), ASPECT) is look


def test_languages_are_read_by_their_script() -> None:
    assert grouped(("hin", "tam", "nep")) == {"Devanagari": ("hin", "nep"), "Tamil": ("tam",)}
    assert of_language("hi", ("tam", "nep")) == ("hin", "nep")


def test_what_to_install_is_named_by_package() -> None:
    assert packages_of("Devanagari") == "tesseract-ocr-hin"
    assert packages_of("Bengali or Gurmukhi") == "tesseract-ocr-ben or tesseract-ocr-pan"


# --- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap", "word"),
    [pytest.param(0.2, "/DOB:15", id="apart"), pytest.param(0.1, "A/DOB:15", id="as close as the others")],
)
def test_a_word_is_sure_without_a_doubtful_letter_that_stands_apart(gap: float, word: str) -> None:
    places = (0.3 - gap, *np.linspace(0.3, 0.9, 7).tolist())
    reading = Reading("A/DOB:15", 0.95, (0.6, *(1.0,) * 7), places)
    assert [found.text for found in words_of(reading, ASPECT / 4)] == [word]


@pytest.mark.parametrize(
    ("text", "surety", "kept"), [("of", 0.96, 0), ("of", 0.97, 1), ("fee", 0.87, 0), ("fee", 0.88, 1)]
)
def test_a_short_word_is_to_be_surer(text: str, surety: float, kept: int) -> None:
    assert sum(map(is_sure, words_of(spread(text, surety), ASPECT / 20))) == kept


def test_a_word_ends_where_another_script_may_begin() -> None:
    places = (*np.linspace(0.1, 0.5, 10).tolist(), 0.7, 0.9)
    reading = Reading("15/08/2004TR", 0.9, (*(1.0,) * 10, 0.8, 0.8), places)
    assert [word.text for word in words_of(reading, ASPECT)] == ["15/08/2004"]


def test_a_letter_with_a_mark_is_no_word() -> None:
    assert [word.text for word in words_of(spread("f, No.", 0.99), ASPECT / 10)] == ["No."]


@pytest.mark.parametrize(("other", "part"), [("FEMALE.", False), ("FEMALES", True), ("MALES", False)])
def test_a_mark_more_is_no_letter_more(other: str, *, part: bool) -> None:
    assert Word("FEMALE", 1.0, 0.1, 0.9).is_part_of_any([Word(other, 0.6, 0.1, 0.95)]) is part


@pytest.mark.parametrize(
    ("ours", "theirs", "text"),
    [
        ("PneumoniaVirus", ("Pneumonia", "Virus,"), "Pneumonia Virus,"),
        ("PneumoniaVirus", ("Pneumonia", "Viras"), "PneumoniaVirus"),
        ("14/08/2003", ("14/08/", "2003"), "14/08/2003"),
        ("Virus", ("Virus.",), "Virus"),
    ],
)
def test_a_blank_is_whose_reader_sees_it_between_the_same_letters(
    ours: str, theirs: tuple[str, ...], text: str
) -> None:
    word = Word(ours, 0.9, 0.1, 0.9)
    seen = [Word(other, 0.7, 0.1 + 0.4 * place, 0.48 + 0.4 * place) for place, other in enumerate(theirs)]
    assert " ".join(part.text for part in word.parted([*seen, Word("को", 0.9, 0.92, 0.98)])) == text
    assert {part.confidence for part in word.parted(seen)} == {0.9}


def test_a_reading_that_does_not_tell_letter_by_letter_has_no_words() -> None:
    assert words_of(Reading("Government", 1.0), ASPECT) == []


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ("जन्\u200dम", "जन्म"),
        ("गणतन््त्र", "गणतन्त्र"),
        ("गर्\u200dयो", "गर्\u200dयो"),
        ("_नाम", "नाम"),
        ("=", ""),
        ("।", "।"),
    ],
)
def test_a_word_loses_what_the_reader_adds(raw: str, word: str) -> None:
    assert tidy(raw) == word


@given(st.lists(st.tuples(st.floats(-0.1, 1.1), st.floats(-0.1, 1.1)), max_size=5))
def test_no_word_reaches_into_the_next_nor_beyond_the_line(spans: list[tuple[float, float]]) -> None:
    words = [Word("w", 0.9, *sorted(span)) for span in sorted(spans)]
    found = apart(words)
    assert [(word.text, word.left) for word in found] == [(word.text, word.left) for word in words]
    for word, after in itertools.pairwise(found):
        assert word.left <= word.right <= max(word.left, after.left)


@needs_hindi
@pytest.mark.parametrize("line", [np.full((48, 200, 3), 255, np.uint8), np.zeros((48, 60, 3), np.uint8)])
def test_nothing_is_read_with_reason_where_there_is_no_ink(line: NDArray[np.uint8]) -> None:
    folder = folder_of(("eng", "hin"))
    assert folder is not None
    assert all(word.confidence < READ_FROM for word in Tesseract(("eng", "hin"), folder).read(line))


def test_data_is_sought_in_the_operators_folder_first(tmp_path: Path) -> None:
    for language in ("eng", "hin"):
        (tmp_path / f"{language}.traineddata").write_bytes(b"")
    assert folder_of(("eng", "hin"), {"TESSDATA_PREFIX": str(tmp_path)}) == tmp_path
    assert folder_of(("eng", "xxx"), {"TESSDATA_PREFIX": str(tmp_path)}) is None


@needs_hindi
@pytest.mark.parametrize("damaged", ["eng", "hin"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_data_that_is_damaged_is_as_if_it_were_missing(tmp_path: Path, damaged: str, share: float) -> None:
    folder = folder_of(("eng", "hin"))
    assert folder is not None
    for language in ("eng", "hin"):
        whole = (folder / f"{language}.traineddata").read_bytes()
        data = whole[: int(len(whole) * share)] if language == damaged else whole
        (tmp_path / f"{language}.traineddata").write_bytes(data)
    lines = [line_of(headline=True)] * 4
    quads = [
        [[0, top], [WIDTH_PX, top], [WIDTH_PX, top + HEIGHT_PX], [0, top + HEIGHT_PX]] for top in range(0, 192, 48)
    ]
    others = OtherScripts(("hin",), everything=True, environ={"TESSDATA_PREFIX": str(tmp_path)})
    found = others.reread(np.concatenate(lines), np.array(quads, np.float32), [GARBAGE] * 4)
    assert found.scripts == ("Devanagari",)
    assert {reading.text for reading in found.readings} == {""}


# --- a page ----------------------------------------------------------------------------------------------------------


def test_a_latin_page_asks_nobody(readers: type[Reader]) -> None:
    found = reread([LATIN] * 3, [line_of(headline=False)] * 3, "hin")
    assert (found.readings, found.scripts, found.settled) == ([LATIN] * 3, (), frozenset())
    assert readers.asked == []


def test_a_line_that_hangs_is_read_by_the_reader_of_its_script(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "hin"): HINDI})
    found = reread([GARBAGE, LATIN], [line_of(headline=True), line_of(headline=False)], "hin")
    assert [reading.text for reading in found.readings] == ["राष्ट्रीय परीक्षा", LATIN.text]
    assert (found.found, found.scripts) == ("Devanagari", ())


def test_the_script_is_the_one_whose_reader_is_sure(readers: type[Reader], monkeypatch: pytest.MonkeyPatch) -> None:
    bengali = (Word("মাধ্যমিক", 0.8, 0.0, 1.0),)
    monkeypatch.setattr(readers, "known", {("eng", "ben"): bengali})
    found = reread([GARBAGE] * 2, [line_of(headline=True)] * 2, "hin", "ben", "tam")
    assert [reading.text for reading in found.readings] == ["মাধ্যমিক"] * 2
    assert found.found == "Bengali"
    assert ("eng", "tam") not in readers.asked


def test_a_page_of_strange_lines_is_in_a_script_without_a_headline(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "tam"): (Word("பெயர்", 0.8, 0.0, 1.0),)})
    found = reread([GARBAGE] * 2, [line_of(headline=False)] * 2, "hin", "tam")
    assert [reading.text for reading in found.readings] == ["பெயர்"] * 2
    assert ("eng", "hin") not in readers.asked


def test_a_script_that_no_reader_is_sure_of_is_left_out_and_said(readers: type[Reader]) -> None:
    found = reread([GARBAGE] * 2, [line_of(headline=True)] * 2, "hin")
    assert [reading.text for reading in found.readings] == ["", ""]
    assert found.scripts == ("unknown",)
    assert readers.asked


def test_a_script_whose_data_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_scripts, "folder_of", lambda _languages, _environ: None)
    found = reread([GARBAGE, LATIN], [line_of(headline=True), line_of(headline=False)], "hin", "tam")
    assert [reading.text for reading in found.readings] == ["", LATIN.text]
    assert found.scripts == ("Devanagari",)


def test_one_strange_line_on_a_latin_page_is_not_said_to_be_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_scripts, "folder_of", lambda _languages, _environ: None)
    found = reread([LATIN] * 4 + [GARBAGE], [line_of(headline=False)] * 5, "hin")
    assert (found.scripts, found.readings[-1]) == ((), GARBAGE)


def test_latin_words_that_we_are_sure_of_stand_in_their_place(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = (Word("जन्म", 0.9, 0.0, 0.35), Word("008:", 0.9, 0.4, 0.95))
    monkeypatch.setattr(readers, "known", {("eng", "hin"): seen})
    half = line_of(headline=False)
    half[14:18, 8:180] = 10
    found = reread([spread("DOB:15/08/2004", 0.99, start=0.4)], [half], "hin")
    assert found.readings[0].text == "जन्म DOB:15/08/2004"


@pytest.mark.parametrize(
    ("ours", "text"),
    [
        pytest.param(spread("Virus", 0.7, 0.7, 0.95), "राष्ट्रीय Virus", id="we doubt and agree"),
        pytest.param(spread("irus", 0.95, 0.76, 0.95), "राष्ट्रीय Virus", id="we miss a letter"),
        pytest.param(spread("HTSPQ", 0.7, 0.7, 0.95), "राष्ट्रीय", id="we see something else"),
    ],
)
def test_a_latin_word_that_both_readers_see_is_one(
    ours: Reading, text: str, readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "hin"): (HINDI[0], Word("Virus", 0.94, 0.66, 0.98)), ("hin",): ()})
    half = line_of(headline=False)
    half[14:18, 8:240] = 10
    assert reread([ours], [half], "hin", everything=True).readings[0].text == text


def test_latin_under_a_rule_is_latin_to_both_readers(readers: type[Reader], monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of a table's cell looks like a headline."""
    seen = (Word("Government", 0.95, 0.03, 0.52), Word("of", 0.95, 0.58, 0.67), Word("India", 0.95, 0.73, 0.97))
    monkeypatch.setattr(readers, "known", {("eng", "hin"): seen})
    found = reread([LATIN], [line_of(headline=True)], "hin", everything=True)
    assert found.readings[0].text == "Government of India"


def test_latin_that_both_readers_see_and_doubt_is_read_again_without_latin(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = (HINDI[0], Word("gftrat", 0.1, 0.66, 0.98))
    monkeypatch.setattr(readers, "known", {("eng", "hin"): mixed, ("hin",): (Word("मित्र", 0.7, 0.66, 0.98),)})
    half = line_of(headline=False)
    half[14:18, 8:240] = 10
    found = reread([spread("gftraf", 0.7, 0.7, 0.95)], [half], "hin", everything=True)
    assert found.readings[0].text == "राष्ट्रीय मित्र"


def test_latin_that_only_tesseract_sees_is_read_again_without_latin(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = (HINDI[0], Word("TET", 0.7, 0.5, 1.0))
    monkeypatch.setattr(readers, "known", {("eng", "hin"): mixed, ("hin",): HINDI})
    found = reread([GARBAGE], [line_of(headline=True)], "hin")
    assert found.readings[0].text == "राष्ट्रीय परीक्षा"
    assert readers.asked == [("eng", "hin"), ("hin",)]


def test_every_line_goes_to_the_language_that_the_owner_names(
    readers: type[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "known", {("eng", "hin"): HINDI})
    found = reread([LATIN, GARBAGE], [line_of(headline=False)] * 2, "hin", everything=True)
    assert [reading.text for reading in found.readings] == [LATIN.text, "राष्ट्रीय परीक्षा"]
    assert found.settled == {0, 1}


def test_every_line_of_a_language_without_data_is_left_out_but_for_sure_latin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_scripts, "folder_of", lambda _languages, _environ: None)
    found = reread([LATIN, GARBAGE], [line_of(headline=False)] * 2, "hin", everything=True)
    assert [reading.text for reading in found.readings] == [LATIN.text, ""]
    assert found.scripts == ("Devanagari",)
