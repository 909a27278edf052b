"""Cutting lines out, grouping them by width, and decoding what the network says of them."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rythmiq_worker.engines.models import LINE_HEIGHT_PX
from rythmiq_worker.engines.recognition import (
    BATCH_WIDTH_PX,
    LONG_LINE_PX,
    MAX_LINE_WIDTH_PX,
    MIN_LINE_WIDTH_PX,
    Reading,
    Recogniser,
    Turn,
    batches,
    crop_line,
    decode,
    line_width,
    padded_width,
    pilots_of,
    squeeze_of,
    turns_of,
)

if TYPE_CHECKING:
    from rythmiq_worker.engines.models import Network

CHARACTERS = ("", "a", "b", "c", "ü", " ")
STEPS_A_PIXEL = 8


def quad_of(left: float, top: float, width: float, height: float) -> NDArray[np.float32]:
    right, bottom = left + width, top + height
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


class BrightnessReader:
    """A network whose every line says one letter: the brighter its first blue pixels, the later in the alphabet."""

    def __init__(self, dictionary: str = "a\nb\nc\nü") -> None:
        self.dictionary = dictionary
        self.shapes: list[tuple[int, ...]] = []

    def metadata(self, key: str) -> str:
        return {"character": self.dictionary}.get(key, "")

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(batch.shape)
        answer = np.zeros((len(batch), batch.shape[3] // STEPS_A_PIXEL, len(CHARACTERS)), np.float32)
        answer[:, :, 0] = 1
        for row, line in enumerate(batch):
            answer[row, 0] = 0
            answer[row, 0, 1 + int((line[0, :, :4].mean() + 1) * 1.5)] = 0.75
        return answer


@given(st.lists(st.integers(8, MAX_LINE_WIDTH_PX), max_size=80))
def test_every_line_is_in_one_batch_of_like_widths_within_the_bound(widths_px: list[int]) -> None:
    groups = batches(widths_px)
    assert sorted(itertools.chain.from_iterable(groups)) == list(range(len(widths_px)))
    for group in groups:
        narrowest_px, widest_px = widths_px[group[0]], widths_px[group[-1]]
        assert widest_px <= max(1.25 * narrowest_px, narrowest_px + 32)
        assert len(group) == 1 or padded_width(widest_px) * len(group) <= BATCH_WIDTH_PX


@given(
    text=st.text(st.sampled_from(CHARACTERS[1:]), min_size=1, max_size=30),
    stays=st.lists(st.integers(1, 4), min_size=30, max_size=30),
    gaps=st.lists(st.integers(0, 3), min_size=30, max_size=30),
)
def test_decoding_undoes_ctc(text: str, stays: list[int], gaps: list[int]) -> None:
    """Whatever a text's repeats and blanks, it is read back; a doubled letter needs a blank between."""
    path: list[int] = []
    for place, letter in enumerate(text):
        doubled = place > 0 and text[place - 1] == letter
        path += [0] * max(gaps[place], int(doubled)) + [CHARACTERS.index(letter)] * stays[place]
    reading = decode(np.eye(len(CHARACTERS), dtype=np.float32)[path] * 0.875, CHARACTERS)
    assert reading.text == text
    assert reading.confidence == 0.875


def test_confidence_is_the_mean_over_characters_not_over_steps() -> None:
    steps = np.zeros((4, len(CHARACTERS)), np.float32)
    steps[[0, 1, 2, 3], [0, 1, 1, 2]] = [0.99, 0.5, 0.9, 1.0]
    reading = decode(steps, CHARACTERS)
    assert reading.text == "ab"
    assert reading.confidence == 0.75


def test_blanks_alone_are_no_text_and_no_confidence() -> None:
    reading = decode(np.eye(len(CHARACTERS), dtype=np.float32)[[0, 0, 0]], CHARACTERS)
    assert (reading.text, reading.confidence) == ("", 0.0)


def test_a_crop_is_the_line_and_48_pixels_high() -> None:
    image = np.zeros((100, 400, 3), np.uint8)
    image[20:68, 50:300] = (10, 20, 30)
    line = crop_line(image, quad_of(50, 20, 250, 48))
    assert line.shape == (48, 250, 3)
    assert (line[:-1, :-1] == (10, 20, 30)).all()


