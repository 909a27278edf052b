"""The background of a portrait: its colour in CIE terms, and the ring on which it is measured."""

import cv2
import numpy as np
from PIL import Image

from rythmiq_worker.conform.background import background_of, lightness_and_chroma
from rythmiq_worker.engines.faces import Box


def test_lightness_and_chroma_are_those_of_opencv() -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (4096, 3), dtype=np.uint8)
    lab = cv2.cvtColor((rgb[None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0]
    lightness, chroma = lightness_and_chroma(rgb)
    # OpenCV interpolates its tables; ours is the formula.
    np.testing.assert_allclose(lightness, lab[:, 0], atol=0.4)
    np.testing.assert_allclose(chroma, np.hypot(lab[:, 1], lab[:, 2]), atol=0.8)


def test_white_is_white_and_gray_has_no_chroma() -> None:
    lightness, chroma = lightness_and_chroma(np.array([[255, 255, 255], [128, 128, 128], [0, 0, 0]], np.uint8))
    np.testing.assert_allclose(lightness, [100, 53.59, 0], atol=0.02)
    np.testing.assert_allclose(chroma, 0, atol=0.02)


def test_a_white_wall_passes_for_white_and_a_blue_one_does_not() -> None:
    white, blue = (background_of(Image.new("RGB", (413, 531), colour)) for colour in ("#fafafa", "#a0c0f0"))
    assert white is not None
    assert blue is not None
    assert white.white
    assert not blue.light


def test_a_light_gray_wall_is_light_and_not_white() -> None:
    gray = background_of(Image.new("RGB", (413, 531), "#cccccc"))
    assert gray is not None
    assert gray.light
    assert not gray.white


def test_hair_that_reaches_into_the_ring_is_left_out() -> None:
    picture = Image.new("RGB", (400, 500), "white")
    picture.paste("black", (80, 0, 320, 400))
    head = Box(110, 60, 180, 220)
    seen, unseen = background_of(picture, head), background_of(picture)
    assert seen is not None
    assert unseen is not None
    assert seen.white
    assert not unseen.light


def test_a_head_that_fills_the_picture_leaves_no_background() -> None:
    assert background_of(Image.new("RGB", (400, 500), "white"), Box(-200, -200, 800, 900)) is None
