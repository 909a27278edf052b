"""Which way up a page lies: by the shape of its boxes and by what can be read, and never without proof."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.engines.layout import evidence, find_turn, hangs, is_plain, lies_along
from rythmiq_worker.engines.recognition import Reading, Turn

SURE, DOUBTFUL = Reading("Asha Sharma", 0.98), Reading("eweus", 0.4)
NOTHING = Reading("", 0.0)
BLANK_LINE = np.full((48, 300, 3), 250, np.uint8)


def quads(count: int, width: int, height: int) -> NDArray[np.float32]:
    """Boxes one below the other."""
    tops = [index * (height + 10) for index in range(count)]
    corners = [[(0, top), (width, top), (width, top + height), (0, top + height)] for top in tops]
    return np.array(corners, np.float32).reshape(-1, 4, 2)


ALONG, ACROSS = quads(4, 200, 30), quads(4, 30, 200)


def turn_of(
    boxes: NDArray[np.float32], said: Mapping[Turn, Reading], line: NDArray[np.uint8] = BLANK_LINE
) -> tuple[int, str] | None:
    """How a page would be turned whose lines read so when they are taken to stand one way or another."""

    def read_as(some: NDArray[np.float32], way: Turn) -> list[Reading]:
        return [said.get(way, NOTHING)] * len(some)

    turn = find_turn(boxes, read_as, lambda _quad, _way: line)
    return None if turn is None else (turn.degrees_clockwise, turn.decided_by)


@pytest.mark.parametrize(
    ("boxes", "way", "degrees"),
    [(ALONG, Turn.INVERTED, 180), (ACROSS, Turn.UPWARDS, 90), (ACROSS, Turn.DOWNWARDS, 270)],
)
def test_the_way_that_can_be_read_is_up(boxes: NDArray[np.float32], way: Turn, degrees: int) -> None:
    others = dict.fromkeys(Turn, DOUBTFUL)
    assert turn_of(boxes, {**others, way: SURE}) == (degrees, "reading")


def test_a_page_that_reads_as_it_lies_stays() -> None:
    assert turn_of(ALONG, {Turn.LEVEL: SURE, Turn.INVERTED: DOUBTFUL}) is None


@pytest.mark.parametrize("boxes", [ALONG, ACROSS])
def test_two_ways_that_read_alike_prove_nothing(boxes: NDArray[np.float32]) -> None:
    assert turn_of(boxes, dict.fromkeys(Turn, SURE)) is None


def test_short_words_that_are_read_both_ways_stand_as_they_are_surer() -> None:
    said = {Turn.LEVEL: Reading("Grrade", 0.85), Turn.INVERTED: Reading("Grade", 0.99)}
    assert turn_of(ALONG, said) == (180, "reading")
    assert turn_of(ALONG, {**said, Turn.LEVEL: Reading("Grade", 0.95)}) is None


def test_without_boxes_there_is_nothing_to_turn() -> None:
    assert turn_of(quads(0, 10, 10), dict.fromkeys(Turn, SURE)) is None


def test_a_lone_letter_seen_in_a_texture_is_no_text() -> None:
    """Small, square boxes, and in each one letter read surely upside down."""
    assert turn_of(quads(5, 30, 30), {Turn.INVERTED: Reading("H", 0.99)}) is None


def headline(share: float) -> NDArray[np.uint8]:
    """A line whose letters hang on a bar at a share of its height."""
    line = BLANK_LINE.copy()
    row = round(48 * share)
    line[row : row + 4] = 20
    for left in range(5, 295, 24):
        cv2.rectangle(line, (left, row), (left + 5, row + (24 if share < 0.5 else -24)), (20, 20, 20), -1)
    return line


@pytest.mark.parametrize(("share", "hung"), [(0.25, 1), (0.7, -1)])
def test_letters_hang_on_their_headline(share: float, hung: int) -> None:
    assert hangs(headline(share)) == hung


@pytest.mark.parametrize("line", [BLANK_LINE, 255 - BLANK_LINE, headline(0.46)], ids=["blank", "dark", "middle"])
def test_a_line_without_a_headline_says_nothing(line: NDArray[np.uint8]) -> None:
    assert hangs(line) == 0


def test_a_script_that_cannot_be_read_is_turned_by_its_headline() -> None:
    said = {Turn.LEVEL: Reading("ewrts", 0.5), Turn.INVERTED: Reading("wetsr", 0.5)}
    assert turn_of(ALONG, said, headline(0.7)) == (180, "headline")
    assert turn_of(ALONG, said, headline(0.25)) is None


def test_a_headline_does_not_win_against_what_is_read() -> None:
    said = {Turn.LEVEL: SURE, Turn.INVERTED: DOUBTFUL}
    assert turn_of(ALONG, said, headline(0.7)) is None


@pytest.mark.parametrize(
    ("boxes", "along"),
    [(ALONG, True), (ACROSS, False), (quads(3, 40, 40), True), (quads(0, 1, 1), True)],
    ids=["along", "across", "square", "none"],
)
def test_lines_across_the_page_are_told_by_their_boxes(boxes: NDArray[np.float32], *, along: bool) -> None:
    assert lies_along(boxes) is along


@pytest.mark.parametrize(
    ("readings", "plain"),
    [([SURE], True), ([SURE, DOUBTFUL], False), ([Reading("Asha", 0.99)], False), ([], False)],
    ids=["sure", "half of it doubtful", "few letters", "nothing"],
)
def test_what_reads_plainly_needs_no_second_reading(readings: Sequence[Reading], *, plain: bool) -> None:
    assert is_plain(readings) is plain


def test_more_letters_and_more_surety_weigh_more() -> None:
    assert evidence([SURE, SURE]) > evidence([SURE]) > evidence([DOUBTFUL]) > evidence([NOTHING]) == 0
