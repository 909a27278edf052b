"""Each threshold by which a line is Latin, another script, read, missed or cut: just short of it, and just beyond."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.engines.line_shape import hangs_wholly
from rythmiq_worker.engines.other_scripts import OtherScripts, _Page, is_sure
from rythmiq_worker.engines.recognition import Reading
from rythmiq_worker.engines.tesseract import Look, Word, is_latin, look_of, sight_of, stretches
from tests.support.bounds import above, below

HEIGHT_PX = 40


def spread(text: str, surety: float, start: float = 0.02, end: float = 0.98) -> Reading:
    """A reading whose letters stand evenly between two places."""
    return Reading(text, surety, (surety,) * len(text), tuple(np.linspace(start, end, len(text)).tolist()))


def line(headline: float = 0.0, width_px: int = 400) -> NDArray[np.uint8]:
    """Upright strokes, and above a share of the line one along it."""
    pixels = np.full((HEIGHT_PX, width_px, 3), 250, np.uint8)
    for left in range(0, width_px - 4, 14):
        pixels[16:38, left : left + 4] = 10
    pixels[14:18, : round(headline * width_px)] = 10
    return pixels


@pytest.mark.parametrize(
    ("reading", "latin"),
    [
        (spread("Government", above(0.93)), True),
        (spread("Government", below(0.93)), False),
        (spread("ab", 0.99, 0.3, 0.7), True),
        (spread("a", 0.99, 0.5, 0.5), False),
    ],
)
def test_latin_is_read_surely(reading: Reading, *, latin: bool) -> None:
    assert is_latin(reading, 2.5) is latin


@pytest.mark.parametrize(("gap", "parts"), [(below(1.6), 0), (above(1.6), 1)])
def test_a_gap_between_letters_may_be_so_wide(gap: float, parts: int) -> None:
    reading = Reading("ab", 0.9, (0.9, 0.9), (0.5 - gap / 20, 0.5 + gap / 20))
    ends = Reading("xabx", 0.9, (0.9,) * 4, (0.1, *reading.places, 0.9))
    wide = [part for part in stretches(ends, 10) if 0.3 < part.start < 0.5]
    assert len(wide) == parts


@pytest.mark.parametrize(("gap", "parts"), [(below(1.3), 0), (above(1.3), 1)])
def test_a_gap_at_an_end_may_be_so_wide(gap: float, parts: int) -> None:
    reading = spread("abcdefghij", 0.9, gap / 10, 0.99)
    assert len([part for part in stretches(reading, 10) if part.start == 0]) == parts


@pytest.mark.parametrize(
    ("letters", "surety", "headline", "look"),
    [
        (24, above(0.75), 1.0, Look.LATIN),
        (24, below(0.75), 1.0, Look.HANGING),
        (24, 0.5, above(0.3), Look.HANGING),
        (24, 0.5, below(0.29), Look.LATIN),
        (23, 0.5, 0.0, Look.LATIN),
        (22, 0.5, 0.0, Look.STRANGE),
        (12, above(0.93), 0.0, Look.LATIN),
        (12, below(0.93), 0.0, Look.STRANGE),
    ],
)
def test_a_line_looks_so(letters: int, surety: float, headline: float, look: Look) -> None:
    """Ten heights long, on which Latin has 23 letters and more."""
    assert look_of(spread("n" * letters, surety), line(headline), 10) is look


@pytest.mark.parametrize(("strokes", "wholly"), [(5, True), (6, False)])
def test_what_does_not_hang_is_no_longer_than_the_line_is_high(strokes: int, *, wholly: bool) -> None:
    """Strokes near each other without a headline, 36 or 44 pixels in all, on a line 40 pixels high."""
    pixels = line(1.0)
    pixels[:, 200 : 200 + 8 * strokes] = 250
    for left in range(200, 200 + 8 * strokes, 8):
        pixels[16:38, left : left + 4] = 10
    assert hangs_wholly(pixels) is wholly


@pytest.mark.parametrize(("hanging", "wholly"), [(11, True), (10, False)])
def test_most_of_what_is_written_hangs(hanging: int, *, wholly: bool) -> None:
    """Words of 32 pixels, far apart, and ten of 20 pixels, which are too short for a headline: .62 and .598 hang."""
    pixels = np.full((HEIGHT_PX, 1050, 3), 250, np.uint8)
    for word in range(hanging + 10):
        left, wide = 50 * word, 32 if word < hanging else 20
        pixels[14:18, left : left + wide] = 10
    assert hangs_wholly(pixels) is wholly


def test_an_empty_line_hangs_on_nothing() -> None:
    assert not hangs_wholly(np.full((HEIGHT_PX, 400, 3), 250, np.uint8))


def _page(*lengths: float, text: str = "") -> _Page:
    """Lines of so many heights, one below the other."""
    quads = []
    for row, length in enumerate(lengths):
        right, top = length * 1000, row * 2000
        quads.append([[0, top], [right, top], [right, top + 1000], [0, top + 1000]])
    return _Page(np.zeros((1, 1, 3), np.uint8), np.array(quads, np.float32), [Reading(text, 0.0)] * len(lengths))


@pytest.mark.parametrize(("length", "hanging"), [(below(2.5), []), (above(2.5), [0])])
def test_so_long_a_line_that_hangs_is_a_reason_to_ask(length: float, hanging: list[int]) -> None:
    assert _page(length, 9).candidates({0: Look.HANGING})[0][0] == hanging


@pytest.mark.parametrize(("length", "strange"), [(below(10.0), []), (above(10.0), [0])])
def test_half_of_a_page_is_strange_before_it_is_asked_about(length: float, strange: list[int]) -> None:
    assert _page(length, 20 - length).candidates({0: Look.STRANGE})[1][0] == strange


@pytest.mark.parametrize(("aspect", "counts"), [(below(1.2), False), (above(1.2), True)])
def test_a_letter_alone_tells_nothing(aspect: float, *, counts: bool) -> None:
    assert (_page(aspect).length([0]) > 0) is counts


@pytest.mark.parametrize(
    ("length", "rest", "claim"),
    [
        (below(6.0), 1.5, False),
        (above(6.0), 1.5, True),
        (below(15.0), 100 - below(15.0), False),
        (above(15.0), 100 - above(15.0), True),
    ],
)
def test_so_much_of_a_page_is_said_to_be_in_another_script(length: float, rest: float, *, claim: bool) -> None:
    assert _page(length, rest).is_claim([0]) is claim


@pytest.mark.parametrize(("letters", "claim"), [(23, False), (22, True)])
def test_lines_in_which_as_many_letters_are_seen_as_in_latin_are_blurred_latin(letters: int, *, claim: bool) -> None:
    assert _page(10, text=" ".join("x" * letters)).is_claim([0]) is claim


@pytest.mark.parametrize(
    ("text", "surety", "sure"),
    [
        ("abc", above(0.88), True),
        ("abc", below(0.88), False),
        ("ab", above(0.97), True),
        ("ab", below(0.97), False),
    ],
)
def test_a_latin_word_is_sure_from_one_figure_on(text: str, surety: float, *, sure: bool) -> None:
    assert is_sure(Word(text, surety, 0.0, 1.0)) is sure


class _Known:
    """A reader in place of Tesseract's, with the words that it finds in every line."""

    def __init__(self, *words: Word) -> None:
        self.words = list(words)

    def read(self, _line: NDArray[np.uint8]) -> list[Word]:
        return self.words


