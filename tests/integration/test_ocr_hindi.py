"""Drawn pages in Hindi are read by Tesseract, the Latin words beside it by our own recogniser."""

from collections.abc import Callable

import numpy as np
import pytest

from rythmiq_worker.engines import PageText, TurningEngine, rapidocr
from tests.bench.ocr import MAX_CARD_CER, MAX_HINDI_CER, error_rate
from tests.data.hindi_pages import SIZES_PX, card, form
from tests.samples.pages import Page
from tests.support.tessdata import needs_hindi

pytestmark = needs_hindi


@pytest.fixture(scope="module")
def engine() -> TurningEngine:
    """The default engine, in this process."""
    return rapidocr.load()


def read(engine: TurningEngine, page: Page) -> PageText:
    return engine.read_turned(np.asarray(page.image, np.uint8))


@pytest.mark.parametrize(
    ("draw", "most"), [(form, MAX_HINDI_CER), (card, MAX_CARD_CER)], ids=["form", "card in two scripts"]
)
@pytest.mark.parametrize("size_px", SIZES_PX)
@pytest.mark.pixels
def test_drawn_letters_are_read(engine: TurningEngine, size_px: int, draw: Callable[[int], Page], most: float) -> None:
    page = draw(size_px)
    found = read(engine, page)
    assert error_rate(" ".join(line.text for line in found.lines), " ".join(page.lines)) <= most
    assert found.turn is None


def test_how_much_of_a_page_in_hindi_was_read_is_told(engine: TurningEngine) -> None:
    page = form(32)
    sight = read(engine, page).sight
    assert sight is not None
    assert sight.letters == pytest.approx(sum(len("".join(line.split())) for line in page.lines), rel=0.02)
    assert (sight.unread_lines, sight.scripts) == (0, ())
    assert sight.legibility is not None


def test_a_page_that_is_read_with_reason_is_not_tried_another_way_up(
    engine: TurningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(rapidocr, "find_turn", lambda *given: asked.append(given))
    assert read(engine, form(24, rows=8)).lines
    assert asked == []


@pytest.mark.pixels
def test_the_text_of_a_turned_page_in_hindi_is_that_of_the_upright_one(engine: TurningEngine) -> None:
    page = form(24, rows=8)
    lying = engine.read_turned(np.ascontiguousarray(np.rot90(np.asarray(page.image, np.uint8), 2)))
    assert lying.turn is not None
    assert lying.turn.degrees_clockwise == 180
    assert [line.text for line in lying.lines] == [line.text for line in read(engine, page).lines] != []
