"""Columns of prose one after the other, else rows from the top, also on a page that leans."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rythmiq_worker.engines.layout import lean_of, reading_order


def box(left: float, top: float, width: float, height: float = 20) -> list[list[float]]:
    return [[left, top], [left + width, top], [left + width, top + height], [left, top + height]]


def leaned(quads: NDArray[np.float64], degrees: float) -> NDArray[np.float32]:
    turn = math.radians(degrees)
    matrix = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return np.asarray(quads @ matrix, np.float32)


@given(
    degrees=st.floats(-12, 12),
    columns=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    jitter=st.lists(st.floats(-5, 5), min_size=32, max_size=32),
    shuffle=st.randoms(use_true_random=False),
)
def test_a_leaning_table_is_read_row_by_row(
    degrees: float, columns: list[int], jitter: list[float], shuffle: "np.random.RandomState"
) -> None:
    cells = [
        box(column * 220, row * 34 + jitter[(row * 4 + column) % 32], 180)
        for row, count in enumerate(columns)
        for column in range(count)
    ]
    places = list(range(len(cells)))
    shuffle.shuffle(places)
    quads = leaned(np.array([cells[place] for place in places]), degrees)
    assert [places[index] for index in reading_order(quads)] == list(range(len(cells)))


@given(st.lists(st.tuples(*[st.floats(0, 4000, width=32)] * 8), max_size=40))
def test_any_boxes_are_each_read_once(corners: list[tuple[float, ...]]) -> None:
    quads = np.array(corners, np.float32).reshape(-1, 4, 2)
    assert sorted(reading_order(quads)) == list(range(len(quads)))


def test_a_row_may_bend() -> None:
    """A page that bulges towards the camera: its lines are arcs, and each is one row."""
    arcs = [box(x, 34 * row + 25 * math.sin(math.pi * x / 900), 80) for row in range(5) for x in range(0, 900, 90)]
    assert reading_order(np.array(arcs, np.float32)) == list(range(50))


def test_a_large_heading_does_not_swallow_the_rows_beside_it() -> None:
    quads = np.array([box(0, 0, 200, 90), box(300, 5, 150), box(300, 40, 150), box(300, 70, 150), box(0, 120, 150)])
    order = reading_order(quads.astype(np.float32))
    assert [index for index in order if index in {1, 2, 3}] == [1, 2, 3]
    assert order[-1] == 4


@pytest.mark.parametrize("degrees", [-10.0, -1.0, 0.0, 3.0, 12.0])
def test_the_lean_is_measured_on_long_lines_only(degrees: float) -> None:
    quads = leaned(np.array([box(0, 0, 300), box(0, 60, 280), box(0, 120, 10)]), degrees)
    assert lean_of(quads) == pytest.approx(math.tan(math.radians(degrees)), abs=1e-4)


def test_text_that_runs_upwards_tells_no_lean() -> None:
    assert lean_of(leaned(np.array([box(0, 0, 300), box(0, 60, 300)]), 90)) == 0.0


def test_an_empty_page_has_an_empty_order() -> None:
    assert reading_order(np.zeros((0, 4, 2), np.float32)) == []


def prose(left: float, top: float, lines: int, width: float = 500) -> list[list[list[float]]]:
    """A column of running text: lines of nearly the same length, the last one short."""
    lengths = [width - 17 * (line * 7 % 4) for line in range(lines - 1)] + [width / 3]
    return [box(left, top + 32 * line, length) for line, length in enumerate(lengths)]


@pytest.mark.parametrize("degrees", [-6, 0, 6])
@pytest.mark.parametrize("offset", [0, 16])
def test_columns_of_prose_are_read_one_after_the_other(degrees: float, offset: float) -> None:
    heading, footer = box(0, 0, 1040, 30), box(0, 600, 700)
    quads = leaned(np.array([heading, *prose(0, 60, 12), *prose(540, 60 + offset, 12), footer]), degrees)
    assert reading_order(quads) == list(range(26))


def test_three_columns_are_read_from_left_to_right() -> None:
    quads = np.array([*prose(0, 0, 8, 400), *prose(440, 0, 8, 400), *prose(880, 0, 8, 400)], np.float32)
    assert reading_order(quads) == list(range(24))


def test_a_list_of_labels_and_values_is_read_by_rows() -> None:
    lengths = [(180, 300), (90, 420), (240, 200), (120, 350), (200, 500), (60, 260)]
    cells = [
        cell
        for row, (label, value) in enumerate(lengths)
        for cell in (box(0, row * 40, label), box(300, row * 40, value))
    ]
    assert reading_order(np.array(cells, np.float32)) == list(range(12))


def test_a_few_long_cells_side_by_side_are_no_columns() -> None:
    cells = [cell for row in range(3) for cell in (box(0, row * 40, 480), box(540, row * 40, 480))]
    assert reading_order(np.array(cells, np.float32)) == list(range(6))
