"""What ENHANCE and the turn by text do for reading, on a few spoilt pages.

`make bench` takes every one.
"""

import pytest

from rythmiq_worker.engines import TurningEngine, rapidocr
from tests.bench.enhance import MOST_HARM, RAISED_TO, read_both
from tests.data.page_defects import DEFECTS, Defect, pages

pytestmark = pytest.mark.pixels
# A defect, a page, and the level at which a tenth of the page's letters are misread.
HURT = (
    ("hard shadow", "marksheet", 0.95),
    ("rotation on white", "admit card", 50),
    ("rotation on a desk", "licence", 50),
    ("perspective", "ID card", 0.9),
    ("dark noise", "admit card", 0.08),
)
# What nothing mends, or what does not hurt.
LEFT = (
    ("nothing", "licence", 0),
    ("shadow", "marksheet", 0.75),
    ("blur", "ID card", 3.5),
    ("JPEG", "admit card", 4),
    ("noise", "ID card", 60),
    ("low contrast", "licence", 0.1),
)


@pytest.fixture(scope="module")
def engine() -> TurningEngine:
    """The default engine, in this process."""
    return rapidocr.load()


@pytest.mark.parametrize(("defect", "page", "level"), HURT)
def test_a_page_that_can_hardly_be_read_is_mended(defect: str, page: str, level: float, engine: TurningEngine) -> None:
    read = read_both(engine, page, pages()[page], _defect(defect), level)
    assert read.raw >= RAISED_TO
    assert read.as_mended, str(read)


@pytest.mark.parametrize(("defect", "page", "level"), LEFT)
def test_a_page_is_never_read_worse_for_it(defect: str, page: str, level: float, engine: TurningEngine) -> None:
    read = read_both(engine, page, pages()[page], _defect(defect), level)
    assert read.mended <= read.raw + MOST_HARM, str(read)


def _defect(name: str) -> Defect:
    return next(defect for defect in DEFECTS if defect.name == name)
