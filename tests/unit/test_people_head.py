"""Head and person mask: where the astronaut's hair begins, where her chin is, and what is she."""

import cv2
import numpy as np
import pytest

from rythmiq_worker.people.head import head_of
from rythmiq_worker.people.mask import person_mask
from rythmiq_worker.people.search import find_faces
from tests.unit.people import astronaut_rgb, needs_networks

pytestmark = needs_networks


def test_the_head_of_the_astronaut_is_measured_from_hair_to_chin() -> None:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    head = head_of(rgb, face, person_mask(rgb, face))
    assert head.crown_y == pytest.approx(10, abs=12)  # by eye
    assert head.chin_y == pytest.approx(181, abs=8)
    assert head.left_x < face.box.x < face.box.x + face.box.width < head.right_x
    assert not head.cut_at_top


def test_hair_at_the_upper_edge_is_cut() -> None:
    rgb = astronaut_rgb()[40:]
    (face,) = find_faces(rgb)
    assert head_of(rgb, face, person_mask(rgb, face)).cut_at_top


def test_face_and_suit_are_the_person_and_the_flag_is_not() -> None:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    mask = person_mask(rgb, face)
    assert mask[120, 225] > 240
    assert mask[300, 200] > 240
    assert mask[100, 40] < 15


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
