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
