"""Faces: found where they are, whichever way up, and nowhere else."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rythmiq_worker.people.face import LEAST_SCORE, Face
from rythmiq_worker.people.search import find_faces, read_mesh
from tests.data.pages import PagePhoto, page_photos
from tests.data.portraits import ASTRONAUT_FACE, Sample, portraits
from tests.support.people import astronaut_rgb, needs_networks, turned_about_face

pytestmark = needs_networks
FRONTAL = [sample for sample in portraits() if sample.frontal]


def rgb_of(image: Image.Image, side_px: int = 1000) -> tuple[NDArray[np.uint8], float]:
    """The picture with a long side of at most `side_px`, and how many times smaller it is."""
    shrink = min(1.0, side_px / max(image.size))
    return np.asarray(image.resize((round(image.width * shrink), round(image.height * shrink)))), shrink


def with_company(sigma: float) -> NDArray[np.uint8]:
    """The astronaut, and to her right again, out of focus."""
    blurred = cv2.GaussianBlur(astronaut_rgb(), (0, 0), sigma)
    return np.ascontiguousarray(np.hstack((astronaut_rgb(), np.asarray(blurred, np.uint8))))


def is_at(face: Face, box: tuple[float, float, float, float]) -> bool:
    """Whether a found face lies where the true one does; `box` as the portraits' true boxes."""
    x, y = face.box.centre
    return box[0] < x < box[0] + box[2] and box[1] < y < box[1] + box[3] and 0.7 < face.box.width / box[2] < 1.3


@pytest.mark.pixels
@pytest.mark.parametrize("sample", FRONTAL, ids=lambda sample: sample.name)
def test_the_one_face_of_a_portrait_is_found_where_it_is(sample: Sample) -> None:
    rgb, shrink = rgb_of(sample.image)
    (face,) = find_faces(rgb)
    assert is_at(face.scaled(1 / shrink), sample.face)


@pytest.mark.pixels
@pytest.mark.parametrize("page", page_photos(), ids=lambda page: page.name)
def test_no_face_that_could_be_a_portrait_is_found_on_a_page(page: PagePhoto) -> None:
    rgb, _ = rgb_of(page.image)
    assert not [face for face in find_faces(rgb) if face.box.height > 0.2 * min(rgb.shape[:2])]


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "horse.png", "motorcycle_left.png", "retina.jpg"])
def test_no_face_is_found_in_a_cat_a_cup_a_horse_a_garage_or_an_eye(name: str) -> None:
    spec = find_spec("skimage")
    assert spec is not None
    assert spec.origin is not None
    with Image.open(Path(spec.origin).parent / "data" / name) as opened:
        rgb, _ = rgb_of(opened.convert("RGB"))
    assert find_faces(rgb) == ()


@pytest.mark.parametrize("degrees", [-30, -20, -10, 0, 10, 20, 30, 60, 90, 120, 180, 210, 270])
def test_a_leaning_lying_or_overturned_face_is_found_with_its_roll(degrees: int) -> None:
    rgb, centre = turned_about_face(degrees)
    (face,) = find_faces(rgb)
    assert np.hypot(*np.subtract(face.box.centre, centre)) < 0.25 * face.box.height
    assert abs((face.roll_deg - degrees + 180) % 360 - 180) < 8


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (400, 5), (300, 300)])
def test_a_blank_picture_of_any_shape_holds_no_face(shape: tuple[int, int]) -> None:
    assert find_faces(np.full((*shape, 3), 200, np.uint8)) == ()


def test_two_people_are_two_faces_the_larger_first() -> None:
    rgb = astronaut_rgb()
    small = cv2.resize(rgb, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    both = np.full((512, 512 + small.shape[1], 3), 220, np.uint8)
    both[:, :512], both[-small.shape[0] :, 512:] = rgb, small
    larger, smaller = find_faces(both)
    assert is_at(larger, ASTRONAUT_FACE)
    assert smaller.box.height == pytest.approx(0.6 * larger.box.height, rel=0.15)


def test_the_mesh_sees_a_face_where_one_is_expected_and_none_elsewhere() -> None:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    again = read_mesh(rgb, face.box, face.roll_deg)
    assert again is not None
    assert np.abs(again.points - face.points).max() < 0.1 * face.box.height
    elsewhere = face.moved(np.array([[1.0, 0, 150], [0, 1, 250]]))
    assert read_mesh(rgb, elsewhere.box, 0.0) is None


def test_a_face_that_the_mesh_is_not_sure_of_counts_beside_a_sure_one_and_not_alone() -> None:
    both = with_company(4.3)
    sure, unsure = sorted(find_faces(both), key=lambda face: -face.score)
    assert sure.score >= LEAST_SCORE > unsure.score
    both[:, :512] = 220
    assert find_faces(both) == ()


def test_a_blur_in_which_no_face_can_be_told_is_no_company() -> None:
    assert len(find_faces(with_company(6))) == 1


@pytest.mark.parametrize("share", [0.06, 0.1, 0.3])
def test_a_face_is_found_from_a_sixteenth_of_the_picture_on(share: float) -> None:
    side = round(ASTRONAUT_FACE[3] * 1.2 / share)
    rgb = np.full((side, side, 3), 190, np.uint8)
    top = max(0, (side - 512) // 2)
    part = astronaut_rgb()[: min(512, side), 90 : 90 + min(422, side)]
    rgb[top : top + part.shape[0], : part.shape[1]] = part
    assert len(find_faces(rgb)) == 1


def test_a_face_that_fills_the_picture_is_found() -> None:
    x, y, width, height = ASTRONAUT_FACE
    assert len(find_faces(np.ascontiguousarray(astronaut_rgb()[y - 10 : y + height + 20, x - 5 : x + width + 5]))) == 1


def test_faces_are_the_same_with_one_thread_and_with_two_and_on_every_run() -> None:
    rgb, before = astronaut_rgb(), cv2.getNumThreads()
    try:
        runs = []
        for threads in (1, 2, 1):
            cv2.setNumThreads(threads)
            runs.append(find_faces(rgb)[0])
    finally:
        cv2.setNumThreads(before)
    assert [(run.box, run.roll_deg, run.score, run.points.tobytes()) for run in runs[1:]] == [
        (runs[0].box, runs[0].roll_deg, runs[0].score, runs[0].points.tobytes())
    ] * 2
