"""A white background: made without a seam before a wall; where it cannot be made honestly, the photo stays."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.imaging import lab
from rythmiq_worker.people.face import Face
from rythmiq_worker.people.head import person_mask
from rythmiq_worker.people.search import find_faces
from rythmiq_worker.people.whiten import white_background
from tests.samples.cutout import before_wall
from tests.support.people import astronaut_rgb, needs_networks

Pixels = NDArray[np.uint8]
Wall = tuple[int, int, int]
GRAY, BLUE = (150, 152, 155), (70, 110, 190)


def _before(wall: Wall) -> tuple[Pixels, Pixels, tuple[Face, ...]]:
    """The astronaut before a wall, with the mask and the faces that the worker finds."""
    image, _ = before_wall(wall, room=1.05, long_side_px=1600, aspect=630 / 810)
    whole = np.asarray(image, np.uint8)
    box = find_faces(whole)[0].box
    height, (x, y) = 2.3 * box.height, box.centre
    top, left = max(0, round(y - 0.5 * height)), round(x - height * 630 / 810 / 2)
    part = whole[top : top + round(height), left : left + round(height * 630 / 810)]
    rgb = np.asarray(cv2.resize(part, (630, 810), interpolation=cv2.INTER_AREA), np.uint8)
    faces = find_faces(rgb)[:1]
    return rgb, person_mask(rgb, faces[0]), faces


def _head(face_at: tuple[int, int] = (206, 230)) -> tuple[Pixels, Pixels, Face]:
    """A drawn person before gray, the true mask, and a face that only says where it is."""
    rgb, mask = np.full((531, 413, 3), 150, np.uint8), np.zeros((531, 413), np.uint8)
    for picture, hair, skin, coat in ((rgb, (40, 30, 25), (205, 160, 140), (30, 40, 90)), (mask, 255, 255, 255)):
        cv2.ellipse(picture, (206, 545), (190, 215), 0, 0, 360, coat, -1)
        cv2.ellipse(picture, (206, 205), (110, 140), 0, 0, 360, hair, -1)
        cv2.ellipse(picture, (206, 235), (85, 115), 0, 0, 360, skin, -1)
    return rgb, mask, _face(face_at, 200)


def _face(centre: tuple[int, int], height_px: float) -> Face:
    points = np.zeros((468, 3), np.float32)
    points[:, :2] = centre
    points[10, 1] -= height_px / 2
    points[152, 1] += height_px / 2
    for index, side in ((33, -0.30), (133, -0.1), (362, 0.1), (263, 0.30), (234, -0.38), (454, 0.38)):
        points[index, 0] += side * height_px
    return Face.of_points(points, 1.0)


@needs_networks
@pytest.mark.parametrize("wall", [GRAY, BLUE])
def test_a_wall_becomes_white_and_the_face_keeps_every_pixel(wall: Wall) -> None:
    rgb, mask, faces = _before(wall)
    white, kept = white_background(rgb, mask, faces)
    assert kept is None
    assert white is not None
    assert (white[:60, :60] == 255).all()
    x, y = (int(value) for value in faces[0].box.centre)
    assert np.array_equal(white[y - 60 : y + 60, x - 60 : x + 60], rgb[y - 60 : y + 60, x - 60 : x + 60])


@needs_networks
def test_no_seam_of_the_wall_stays_around_the_person() -> None:
    rgb, mask, faces = _before(BLUE)
    white, _ = white_background(rgb, mask, faces)
    assert white is not None
    around = (cv2.dilate(mask, np.ones((25, 25), np.uint8)) > 20) & (mask < 128)
    before, after = lab(rgb[around]), lab(white[around])
    was_blue, is_blue = (float((planes[:, 2] < -20).mean()) for planes in (before, after))
    assert was_blue > 0.5
    assert is_blue < 0.03


def test_a_drawn_person_before_gray_gets_white() -> None:
    rgb, mask, face = _head()
    white, kept = white_background(rgb, mask, (face,))
    assert kept is None
    assert white is not None
    assert (white[mask == 0].mean(axis=0) > 253).all()
    assert np.array_equal(white[200:260, 170:240], rgb[200:260, 170:240])


def test_the_picture_that_was_given_stays_as_it_is() -> None:
    rgb, mask, face = _head()
    before = rgb.copy()
    white_background(rgb, mask, (face,))
    assert np.array_equal(rgb, before)


@needs_networks
def test_the_bytes_are_the_same_on_every_run_and_with_one_thread_and_two() -> None:
    rgb, mask, faces = _before(GRAY)
    threads, made = cv2.getNumThreads(), []
    try:
        for count in (1, 2, 2):
            cv2.setNumThreads(count)
            white, _ = white_background(rgb, mask, faces)
            assert white is not None
            made.append(white.tobytes())
    finally:
        cv2.setNumThreads(threads)
    assert made[0] == made[1] == made[2]


def test_without_a_face_the_photo_stays() -> None:
    rgb, mask, _ = _head()
    assert white_background(rgb, mask, ()) == (None, "no_face")


def test_a_second_face_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    assert white_background(rgb, mask, (face, _face((60, 120), 110))) == (None, "several_people")


def test_a_second_face_that_the_border_cuts_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    assert white_background(rgb, mask, (face, _face((-30, 200), 180))) == (None, "several_people")


def test_a_small_face_on_a_poster_does_not() -> None:
    rgb, mask, face = _head()
    assert white_background(rgb, mask, (face, _face((50, 60), 40)))[1] is None


def test_a_small_face_that_the_mask_takes_for_the_person_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    assert white_background(rgb, mask, (face, _face((206, 480), 40))) == (None, "several_people")


def test_a_face_outside_the_picture_is_nobody() -> None:
    rgb, mask, face = _head()
    assert white_background(rgb, mask, (face, _face((900, 120), 190)))[1] is None


def test_a_second_body_in_the_mask_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    for picture, colour in ((rgb, (90, 60, 50)), (mask, 255)):
        cv2.circle(picture, (45, 150), 35, colour, -1)
    assert white_background(rgb, mask, (face,)) == (None, "unclear_edge")


def test_a_guest_out_of_focus_that_the_mask_half_takes_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    for picture, colour in ((rgb, (120, 110, 110)), (mask, 110)):
        cv2.circle(picture, (30, 130), 25, colour, -1)
    assert white_background(rgb, mask, (face,)) == (None, "unclear_edge")


def test_an_outline_without_contrast_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    hazy = np.asarray(cv2.GaussianBlur(mask, (0, 0), 22), np.uint8)
    flat = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 22), np.uint8)
    assert white_background(flat, hazy, (face,)) == (None, "unclear_edge")


def test_a_mask_that_misses_the_face_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    mask[150:320] = 0
    assert white_background(rgb, mask, (face,)) == (None, "unclear_edge")


def test_a_person_cut_off_above_the_lower_edge_keeps_the_photo() -> None:
    rgb, mask, face = _head()
    rgb[400:], mask[400:] = 150, 0
    assert white_background(rgb, mask, (face,)) == (None, "unclear_edge")


def test_clothes_of_the_colour_of_the_wall_keep_the_photo() -> None:
    rgb, mask, face = _head()
    cv2.ellipse(rgb, (206, 545), (190, 215), 0, 0, 360, (153, 153, 153), -1)
    cv2.ellipse(rgb, (206, 235), (85, 115), 0, 0, 360, (205, 160, 140), -1)
    assert white_background(rgb, mask, (face,)) == (None, "same_colour")


def test_a_white_shirt_before_a_white_wall_does_not() -> None:
    rgb, mask, face = _head()
    rgb[mask == 0] = 244
    cv2.ellipse(rgb, (206, 545), (190, 215), 0, 0, 360, (240, 240, 240), -1)
    cv2.ellipse(rgb, (206, 235), (85, 115), 0, 0, 360, (205, 160, 140), -1)
    assert white_background(rgb, mask, (face,))[1] is None


def test_patches_of_wall_that_the_mask_takes_for_hair_keep_the_photo() -> None:
    rgb, mask, face = _head()
    for x in (118, 294):
        cv2.ellipse(rgb, (x, 150), (9, 40), 0, 0, 360, (150, 150, 150), -1)
    assert white_background(rgb, mask, (face,)) == (None, "same_colour")


@needs_networks
def test_flag_and_shuttle_give_way_or_the_photo_stays() -> None:
    rgb = astronaut_rgb()[:380, 60:400]
    faces = find_faces(rgb)[:1]
    white, kept = white_background(rgb, person_mask(rgb, faces[0]), faces)
    assert (white is None) == (kept is not None)
    assert white is None or (white[20:60, 5:40] == 255).mean() > 0.9
