"""How much of a page was read: what counts as read, as missed, as cut, and what is no text at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.engines import TextSight
from rythmiq_worker.engines.recognition import Reading
from rythmiq_worker.engines.tesseract import sight_of


def box(left: float, top: float, width: float, height: float = 20) -> NDArray[np.float32]:
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


READ = Reading("twenty letters stand here", 0.9)
UNREAD = Reading("", 0.0)
SIZE = (400, 300)


def test_what_was_read_counts_by_letters_and_confidence() -> None:
    found = sight_of([box(50, 50, 200)], [READ], [0], SIZE, ())
    assert (found.letters, found.missed, found.unread_lines) == (22, 0, 0)
    assert found.legibility == pytest.approx(0.9)
    assert found.completeness == 1


def test_a_line_that_was_not_read_counts_by_its_length() -> None:
    found = sight_of([box(50, 50, 200), box(50, 90, 100)], [READ, UNREAD], [0], SIZE, ())
    assert found.missed == pytest.approx(11)
    assert found.unread_lines == 1
    assert found.completeness == pytest.approx(2 / 3, abs=0.001)
    assert found.legibility == pytest.approx(0.6, abs=0.001)


@pytest.mark.parametrize(
    "place", [pytest.param(box(50, 90, 25), id="a mark"), pytest.param(box(50, 90, 200, 70), id="a picture")]
)
def test_what_is_not_like_a_line_of_this_page_is_not_missed(place: NDArray[np.float32]) -> None:
    assert sight_of([box(50, 50, 200), place], [READ, UNREAD], [0], SIZE, ()).missed == 0


@pytest.mark.parametrize(("left", "cut"), [(0, 1), (2, 1), (6, 0), (198, 1), (190, 0)])
def test_a_line_that_runs_into_the_border_is_cut(left: float, cut: int) -> None:
    assert sight_of([box(left, 50, 200)], [READ], [0], SIZE, ()).cut_lines == cut


def test_a_page_without_text_has_neither_share() -> None:
    found = sight_of([], [], [], SIZE, ())
    assert found == TextSight()
    assert (found.completeness, found.legibility) == (None, None)


def test_a_page_in_a_script_that_is_not_read_has_no_legibility() -> None:
    assert sight_of([box(50, 50, 200)], [READ], [0], SIZE, ("Devanagari",)).legibility is None
