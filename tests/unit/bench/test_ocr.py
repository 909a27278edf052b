"""The benchmark's own arithmetic: edit distance and error rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.ocr import edit_distance, error_rate
from tests.bench.ocr_hard import calibration_error, distance_within

WORDS = st.text("ab é\n", max_size=40)


def by_table(text: str, other: str) -> int:
    """The distance by the textbook's table."""
    row = list(range(len(other) + 1))
    for place, character in enumerate(text, 1):
        corner, row[0] = row[0], place
        for column, wanted in enumerate(other, 1):
            corner, row[column] = (
                row[column],
                min(row[column] + 1, row[column - 1] + 1, corner + (character != wanted)),
            )
    return row[-1]


@given(WORDS, WORDS)
def test_the_fast_distance_is_the_textbook_one(text: str, other: str) -> None:
    assert edit_distance(text, other) == by_table(text, other)


def test_white_space_and_line_breaks_weigh_alike() -> None:
    assert error_rate("Roll  No.\n4471 ", "Roll No. 4471") == 0.0


def test_the_rate_is_per_character_of_the_truth() -> None:
    assert error_rate("abXd", "abcd") == 0.25
    assert error_rate("", "abcd") == 1.0
    assert error_rate("", "") == 0.0


@given(WORDS, WORDS, WORDS)
def test_a_text_within_another_is_no_further_than_the_whole(text: str, before: str, after: str) -> None:
    assert distance_within(text, before + text + after) == 0
    assert distance_within(text, before) <= edit_distance(text, before)


def test_a_confidence_that_is_the_share_of_right_letters_has_no_error() -> None:
    said = np.array([0.55, 0.75, 0.95])
    assert calibration_error(said, said, np.array([10.0, 4.0, 30.0])) == 0.0


def test_an_error_weighs_as_its_letters_do() -> None:
    said, right = np.array([0.95, 0.55]), np.array([0.95, 0.15])
    assert calibration_error(said, right, np.array([30.0, 10.0])) == pytest.approx(0.1)
