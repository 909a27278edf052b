"""From a probability map to boxes, and from a large picture to strips and back."""

import math
from typing import cast

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rythmiq_worker.engines.detection import (
    MAX_BOXES,
    MAX_TILE_PIXELS,
    MIN_SHORT_SIDE_PX,
    TILE_MARGIN_PX,
    boxes_of,
    clockwise,
    detect,
    detector_scale,
    on_stride,
    probability_map,
    tiles,
)
from rythmiq_worker.engines.models import Network

SIDES = st.integers(1, 60).map(lambda count: count * 32)


class RedChannel:
    """A network that calls red probable, and remembers what it was fed."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        return np.asarray((batch[:, 2:] + 1) / 2, np.float32)  # BGR


def network() -> Network:
    return cast("Network", RedChannel())


def rectangle_map(centre: tuple[float, float], size: tuple[float, float], angle: float) -> NDArray[np.float32]:
    """A map of 320 x 480 on which one rectangle is certain."""
    probability = np.zeros((320, 480), np.float32)
    cv2.fillPoly(probability, [np.rint(cv2.boxPoints((centre, size, angle))).astype(np.int32)], 1.0)
    return probability


@given(width_px=SIDES, height_px=SIDES)
def test_strips_answer_for_every_row_exactly_once(width_px: int, height_px: int) -> None:
    cut = list(tiles(width_px, height_px))
    assert [row for *_, start, end in cut for row in range(start, end)] == list(range(height_px))


@given(width_px=SIDES, height_px=SIDES)
def test_strips_are_alike_in_bounds_and_know_what_is_beside_their_core(width_px: int, height_px: int) -> None:
    cut = list(tiles(width_px, height_px))
    assert len({end - start for start, end, *_ in cut}) == 1
    for start, end, core_start, core_end in cut:
        assert 0 <= start <= core_start < core_end <= end <= height_px
        assert (end - start) % 32 == 0
        assert start == 0 or core_start - start >= TILE_MARGIN_PX
        assert end == height_px or end - core_end >= TILE_MARGIN_PX


@given(
    long_px=st.integers(1000, 20_000), short_px=st.integers(200, 20_000), bound_px=st.sampled_from([1280, 1440, 1920])
)
def test_no_strip_of_a_bounded_picture_is_larger_than_the_first_look(
    long_px: int, short_px: int, bound_px: int
) -> None:
    scale = detector_scale(long_px, short_px, bound_px)
    for width_px, height_px in ((long_px, short_px), (short_px, long_px)):
        size = on_stride(width_px * scale), on_stride(height_px * scale)
        assert max((end - start) * size[0] for start, end, *_ in tiles(*size)) <= MAX_TILE_PIXELS


def test_the_map_of_strips_is_the_map_of_the_whole() -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (1440, 1920, 3), np.uint8)
    red = RedChannel()
    found = probability_map(cast("Network", red), pixels)
    assert len(red.shapes) > 1
    np.testing.assert_allclose(found, pixels[:, :, 0] / 255, atol=1e-6)


def test_a_strip_without_text_in_an_earlier_look_is_not_looked_at_again() -> None:
    """The network sees text everywhere on plain paper, so it is not asked about it."""
    image = np.full((1440, 1920, 3), 255, np.uint8)
    red = RedChannel()
    near = np.array([[[100, 40], [300, 40], [300, 60], [100, 60]]], np.float32)
    found = detect(cast("Network", red), image, 1920, near)
    assert len(red.shapes) == 1
    assert found.quads[:, :, 1].max() < 900  # a third of the height, grown


def test_text_is_kept_however_many_dots_there_are() -> None:
    """Dirt below a line of text comes first in the search for contours."""
    probability = np.zeros((640, 960), np.float32)
    probability[200:640:6, ::6] = 1
    probability[200:640:6, 1::6] = 1
    probability[201:640:6, ::6] = 1
    probability[201:640:6, 1::6] = 1
    probability[100:120, 100:500] = 1
    quads, _, _ = boxes_of(probability)
    assert len(quads) <= MAX_BOXES
    np.testing.assert_allclose(quads[0].mean(axis=0), (300, 110), atol=2)


@pytest.mark.parametrize(
    ("size", "scale"),
    [
        ((4000, 3000), 0.32),
        ((3000, 4000), 0.32),
        ((1280, 960), 1.0),
        ((1000, 800), 1.0),
        ((600, 400), MIN_SHORT_SIDE_PX / 400),
        ((600, 40), 1280 / 600),
    ],
)
def test_a_large_picture_is_shrunk_and_a_small_one_enlarged_within_the_bound(
    size: tuple[int, int], scale: float
) -> None:
    assert detector_scale(*size, 1280) == pytest.approx(scale)


@given(angle=st.floats(-20, 20), width=st.integers(60, 240), height=st.integers(12, 40))
def test_a_box_stands_where_the_text_is_grown_by_area_over_perimeter(angle: float, width: int, height: int) -> None:
    quads, heights, _ = boxes_of(rectangle_map((240, 160), (width, height), angle))
    assert len(quads) == 1
    np.testing.assert_allclose(quads[0].mean(axis=0), (240, 160), atol=2)
    grown = 1.6 * width * height / (width + height)
    top, left = quads[0][1] - quads[0][0], quads[0][3] - quads[0][0]
    assert math.hypot(*top) == pytest.approx(width + grown, abs=7)
    assert math.hypot(*left) == pytest.approx(height + grown, abs=7)
    assert math.degrees(math.atan2(top[1], top[0])) == pytest.approx(angle, abs=3)
    assert heights[0] == pytest.approx(height, abs=3)


@pytest.mark.parametrize("probability", [0.2, 0.45])
def test_what_is_hardly_probable_is_no_box(probability: float) -> None:
    quads, heights, _ = boxes_of(rectangle_map((240, 160), (200, 30), 0) * probability)
    assert quads.shape == (0, 4, 2)
    assert heights.shape == (0,)


def test_a_speck_is_no_box() -> None:
    assert len(boxes_of(rectangle_map((240, 160), (1, 1), 0))[0]) == 0


@given(st.permutations([(10.0, 10.0), (90.0, 14.0), (88.0, 40.0), (8.0, 36.0)]))
def test_corners_run_clockwise_from_top_left_however_they_come(corners: list[tuple[float, float]]) -> None:
    ordered = clockwise(np.array(corners, np.float32))
    assert ordered.tolist() == [[10, 10], [90, 14], [88, 40], [8, 36]]


def test_boxes_are_told_in_pixels_of_the_picture() -> None:
    image = np.zeros((2400, 3200, 3), np.uint8)
    image[1200:1300, 800:2400, 0] = 255
    found = detect(network(), image, 1280)
    assert found.scale == pytest.approx(0.4)
    assert found.heights_px[0] == pytest.approx(40, abs=2)
    np.testing.assert_allclose(found.quads[0].mean(axis=0), (1600, 1250), atol=4)


def test_no_box_leaves_the_picture() -> None:
    image = np.full((300, 700, 3), 255, np.uint8)
    quads = detect(network(), image, 1280).quads
    assert quads.tolist() == [[[0, 0], [700, 0], [700, 300], [0, 300]]]
