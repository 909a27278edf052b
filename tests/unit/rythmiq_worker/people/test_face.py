"""A face as facts: its box and roll move with its picture, and it is the subject or company."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq_worker.people.face import CHIN, FOREHEAD, Box, Face, rivals_of, subject_of
from rythmiq_worker.people.search import MESH_PX, Cut, cut_out

TURNS = st.floats(-179, 179)


def face_at(x: float, y: float, height: float = 100.0, score: float = 1.0) -> Face:
    """A level face whose box has this middle and about this height."""
    points = np.zeros((468, 3), np.float32)
    points[FOREHEAD, 1], points[CHIN, 1] = -0.5, 0.5
    points[0, 0], points[1, 0] = -0.4, 0.4
    points[[33, 133], :2], points[[362, 263], :2] = (-0.2, -0.1), (0.2, -0.1)
    points *= height / 1.19
    points[:, :2] += (x, y + 0.05 * height)
    return Face.of_points(points, score)


def turned(degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """The matrix of a turn clockwise about the upper left corner."""
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])


def test_a_box_goes_from_above_the_brows_to_the_chin() -> None:
    face = face_at(300, 200)
    assert face.box.centre == pytest.approx((300, 200), abs=1)
    assert face.box.height == pytest.approx(100, abs=0.2)
    assert face.box.y < face.points[FOREHEAD, 1]
    assert face.box.y + face.box.height > face.points[CHIN, 1]


@given(TURNS)
def test_roll_follows_a_turn_and_the_box_keeps_its_size(degrees: float) -> None:
    face = face_at(30, 20).moved(turned(degrees))
    assert abs((face.roll_deg - degrees + 180) % 360 - 180) <= 0.1
    assert face.box.height == pytest.approx(100, abs=0.5)
    assert face.box.centre == pytest.approx(tuple(turned(degrees)[:, :2] @ (30, 20)), abs=0.5)


@given(st.floats(0.1, 20))
def test_a_face_scales_with_its_picture(factor: float) -> None:
    scaled = face_at(300, 200).scaled(factor)
    assert scaled.box.height == pytest.approx(100 * factor, abs=0.2 * max(1, factor))
    assert scaled.roll_deg == 0


@pytest.mark.parametrize(
    ("quarters", "middle", "roll_deg"),
    [(0, (30, 20), 0), (1, (180, 30), 90), (2, (270, 180), 180), (3, (20, 270), -90), (5, (180, 30), 90)],
)
def test_a_face_turns_with_its_picture(quarters: int, middle: tuple[float, float], roll_deg: float) -> None:
    face = face_at(30, 20).turned(quarters, 300, 200)
    assert face.box.centre == pytest.approx(middle, abs=1)
    assert abs(face.roll_deg) == abs(roll_deg)
    assert face.turned(-quarters, *((200, 300) if quarters % 2 else (300, 200))).roll_deg == 0


def test_boxes_lie_on_a_grid_that_no_rounding_of_another_machine_moves() -> None:
    face, nudged = face_at(300, 200), face_at(300.0004, 200.0003)
    assert face.box == nudged.box
    assert (face.box.x * 16) % 1 == 0


def test_the_subject_is_the_largest_and_of_equals_the_most_central() -> None:
    large, central, small = face_at(100, 100, 100), face_at(240, 200, 98), face_at(250, 250, 96)
    assert subject_of((large, small), 500, 500) is large
    assert subject_of((large, central, small), 500, 500) is central


def test_a_larger_face_that_is_cut_is_the_subject() -> None:
    cut, whole = face_at(100, 100, 200, score=0.25), face_at(300, 300, 100, score=1)
    assert subject_of((cut, whole), 500, 500) is cut


def test_a_larger_face_that_the_mesh_hardly_sees_is_not_the_subject_unless_there_is_no_other() -> None:
    unsure, sure = face_at(100, 100, 200, score=0.24), face_at(300, 300, 100, score=0.5)
    assert subject_of((unsure, sure), 500, 500) is sure
    assert subject_of((unsure,), 500, 500) is unsure


@pytest.mark.parametrize(("height", "count"), [(49, 0), (51, 1)])
def test_a_second_face_of_half_the_height_is_a_rival(height: float, count: int) -> None:
    subject = face_at(100, 100, 100)
    assert len(rivals_of((subject, face_at(300, 300, height)), subject)) == count


@pytest.mark.parametrize(("x", "inside"), [(9.9, False), (10, True), (29.9, True), (30, False)])
def test_a_box_holds_the_points_between_its_edges(x: float, inside: bool) -> None:  # noqa: FBT001  a table of cases
    assert Box(10, 10, 20, 20).holds(x, 15) is inside


@given(st.floats(-180, 180), st.sampled_from([60.0, 192.0, 700.0]))
def test_a_point_of_a_cut_lies_where_its_matrix_says(roll_deg: float, side_px: float) -> None:
    rgb = np.zeros((800, 800, 3), np.uint8)
    angle, reach = np.radians(roll_deg), side_px / 4
    x, y = 400 + reach * np.cos(angle), 400 + reach * np.sin(angle)
    dot = max(3, round(side_px / 40))
    rgb[round(y) - dot : round(y) + dot, round(x) - dot : round(x) + dot] = 255
    crop, to_picture = cut_out(rgb, Cut(400, 400, side_px, roll_deg))
    rows, columns = np.nonzero(crop[..., 0] > 127)
    assert columns.mean() + 0.5 == pytest.approx(0.75 * MESH_PX, abs=2.5)
    assert rows.mean() + 0.5 == pytest.approx(0.5 * MESH_PX, abs=2.5)
    there = to_picture[:, :2] @ (columns.mean() + 0.5, rows.mean() + 0.5) + to_picture[:, 2]
    assert there == pytest.approx((round(x), round(y)), abs=max(1, side_px / 150))


def test_a_cut_beyond_the_picture_is_its_edge() -> None:
    crop, _ = cut_out(np.full((100, 100, 3), 7, np.uint8), Cut(500, -800, 900, 30))
    assert (crop == 7).all()


@pytest.mark.parametrize(
    ("other", "askew"),
    [
        (Cut(50, 50, 119, 0), False),
        (Cut(50, 50, 121, 0), True),
        (Cut(59, 50, 100, 0), False),
        (Cut(61, 50, 100, 0), True),
        (Cut(50, 50, 100, 7), False),
        (Cut(50, 50, 100, 9), True),
        (Cut(50, 50, 100, 359), False),
    ],
)
def test_a_cut_is_askew_from_a_fifth_of_its_side_a_tenth_of_shift_or_eight_degrees(other: Cut, askew: bool) -> None:  # noqa: FBT001  a table of cases
    assert Cut(50, 50, 100, 0).is_askew_of(other) is askew
