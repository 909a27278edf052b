"""Pages of many kinds that lie on their side or on their head are turned by the real engine; pictures are not."""

import numpy as np
import pytest

from rythmiq_worker.engines import TurningEngine, rapidocr
from tests.data.turned_pages import KINDS, textless

# What every run of the tests tries; `make test-pixels` tries each kind of page in each quarter.
PAGES = ("one line", "stamps", "table", "Hindi", "ID card")
TRIED = {("ID card", 2)}
PIXELS = pytest.mark.pixels


@pytest.fixture(scope="module")
def engine() -> TurningEngine:
    """The default engine, in this process."""
    return rapidocr.load()


@pytest.mark.parametrize(
    ("kind", "quarters"),
    [
        pytest.param(kind, quarters, marks=() if (kind, quarters) in TRIED else PIXELS)
        for kind in PAGES
        for quarters in (1, 2, 3)
    ],
)
def test_a_turned_page_is_set_upright(engine: TurningEngine, kind: str, quarters: int) -> None:
    """np.rot90 turns anticlockwise, so the same number of clockwise quarters brings a page back."""
    lying = np.ascontiguousarray(np.rot90(np.asarray(KINDS[kind](5000), np.uint8), quarters))
    turn = engine.read_turned(lying).turn
    assert (0 if turn is None else turn.degrees_clockwise) == 90 * quarters


@pytest.mark.parametrize(
    "name",
    [
        "astronaut",
        "stripes",
        "blank",
        *(pytest.param(name, marks=PIXELS) for name in ("coffee", "brick", "horse", "noise")),
    ],
)
def test_a_picture_without_text_is_not_turned(engine: TurningEngine, name: str) -> None:
    assert engine.read_turned(textless()[name]).turn is None


def test_the_text_of_a_turned_page_is_that_of_the_upright_one(engine: TurningEngine) -> None:
    upright = np.asarray(KINDS["ID card"](5003), np.uint8)
    lying = np.ascontiguousarray(np.rot90(upright, 3))
    texts = [[line.text for line in engine.read_turned(pixels).lines] for pixels in (upright, lying)]
    assert texts[0] == texts[1] != []
