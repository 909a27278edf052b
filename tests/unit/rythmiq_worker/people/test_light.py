"""Light on a face and its sharpness: what is dark is told, and dark skin never is."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.people.face import LEFT_EYE_RING, LIPS, OVAL, RIGHT_EYE_RING, Face
from rythmiq_worker.people.head import person_mask
from rythmiq_worker.people.looks import (
    EDGE_WIDTH_PX,
    EYE_WHITE,
    SHINE,
    SMEAR,
    UNEVEN,
    FaceLight,
    Sharpness,
    face_light,
    face_sharpness,
)
from rythmiq_worker.people.search import find_faces
from tests.support.people import astronaut_rgb, needs_networks

Pixels = NDArray[np.uint8]

# The ten tones of the Monk Skin Tone Scale, as published (sRGB).
MONK = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")
_GOOD = FaceLight(skin=70, shine=80, eye_white=75, difference=0, behind=60)


def _astronaut() -> tuple[Pixels, Face]:
    rgb = astronaut_rgb()
    (face,) = find_faces(rgb)
    return rgb, face


def _linear(rgb: Pixels) -> NDArray[np.float64]:
    share = rgb / 255
    return np.asarray(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4), np.float64)


def _encoded(linear: NDArray[np.float64]) -> Pixels:
    linear = np.clip(linear, 0, 1)
    share = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(share * 255), np.uint8)


def _of_tone(rgb: Pixels, face: Face, tone: str) -> Pixels:
    """The astronaut with another skin under the same light: pigment scales what skin scatters, not its shine."""
    linear = _linear(rgb)
    skin = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillPoly(skin, [np.rint(face.points[list(OVAL), :2]).astype(np.int32)], 255)
    for ring in (LEFT_EYE_RING, RIGHT_EYE_RING, LIPS):
        cv2.fillPoly(skin, [np.rint(face.points[list(ring), :2]).astype(np.int32)], 0)
    own = np.median(linear[skin > 0], axis=0)
    wanted = _linear(np.array([int(tone[at : at + 2], 16) for at in (0, 2, 4)], np.uint8))
    shine = np.maximum(linear - own * 1.15, 0)
    weight = cv2.GaussianBlur(skin, (0, 0), 1.5)[..., None] / 255
    toned = (linear - shine) * (wanted / own) + shine
    return _encoded(weight * toned + (1 - weight) * linear)


def _near(face: Face) -> tuple[slice, slice]:
    """Rows and columns about a face."""
    x, y = (int(value) for value in face.box.centre)
    reach = int(face.box.height)
    return slice(max(0, y - reach), y + reach), slice(max(0, x - reach), x + reach)


def _dimmed(rgb: Pixels, light: float) -> Pixels:
    return _encoded(_linear(rgb) * light)


@needs_networks
@pytest.mark.parametrize("tone", MONK)
def test_no_skin_tone_in_good_light_is_called_dark(tone: str) -> None:
    rgb, face = _astronaut()
    found = face_light(_of_tone(rgb, face, tone), face, person_mask(rgb, face))
    assert found is not None
    assert found.dark is None


@needs_networks
@pytest.mark.parametrize("tone", MONK)
def test_every_skin_tone_in_bad_light_is_called_dark(tone: str) -> None:
    rgb, face = _astronaut()
    found = face_light(_dimmed(_of_tone(rgb, face, tone), 0.08), face, person_mask(rgb, face))
    assert found is not None
    assert found.dark == "face"


@needs_networks
def test_a_face_in_shadow_before_a_bright_wall_is_backlit() -> None:
    rgb, face = _astronaut()
    mask = person_mask(rgb, face)
    weight = mask[..., None] / 255
    before_sky = _encoded(_linear(rgb) * 0.1 * weight + (1 - weight))
    found = face_light(before_sky, face, mask)
    assert found is not None
    assert found.dark == "backlit"
    unseen = face_light(before_sky, face)
    assert unseen is not None
    assert unseen.dark == "face"


@needs_networks
def test_light_from_one_side_is_uneven_and_names_the_side() -> None:
    rgb, face = _astronaut()
    even = face_light(rgb, face)
    assert even is not None
    assert even.evenness == "pass"
    x, _ = face.box.centre
    shade = np.clip((np.arange(rgb.shape[1]) - x) / (0.3 * face.box.width) * 0.46 + 0.54, 0.08, 1)[None, :, None]
    uneven = face_light(_encoded(_linear(rgb) * shade), face)
    assert uneven is not None
    assert uneven.evenness == "fail"
    assert uneven.difference < 0


@needs_networks
def test_a_face_without_skin_in_sight_is_not_judged() -> None:
    rgb, face = _astronaut()
    flat = replace(face, points=face.points * np.array((1, 0, 1), np.float32))
    assert face_light(rgb, flat) is None


def test_the_whites_of_the_eyes_save_a_dark_skin_at_their_limit() -> None:
    dark = _GOOD._replace(skin=20, shine=SHINE - 1, eye_white=EYE_WHITE)
    assert dark.dark is None
    assert dark._replace(eye_white=EYE_WHITE - 1).dark == "face"


def test_the_shine_of_the_skin_saves_shaded_eyes_at_its_limit() -> None:
    shaded = _GOOD._replace(shine=SHINE, eye_white=30)
    assert shaded.dark is None
    assert shaded._replace(shine=SHINE - 1).dark == "face"


@pytest.mark.parametrize(("behind", "reason"), [(95.0, "backlit"), (70.0, "face"), (None, "face")])
def test_what_is_behind_tells_shadow_from_darkness(behind: float | None, reason: str) -> None:
    assert _GOOD._replace(shine=54, eye_white=35, behind=behind).dark == reason


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_difference_between_the_sides_is_judged_on_both(sign: int) -> None:
    assert _GOOD._replace(difference=sign * UNEVEN.passes).evenness == "pass"
    assert _GOOD._replace(difference=sign * (UNEVEN.passes + 1)).evenness == "advice"
    assert _GOOD._replace(difference=sign * UNEVEN.fails).evenness == "fail"


@needs_networks
def test_a_sharp_face_before_a_soft_background_is_sharp() -> None:
    rgb, face = _astronaut()
    soft = np.asarray(cv2.GaussianBlur(rgb, (0, 0), 6), np.uint8)
    near = _near(face)
    soft[near] = rgb[near]
    found = face_sharpness(soft, face)
    assert found is not None
    assert not found.blurred


@needs_networks
def test_a_soft_face_before_a_sharp_background_is_blurred() -> None:
    rgb, face = _astronaut()
    soft = rgb.copy()
    near = _near(face)
    soft[near] = cv2.GaussianBlur(soft[near], (0, 0), face.box.height / 256 * 3)
    found = face_sharpness(soft, face)
    assert found is not None
    assert found.blurred
    assert found.grade == "fail"


@needs_networks
def test_a_face_drawn_along_one_line_is_blurred() -> None:
    rgb, face = _astronaut()
    length = round(face.box.height / 256 * 21)
    found = face_sharpness(np.asarray(cv2.blur(rgb, (length, 1)), np.uint8), face)
    assert found is not None
    assert found.blurred


@needs_networks
def test_noise_makes_no_soft_face_sharp() -> None:
    rgb, face = _astronaut()
    soft = cv2.GaussianBlur(rgb, (0, 0), face.box.height / 256 * 3).astype(np.float64)
    grainy = np.clip(soft + np.random.default_rng(2).normal(0, 8, rgb.shape), 0, 255).astype(np.uint8)
    found = face_sharpness(grainy, face)
    assert found is not None
    assert found.blurred


@needs_networks
def test_the_size_of_a_face_hardly_changes_its_sharpness() -> None:
    rgb, face = _astronaut()
    large = np.asarray(cv2.resize(rgb, None, fx=3, fy=3, interpolation=cv2.INTER_AREA), np.uint8)
    one, other = face_sharpness(rgb, face), face_sharpness(large, face.scaled(3))
    assert one is not None
    assert other is not None
    assert one.edge_width_px == pytest.approx(other.edge_width_px, abs=0.5)


@needs_networks
def test_a_face_outside_the_picture_is_not_judged() -> None:
    rgb, face = _astronaut()
    assert face_sharpness(rgb, face.moved(np.array(((1, 0, 900), (0, 1, 0)), np.float64))) is None


def test_both_measures_of_sharpness_have_two_sides() -> None:
    sharp = Sharpness(EDGE_WIDTH_PX.passes, SMEAR.passes)
    assert (sharp.grade, sharp.blurred) == ("pass", False)
    for soft in (sharp._replace(edge_width_px=5.7), sharp._replace(smear=0.72)):
        assert (soft.grade, soft.blurred) == ("advice", True)
    for soft in (sharp._replace(edge_width_px=6.0), sharp._replace(smear=0.75)):
        assert (soft.grade, soft.blurred) == ("fail", True)
