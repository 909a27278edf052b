"""The benchmark's own arithmetic: edit distance and error rate."""

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.ocr import edit_distance, error_rate

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