def _reread(monkeypatch: pytest.MonkeyPatch, *words: Word) -> tuple[str | None, str]:
    """What script a line is found in, and what is then read of it."""
    scripts, reader = OtherScripts(("hin",)), _Known(*words)
    monkeypatch.setattr(scripts, "_reader", lambda _languages: reader)
    quad = np.array([[[0, 0], [400, 0], [400, 40], [0, 40]]], np.float32)
    found = scripts.reread(line(1.0), quad, [spread("RTUTRT HTR", 0.5)])
    return found.found, found.readings[0].text


@pytest.mark.parametrize(("confidence", "script"), [(below(0.6), None), (above(0.6), "Devanagari")])
def test_a_reader_is_so_sure_of_its_own_script(
    confidence: float, script: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _reread(monkeypatch, Word("राष्ट्रीय", confidence, 0.0, 1.0))[0] == script


@pytest.mark.parametrize(("confidence", "text"), [(below(0.3), "राष्ट्रीय"), (above(0.3), "राष्ट्रीय परी")])
def test_a_word_is_written_from_one_confidence_on(
    confidence: float, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = Word("राष्ट्रीय", 0.95, 0.0, 0.6), Word("परी", confidence, 0.7, 1.0)
    assert _reread(monkeypatch, *words)[1] == text


@pytest.mark.parametrize(("confidence", "read"), [(below(0.55), False), (above(0.55), True)])
def test_a_line_is_written_from_one_confidence_on(
    confidence: float, *, read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = OtherScripts(("hin",))
    monkeypatch.setattr(scripts, "_reader", lambda _languages: _Known(Word("राष्ट्रीय", confidence, 0.0, 1.0)))
    quad = np.array([[[0, 0], [400, 0], [400, 40], [0, 40]]], np.float32)
    page = _Page(line(1.0), quad, [spread("RTUTRT HTR", 0.5)])
    scripts._settle(page, 0, "Devanagari")
    assert (page.readings[0].text != "") is read


READ, UNREAD = Reading("n" * 20, 0.9), Reading("", 0.0)


def _box(left: float, width: float, height: float = 1000) -> NDArray[np.float32]:
    right = left + width
    return np.array([[left, 0], [right, 0], [right, height], [left, height]], np.float32)


@pytest.mark.parametrize(
    ("width", "height", "missed"),
    [
        (1000 * above(1.5), 1000, 1),
        (1000 * below(1.5), 1000, 0),
        (9000, 1000 * below(3.0), 1),
        (9000, 1000 * above(3.0), 0),
        (9000, 1000 * above(0.4), 1),
        (9000, 1000 * below(0.4), 0),
    ],
)
def test_what_is_like_a_line_of_the_page_is_missed(width: float, height: float, missed: int) -> None:
    places = [_box(5000, 10_000), _box(5000, width, height)]
    assert sight_of(places, [READ, UNREAD], [0], (20_000, 20_000), ()).unread_lines == missed


def test_where_nothing_was_read_a_line_has_the_usual_letters() -> None:
    assert sight_of([_box(5000, 10_000)], [UNREAD], [], (20_000, 20_000), ()).missed == pytest.approx(22, abs=0.2)


@pytest.mark.parametrize(
    ("left", "width", "cut"),
    [(below(120), 10_000, 1), (above(120), 10_000, 0), (0, 1000 * above(0.7), 1), (0, 1000 * below(0.7), 0)],
)
def test_a_line_near_the_border_is_cut_unless_it_is_a_letter(left: float, width: float, cut: int) -> None:
    assert sight_of([_box(left, width)], [READ], [0], (20_000, 20_000), ()).cut_lines == cut