def test_a_crop_may_be_lower_and_keeps_the_width_of_a_high_one() -> None:
    image = np.zeros((100, 400, 3), np.uint8)
    image[20:68, 50:300] = (10, 20, 30)
    line = crop_line(image, quad_of(50, 20, 250, 48), height_px=40)
    assert line.shape == (40, 250, 3)
    assert (line[:-1, :-1] == (10, 20, 30)).all()


def test_a_shrunk_crop_averages_and_does_not_skip() -> None:
    """One pixel in four is white: skipping would give stripes, averaging gives grey."""
    image = np.zeros((192, 800, 3), np.uint8)
    image[::2, ::2] = 255
    line = crop_line(image, quad_of(0, 0, 800, 192))
    assert line.shape == (48, 200, 3)
    assert abs(line[4:-4, 4:-4].astype(int) - 64).max() <= 1


@pytest.mark.parametrize(("turn", "begins"), [(Turn.UPWARDS, slice(250, 300)), (Turn.DOWNWARDS, slice(50))])
def test_text_that_stands_on_end_is_laid_level_from_where_it_begins(turn: Turn, begins: slice) -> None:
    image = np.zeros((300, 100, 3), np.uint8)
    image[begins, 20:68] = 255
    line = crop_line(image, quad_of(20, 0, 48, 300), turn)
    assert line.shape == (48, 300, 3)
    assert line[:, :45].mean() > 245
    assert line[:, 60:].mean() < 5


@given(angle=st.floats(-15, 15))
def test_a_leaning_line_comes_out_level(angle: float) -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    corners = cv2.boxPoints(((300, 200), (300, 60), angle))
    cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], (255, 255, 255))
    ordered = corners[[1, 2, 3, 0]].astype(np.float32)  # OpenCV begins at the bottom left
    line = crop_line(image, ordered)
    assert line[3:-3, 3:-3].min() > 200


def test_a_box_at_the_edge_repeats_the_edge() -> None:
    image = np.full((50, 200, 3), 90, np.uint8)
    assert (crop_line(image, quad_of(180, 30, 40, 40)) == 90).all()


def test_a_hairline_has_a_width_the_network_takes_and_a_ruler_has_a_bound() -> None:
    assert line_width(quad_of(5, 5, 0, 0)) == LINE_HEIGHT_PX
    assert line_width(quad_of(5, 5, 1, 900)) == MIN_LINE_WIDTH_PX
    assert line_width(quad_of(0, 0, 4000, 4)) == MAX_LINE_WIDTH_PX


def test_readings_come_in_the_order_of_the_boxes_whatever_the_batches() -> None:
    image = np.zeros((400, 900, 3), np.uint8)
    quads = np.array([quad_of(0, 0, 800, 48), quad_of(0, 100, 100, 48), quad_of(0, 200, 400, 48)])
    for top, blue in ((0, 250), (100, 10), (200, 125)):
        image[top : top + 48, :, 2] = blue
    reader = BrightnessReader()
    readings = Recogniser(cast("Network", reader)).read(image, quads)
    assert [reading.text for reading in readings] == ["c", "a", "b"]
    assert [reading.confidence for reading in readings] == [0.75] * 3
    assert sorted(shape[3] for shape in reader.shapes) == [128, 416, 800]


@pytest.mark.parametrize(
    ("size", "turns"),
    [
        ((300, 48), {Turn.LEVEL}),
        ((48, 60), {Turn.LEVEL}),
        ((24, 48), {Turn.LEVEL, Turn.DOWNWARDS, Turn.UPWARDS}),
        ((48, 300), {Turn.DOWNWARDS, Turn.UPWARDS}),
    ],
)
def test_a_box_on_end_is_tried_every_way_that_text_may_stand_in_it(size: tuple[int, int], turns: set[Turn]) -> None:
    assert set(turns_of(quad_of(0, 0, *size))) == turns


def test_of_the_ways_text_may_stand_the_surest_is_kept() -> None:
    """The network is sure of bright beginnings only, and this text begins, bright, at the bottom of its box."""

    class SureOfLight(BrightnessReader):
        def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
            answer = super().run(batch)
            return answer * np.where(answer[:, :1, 1:2] > 0, 0.5, 1)

    image = np.zeros((400, 100, 3), np.uint8)
    image[350:, :, 2] = 250
    quads = np.array([quad_of(20, 0, 48, 400)])
    assert [reading.text for reading in Recogniser(cast("Network", SureOfLight())).read(image, quads)] == ["c"]


