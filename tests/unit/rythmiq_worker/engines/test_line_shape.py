"""Bent lines: which outlines are one, where they run, and that they come out level."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rythmiq_worker.engines.detection import UNCLIP_RATIO, boxes_of
from rythmiq_worker.engines.line_shape import STATIONS, course_of, crop_course, size_of
from rythmiq_worker.engines.models import LINE_HEIGHT_PX
from rythmiq_worker.engines.recognition import Turn, crop_line, line_width, turns_of

WIDTH_PX, HEIGHT_PX, THICK_PX = 900, 300, 16


def arched_map(sag_px: float, lines: int = 1, bridge: float = 0) -> NDArray[np.float32]:
    """A map of 300 x 900 with arcs from x 100 to 800 that rise by a sag in their middle."""
    probability = np.zeros((HEIGHT_PX, WIDTH_PX), np.float32)
    for line in range(lines):
        for x in range(100, 800):
            centre = 120 + 40 * line - sag_px * (1 - ((x - 450) / 350) ** 2)
            top = round(centre - THICK_PX / 2)
            probability[top : top + THICK_PX, x] = 1
    probability[100:200, 440:450] = np.maximum(probability[100:200, 440:450], bridge)
    return probability


def outline_of(probability: NDArray[np.float32]) -> NDArray[np.int32]:
    contours, _ = cv2.findContours((probability > 0.3).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(contours[0], np.int32)


@given(sag_px=st.floats(8, 60))
def test_a_course_follows_the_line_to_a_fifth_of_its_height(sag_px: float) -> None:
    course = course_of(outline_of(arched_map(sag_px)), UNCLIP_RATIO)
    assert course is not None
    middle = course.edges.mean(axis=1)
    inside = (middle[:, 0] > 100) & (middle[:, 0] < 800)
    wanted = 120 - sag_px * (1 - ((middle[inside, 0] - 450) / 350) ** 2)
    np.testing.assert_allclose(middle[inside, 1], wanted, atol=THICK_PX / 5)


@given(sag_px=st.floats(8, 60))
def test_a_course_is_as_high_as_a_straight_box_would_be(sag_px: float) -> None:
    course = course_of(outline_of(arched_map(sag_px)), UNCLIP_RATIO)
    assert course is not None
    assert course.height_px == pytest.approx(THICK_PX, abs=2)
    grown = UNCLIP_RATIO * 700 * THICK_PX / (700 + THICK_PX)
    assert size_of(course.edges)[1] == pytest.approx(THICK_PX + grown, abs=4)


@pytest.mark.parametrize(("sag_px", "bent"), [(0, 0), (2, 0), (8, 1)])
def test_a_line_that_hardly_bends_keeps_its_rectangle(sag_px: float, bent: int) -> None:
    quads, heights, courses = boxes_of(arched_map(sag_px))
    assert len(quads) == len(heights) == 1
    assert len(courses) == bent


def test_a_bent_line_whose_rectangle_is_mostly_paper_is_not_lost() -> None:
    probability = arched_map(60)
    rectangle = cv2.boxPoints(cv2.minAreaRect(outline_of(probability)))
    inside = np.zeros(probability.shape, np.uint8)
    cv2.fillPoly(inside, [rectangle.astype(np.int32)], 1)
    assert cv2.mean(probability, inside)[0] < 0.5
    assert len(boxes_of(probability)[2]) == 1


def test_bent_lines_that_touch_where_the_network_doubts_are_told_apart() -> None:
    quads, _, courses = boxes_of(arched_map(40, lines=3, bridge=0.45))
    assert len(quads) == len(courses) == 3


def test_a_line_on_end_has_no_course() -> None:
    assert course_of(outline_of(np.ascontiguousarray(arched_map(40).T)), UNCLIP_RATIO) is None


def test_a_course_is_read_level_and_as_wide_as_the_line_is_long() -> None:
    course = course_of(outline_of(arched_map(40)), UNCLIP_RATIO)
    assert course is not None
    assert course.edges.shape == (STATIONS, 2, 2)
    assert turns_of(course.edges) == (Turn.LEVEL,)
    length_px, height_px = size_of(course.edges)
    assert line_width(course.edges) == pytest.approx(LINE_HEIGHT_PX * length_px / height_px, abs=2)


def test_a_bent_line_comes_out_straight_and_full_length() -> None:
    probability = arched_map(40)
    course = course_of(outline_of(probability), UNCLIP_RATIO)
    assert course is not None
    picture = np.repeat((255 * (1 - probability)).astype(np.uint8)[:, :, None], 3, axis=2)
    line = crop_line(picture, course.edges)
    ink = line[:, :, 0] < 128
    rows = np.flatnonzero(ink.mean(axis=1) > 0.9)
    middles = [np.flatnonzero(column).mean() for column in ink.T if column.any()]
    assert rows.size
    assert np.ptp(np.quantile(middles, (0.03, 0.97))) < 0.08 * LINE_HEIGHT_PX
    assert ink.any(axis=0).mean() > 0.9


def test_a_course_that_leaves_the_picture_is_filled_with_its_border() -> None:
    edges = np.zeros((STATIONS, 2, 2), np.float32)
    edges[:, :, 0] = np.linspace(-20, 120, STATIONS)[:, None]
    edges[:, 0, 1], edges[:, 1, 1] = -8, 12
    line = crop_course(np.full((40, 100, 3), 77, np.uint8), edges, 140, 48)
    assert line.shape == (48, 140, 3)
    assert (line == 77).all()
