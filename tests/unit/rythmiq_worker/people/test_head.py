"""Head and person mask: where hair begins, where the chin is, and who is the person."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.people.face import CHIN, FOREHEAD, Face
from rythmiq_worker.people.head import head_of, person_mask
from rythmiq_worker.people.search import find_faces
from tests.support.people import astronaut_rgb, turned_about_face

BLANK = np.zeros((400, 400, 3), np.uint8)


def drawn_face() -> Face:
    """A face of 80 x 100 points with its forehead at 150, its chin at 250 and its middle at 200."""
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = (200, 200)
    points[FOREHEAD, 1], points[CHIN, 1], points[13, 1] = 150, 250, 230
    points[0, 0], points[1, 0] = 160, 240
    points[[33, 133], :2], points[[362, 263], :2] = (180, 190), (220, 190)
    return Face.of_points(points, 1.0)


def mask_of(*boxes: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """A mask with these boxes as the person: left, top, right, bottom."""
    mask = np.zeros((400, 400), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 255
    return mask


HEAD = (150, 120, 250, 260)


def test_the_head_of_the_astronaut_is_measured_from_hair_to_chin() -> None:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    head = head_of(rgb, face, person_mask(rgb, face))
    assert head.crown_y == pytest.approx(10, abs=12)  # by eye
    assert head.chin_y == pytest.approx(181, abs=8)
    assert head.left_x < face.box.x < face.box.x + face.box.width < head.right_x
    assert head.height_px == head.chin_y - head.crown_y
    assert not head.cut_at_top


def test_hair_at_the_upper_edge_is_cut() -> None:
    rgb = astronaut_rgb()[40:]
    (face,) = find_faces(rgb)
    assert head_of(rgb, face, person_mask(rgb, face)).cut_at_top


def test_crown_chin_eyes_and_sides_are_those_of_mask_and_mesh() -> None:
    head = head_of(BLANK, drawn_face(), mask_of(HEAD))
    assert (head.crown_y, head.chin_y, head.eye_y, head.centre_x) == (120, 250, 190, 200)
    assert (head.left_x, head.right_x) == (150, 250)


def test_a_turban_is_part_of_the_head() -> None:
    assert head_of(BLANK, drawn_face(), mask_of(HEAD, (160, 75, 240, 121))).crown_y == 75


@pytest.mark.parametrize(("width_px", "crown_y"), [(19, 120), (21, 90)])
def test_a_tip_is_the_crown_from_a_quarter_of_the_face_on(width_px: int, crown_y: int) -> None:
    assert head_of(BLANK, drawn_face(), mask_of(HEAD, (195, 90, 195 + width_px, 121))).crown_y == crown_y


def test_a_hand_or_head_beside_the_hair_is_not_its_crown() -> None:
    assert head_of(BLANK, drawn_face(), mask_of(HEAD, (245, 40, 330, 260))).crown_y == 120


def test_what_reaches_far_above_a_face_is_not_its_hair() -> None:
    face = drawn_face()
    head = head_of(BLANK, face, mask_of(HEAD, (150, 20, 250, 121)))
    assert head.crown_y == pytest.approx(face.box.y - 0.35 * face.box.height)
    assert not head.cut_at_top


def test_sides_end_at_a_gap_and_at_an_arm_s_length() -> None:
    face = drawn_face()
    apart = head_of(BLANK, face, mask_of(HEAD, (260, 120, 330, 260)))
    assert apart.right_x == 250
    joined = head_of(BLANK, face, mask_of(HEAD, (250, 120, 399, 260)))
    assert joined.right_x == pytest.approx(200 + 1.25 * face.box.width)


def test_without_a_mask_the_head_is_the_face() -> None:
    face = drawn_face()
    head = head_of(BLANK, face, mask_of())
    assert head.crown_y == 150
    assert (head.left_x, head.right_x) == (face.box.x, face.box.x + face.box.width)


def test_a_face_beyond_the_edge_has_a_head_that_is_cut() -> None:
    face = drawn_face().moved(np.array([[1.0, 0, 0], [0, 1, -160]]))
    head = head_of(BLANK, face, mask_of((150, 0, 250, 100)))
    assert head.crown_y == 0
    assert head.cut_at_top


def test_face_and_suit_are_the_person_and_the_flag_is_not() -> None:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    mask = person_mask(rgb, face)
    assert mask[120, 225] > 240
    assert mask[300, 200] > 240
    assert mask[100, 40] < 15


def test_the_mask_of_a_small_face_in_a_large_picture_is_about_its_person_only() -> None:
    rgb, (x, y) = turned_about_face(0, room_px=700)
    (face,) = find_faces(rgb)
    mask = person_mask(rgb, face)
    assert mask[round(y), round(x)] > 240
    assert not mask[:100].any()


@pytest.mark.parametrize("shape", [(300, 200), (150, 500)])
def test_a_mask_has_its_picture_s_size(shape: tuple[int, int]) -> None:
    (face,) = find_faces(astronaut_rgb())
    rgb = cv2.resize(astronaut_rgb(), shape[::-1])
    assert person_mask(np.asarray(rgb, np.uint8), face.scaled(0.4)).shape == shape


def test_the_mask_is_the_same_with_one_thread_and_with_two() -> None:
    rgb, before = astronaut_rgb(), cv2.getNumThreads()
    (face,) = find_faces(rgb)
    try:
        masks = []
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            masks.append(person_mask(rgb, face))
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(masks[0], masks[1])
