"""When the engine looks a second time, which reading it keeps, and which lines it gives."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.engines import rapidocr
from rythmiq_worker.engines.detection import Detection
from rythmiq_worker.engines.other_scripts import OtherScripts, Reread
from rythmiq_worker.engines.rapidocr import RapidOcr, evidence, has_small_text, kept_of, lines_of, mean_confidence
from rythmiq_worker.engines.recognition import Reading

PAGE = np.zeros((30, 40, 3), np.uint8)


class Script:
    """Plays detector and recogniser: what each look finds is written down before."""

    def __init__(self, looks: dict[int, tuple[Sequence[float], float, Sequence[Reading]]]) -> None:
        self.looks = looks
        self.looked: list[int] = []
        self.near: list[bool] = []

    def detect(self, _network: object, _image: object, long_side_px: int, near: object = None) -> Detection:
        self.looked.append(long_side_px)
        self.near.append(near is not None)
        heights, scale, _ = self.looks[long_side_px]
        tops = np.arange(len(heights), dtype=np.float32) * 50
        quads = np.array([[[0, top], [9, top], [9, top + 9], [0, top + 9]] for top in tops], np.float32)
        return Detection(quads.reshape(-1, 4, 2), np.array(heights, np.float32), scale)

    def read(self, _image: object, _quads: NDArray[np.float32], _leave: object = None) -> list[Reading]:
        return list(self.looks[self.looked[-1]][2])


def play(script: Script, monkeypatch: pytest.MonkeyPatch, others: OtherScripts | None = None) -> list[str]:
    monkeypatch.setattr(rapidocr, "detect", script.detect)
    engine = RapidOcr.__new__(RapidOcr)
    monkeypatch.setattr(engine, "_detector", None, raising=False)
    monkeypatch.setattr(engine, "_recogniser", script, raising=False)
    monkeypatch.setattr(engine, "_others", others or OtherScripts(()), raising=False)
    return [line.text for line in engine.read(PAGE)]


def test_a_page_that_reads_well_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script({960: ([20] * 4, 0.2, [Reading(text, 0.98) for text in "abcd"])})
    assert play(script, monkeypatch) == ["a", "b", "c", "d"]
    assert script.looked == [960]


def test_middling_text_is_looked_at_closer_once(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script({960: ([6.5] * 4, 0.2, []), 1280: ([8.5] * 4, 0.3, [Reading("yes", 0.99)] * 4)})
    assert play(script, monkeypatch) == ["yes"] * 4
    assert script.looked == [960, 1280]
    assert script.near == [False, False]


def test_text_that_is_small_on_the_full_look_too_is_looked_at_closest(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script({960: ([6] * 4, 0.2, []), 1280: ([7] * 4, 0.3, []), 1920: ([9], 0.48, [Reading("yes", 0.99)])})
    assert play(script, monkeypatch) == ["yes"]
    assert script.looked == [960, 1280, 1920]
    assert script.near == [False, False, True]


def test_small_text_is_looked_at_closest_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script({960: ([4, 4, 30, 30], 0.2, []), 1920: ([9], 0.48, [Reading("yes", 0.99)])})
    assert play(script, monkeypatch) == ["yes"]
    assert script.looked == [960, 1920]
    assert script.near == [False, True]


@pytest.mark.parametrize("lines", [0, 3])
def test_a_page_on_which_hardly_anything_is_found_is_looked_at_closer_all_over(
    lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script({960: ([200.0] * lines, 0.2, []), 1920: ([], 0.48, [])})
    assert play(script, monkeypatch) == []
    assert script.looked == [960, 1920]
    assert script.near == [False, False]


@pytest.mark.parametrize(("closer", "kept"), [(0.95, "closer"), (0.55, "first!")])
def test_a_doubtful_page_is_read_again_and_the_better_reading_kept(
    closer: float, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [Reading("first!", 0.8)] * 4, [Reading("closer", closer)] * 4
    script = Script({960: ([20] * 4, 0.2, first), 1440: ([20] * 4, 0.36, second)})
    assert play(script, monkeypatch) == [kept] * 4
    assert script.looked == [960, 1440]


class NobodyReads(OtherScripts):
    """Takes what is read with doubt for a script that nobody reads."""

    def reread(self, image: object, places: object, readings: Sequence[Reading], hung: object = None) -> Reread:  # noqa: ARG002
        doubtful = frozenset(line for line, reading in enumerate(readings) if reading.confidence < 0.75)
        texts = [Reading("", 0.0) if line in doubtful else reading for line, reading in enumerate(readings)]
        return Reread(texts, ("unknown",) if doubtful else (), doubtful)


def test_a_page_in_a_script_that_nobody_reads_may_be_blurred_latin(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = [Reading("fist", 0.6)] * 4, [Reading("closer", 0.9)] * 4
    script = Script({960: ([20] * 4, 0.2, first), 1440: ([20] * 4, 0.36, second)})
    assert play(script, monkeypatch, NobodyReads(())) == ["closer"] * 4
    assert script.looked == [960, 1440]


@pytest.mark.parametrize("heights", [[], [5.0]])
def test_a_picture_that_was_not_shrunk_has_no_closer_look(
    heights: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script({960: (heights, 1.0, [Reading("dim", 0.6)] * len(heights))})
    assert play(script, monkeypatch) == ["dim"] * len(heights)
    assert script.looked == [960]


def test_a_quarter_of_small_lines_makes_a_page_small() -> None:
    assert has_small_text(np.array([7, 7, 20, 20], np.float32))
    assert not has_small_text(np.array([6, 20, 20, 20, 20, 20], np.float32))


def test_a_long_line_weighs_more_than_a_short_one() -> None:
    assert mean_confidence([Reading("abc", 1.0), Reading("d", 0.6)]) == pytest.approx(0.9)


def test_what_will_be_dropped_is_no_evidence() -> None:
    assert evidence([Reading("abcd", 0.5), Reading("noise", 0.4)]) == 2.0


@pytest.mark.parametrize(
    ("text", "confidence", "kept"),
    [("x", 0.79, 0), ("x", 0.8, 1), ("42", 0.79, 0), ("abc", 0.5, 1), ("छ", 0.5, 1), ("  ", 1.0, 0)],
)
def test_one_or_two_latin_letters_are_kept_only_when_they_are_sure(text: str, confidence: float, kept: int) -> None:
    assert len(kept_of([Reading(text, confidence)])) == kept


def test_noise_and_blank_lines_are_dropped_and_the_rest_is_in_order() -> None:
    quads = np.array([[[0, top], [90, top], [90, top + 20], [0, top + 20]] for top in (90, 60, 30, 0)], np.float32)
    readings = [Reading("last ", 0.5), Reading("noise", 0.49), Reading("  ", 0.9), Reading(" first", 1.0)]
    lines = lines_of(quads, readings)
    assert [line.text for line in lines] == ["first", "last"]
    assert lines[0].quad == ((0.0, 0.0), (90.0, 0.0), (90.0, 20.0), (0.0, 20.0))
    assert lines[0].confidence == 1.0
