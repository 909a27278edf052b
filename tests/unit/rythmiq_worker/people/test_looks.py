"""How a person looks into the camera: the astronaut as she is, turned, tampered with, and each threshold's sides."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.people import Bounds
from rythmiq_worker.people.face import LEFT_EYE_RING, OVAL, RIGHT_EYE_RING, Face, closeup
from rythmiq_worker.people.looks import (
    COLOUR,
    DARK_GLASSES,
    EYES_OPEN,
    MOUTH_OPEN,
    PITCH_DEG,
    ROLL_DEG,
    YAW_DEG,
    Look,
    look_of,
)
from rythmiq_worker.people.search import find_faces
from tests.support.people import astronaut_rgb, needs_networks, turned_about_face

Pixels = NDArray[np.uint8]
_STRAIGHT = Look(0.0, 0.0, 0.0, eyes_open=0.5, mouth_open=0.0, dark_glasses=0.0, chroma=20.0)


def _astronaut() -> tuple[Pixels, Face]:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    return rgb, face


@needs_networks
def test_the_astronaut_looks_straight_with_open_eyes_and_no_glasses_in_colour() -> None:
    look = look_of(*_astronaut())
    assert {look.roll, look.pose, look.eyes, look.glasses, look.colour} == {"pass"}
    assert abs(look.yaw_deg) < 12
    assert abs(look.pitch_deg) < 15


@needs_networks
def test_her_smile_is_no_open_mouth() -> None:
    assert look_of(*_astronaut()).mouth == "pass"


@needs_networks
def test_a_turned_picture_changes_roll_alone() -> None:
    straight = look_of(*_astronaut())
    rgb, _ = turned_about_face(20)
    (face,) = find_faces(rgb)
    leaning = look_of(rgb, face)
    assert leaning.roll_deg - straight.roll_deg == pytest.approx(20, abs=3)
    assert leaning.roll == "fail"
    assert leaning.yaw_deg == pytest.approx(straight.yaw_deg, abs=5)
    assert leaning.pitch_deg == pytest.approx(straight.pitch_deg, abs=6)
    assert leaning.dark_glasses == pytest.approx(straight.dark_glasses, abs=0.1)


@needs_networks
def test_a_mirrored_picture_turns_the_head_the_other_way() -> None:
    straight = look_of(*_astronaut())
    rgb = np.ascontiguousarray(astronaut_rgb()[:, ::-1])
    face = find_faces(rgb)[0]
    assert look_of(rgb, face).yaw_deg == pytest.approx(-straight.yaw_deg, abs=6)


@needs_networks
def test_a_black_and_white_picture_has_no_colour() -> None:
    rgb, face = _astronaut()
    gray = np.repeat(np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)[..., None], 3, axis=2)
    assert look_of(gray, face).colour == "fail"


@needs_networks
def test_black_before_both_eyes_is_dark_glasses_and_says_nothing_of_the_eyes() -> None:
    rgb, face = _astronaut()
    look = look_of(_painted(rgb, face, (LEFT_EYE_RING, RIGHT_EYE_RING), (1.5, 4.0), (12, 12, 14)), face)
    assert look.glasses == "fail"
    assert look.eyes is None


@needs_networks
def test_one_dark_eye_is_a_shadow_and_no_glasses() -> None:
    rgb, face = _astronaut()
    assert look_of(_painted(rgb, face, (LEFT_EYE_RING,), (1.5, 4.0), (12, 12, 14)), face).glasses == "pass"


@needs_networks
def test_lids_over_both_eyes_are_closed_eyes() -> None:
    rgb, face = _astronaut()
    closed = _painted(rgb, face, (LEFT_EYE_RING, RIGHT_EYE_RING), (1.2, 1.8), (214, 160, 140))
    for ring in (LEFT_EYE_RING, RIGHT_EYE_RING):  # the lashes, along the lower lid
        low = np.rint(face.points[list(ring[:9]), :2]).astype(np.int32)
        cv2.polylines(closed, [low], isClosed=False, color=(60, 35, 30), thickness=1)
    assert look_of(closed, face).eyes in {"advice", "fail"}


@needs_networks
def test_a_gap_between_the_lips_is_an_open_mouth() -> None:
    rgb, face = _astronaut()
    points = face.points.copy()
    width = float(np.hypot(*(points[291, :2] - points[61, :2])))
    points[14, :2] = points[13, :2] + (0, 0.5 * width)
    assert look_of(rgb, replace(face, points=points)).mouth == "fail"


@needs_networks
def test_a_head_turned_in_space_is_not_frontal() -> None:
    rgb, face = _astronaut()
    middle = face.points.mean(axis=0)
    angle = np.radians(35)
    about_height = np.array(((np.cos(angle), 0, np.sin(angle)), (0, 1, 0), (-np.sin(angle), 0, np.cos(angle))))
    about_width = np.array(((1, 0, 0), (0, np.cos(angle), np.sin(angle)), (0, -np.sin(angle), np.cos(angle))))
    for turn in (about_height, about_height.T, about_width, about_width.T):
        points = ((face.points - middle) @ turn.T + middle).astype(np.float32)
        assert look_of(rgb, Face.of_points(points, face.score)).pose == "fail"


@pytest.mark.parametrize(
    ("field", "grade", "bounds"),
    [
        ("roll_deg", "roll", ROLL_DEG),
        ("yaw_deg", "pose", YAW_DEG),
        ("pitch_deg", "pose", PITCH_DEG),
        ("eyes_open", "eyes", EYES_OPEN),
        ("mouth_open", "mouth", MOUTH_OPEN),
        ("dark_glasses", "glasses", DARK_GLASSES),
        ("chroma", "colour", COLOUR),
    ],
)
def test_each_measure_has_a_side_that_passes_and_one_that_fails(field: str, grade: str, bounds: Bounds) -> None:
    def graded(value: float) -> str:
        found: str = getattr(_STRAIGHT._replace(**{field: value}), grade)
        return found

    assert graded(bounds.passes) == "pass"
    assert graded((bounds.passes + bounds.fails) / 2) == "advice"
    assert graded(bounds.fails) == "fail"


def test_left_and_right_and_up_and_down_are_judged_alike() -> None:
    for field in ("roll_deg", "yaw_deg", "pitch_deg"):
        grades = {
            getattr(_STRAIGHT._replace(**{field: value}), "roll" if field == "roll_deg" else "pose")
            for value in (-60.0, 60.0)
        }
        assert grades == {"fail"}


@needs_networks
def test_a_closeup_is_level_and_of_the_size_that_was_asked_for() -> None:
    rgb, _ = turned_about_face(25)
    (face,) = find_faces(rgb)
    near = closeup(rgb, face, 100)
    forehead, chin = near.points[10], near.points[152]
    assert near.rgb.shape == (160, 160, 3)
    assert np.hypot(*(chin - forehead)) == pytest.approx(100, abs=1)
    eyes = near.points[[33, 133, 362, 263], 1]
    assert np.ptp(eyes) < 4
    assert near.inside(OVAL).mean() > 0.15


@needs_networks
def test_a_face_past_the_border_is_measured_on_what_is_there() -> None:
    rgb, face = _astronaut()
    away = face.moved(np.array(((1, 0, 600), (0, 1, 0)), np.float64))
    assert closeup(rgb, away, 64).rgb.shape == (102, 102, 3)
    half = rgb[:, : int(face.box.centre[0])]
    assert look_of(half, face).chroma > 0


def _painted(
    rgb: Pixels,
    face: Face,
    rings: tuple[tuple[int, ...], ...],
    grown: tuple[float, float],
    colour: tuple[int, int, int],
) -> Pixels:
    """A copy with the places within rings of the mesh painted over."""
    painted = rgb.copy()
    for ring in rings:
        outline = face.points[list(ring), :2]
        middle = outline.mean(axis=0)
        hull = cv2.convexHull(np.rint(middle + (outline - middle) * np.array(grown)).astype(np.int32))
        cv2.fillPoly(painted, [hull], colour)
    return painted