def test_no_boxes_no_readings() -> None:
    recogniser = Recogniser(cast("Network", BrightnessReader()))
    assert recogniser.read(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 4, 2), np.float32)) == []


def test_a_model_without_a_dictionary_is_refused() -> None:
    with pytest.raises(ValueError, match="no dictionary"):
        Recogniser(cast("Network", BrightnessReader("")))


@pytest.mark.parametrize(
    ("second", "squeeze"),
    [
        pytest.param(Reading("a" * 40, 1.0), 0.65, id="wide letters"),
        pytest.param(Reading("a" * 64, 1.0), 0.832, id="middling letters"),
        pytest.param(Reading("a" * 90, 1.0), 1.0, id="narrow letters"),
        pytest.param(Reading("a" * 40, 0.9), 1.0, id="read with doubt"),
    ],
)
def test_a_page_is_squeezed_as_far_as_its_narrowest_letters_and_its_surety_allow(
    second: Reading, squeeze: float
) -> None:
    assert squeeze_of([1600, 1000], [Reading("a" * 80, 1.0), second]) == pytest.approx(squeeze)


def test_without_pilots_nothing_is_squeezed() -> None:
    assert squeeze_of([], []) == 1.0


@given(st.lists(st.integers(8, 3200), max_size=50))
def test_pilots_are_at_most_three_long_lines_and_the_widest_is_one(widths_px: list[int]) -> None:
    pilots = pilots_of(widths_px)
    long_lines = [width_px for width_px in widths_px if width_px > LONG_LINE_PX]
    assert len(pilots) <= 3
    assert bool(pilots) == bool(long_lines)
    assert not pilots or max(widths_px[index] for index in pilots) == max(long_lines)


class FussyReader(BrightnessReader):
    """A network that is unsure of dark lines narrower than 950 pixels, and sure of all else."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answer = np.minimum(super().run(batch) * 4, 1)
        for row, line in enumerate(batch):
            if batch.shape[3] < 950 and line[0, 0, 0] < -0.5:
                answer[row] *= 0.8
        return answer


class DoubtfulReader(BrightnessReader):
    """A network that is unsure of dark lines, and sure of all else."""

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        answer = np.minimum(super().run(batch) * 4, 1)
        answer[[line[0, 0, 0] < -0.5 for line in batch]] *= 0.8
        return answer


def test_long_lines_are_squeezed_and_the_doubtful_ones_read_again_as_they_are() -> None:
    """Eight long lines: three pilots as they are, five squeezed, and the one dark line of those once more as it is."""
    image = np.full((500, 1000, 3), 250, np.uint8)
    quads = np.array([quad_of(0, 60 * row, 1000, 48) for row in range(8)])
    image[:40] = 0
    reader = FussyReader()
    readings = Recogniser(cast("Network", reader)).read(image, quads)
    widths = [shape[3] for shape in reader.shapes for _ in range(shape[0])]
    assert sorted(widths) == [608] * 5 + [1024] * 4
    assert [reading.text for reading in readings] == ["a"] + ["c"] * 7
    assert min(reading.confidence for reading in readings) == 1.0


@pytest.mark.parametrize(("brightness", "asked"), [(250, []), (0, [[7]])], ids=["sure", "in doubt"])
def test_boxes_are_left_to_others_only_where_a_long_line_is_read_with_doubt(
    brightness: int, asked: list[list[int]]
) -> None:
    """Of eight long lines the last is a pilot; where it is dark, it and the sixth are read elsewhere and blank here."""
    image = np.full((500, 940, 3), 250, np.uint8)
    image[420:] = brightness
    quads = np.array([quad_of(0, 60 * row, 940, 48) for row in range(8)])
    told: list[list[int]] = []

    def leave(doubtful: Sequence[int]) -> set[int]:
        told.append(list(doubtful))
        return {5, 7}

    readings = Recogniser(cast("Network", DoubtfulReader())).read(image, quads, leave)
    assert told == asked
    assert [line for line, reading in enumerate(readings) if not reading.text] == ([5, 7] if asked else [])
