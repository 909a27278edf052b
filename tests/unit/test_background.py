"""The background of a portrait: the ring on which it is measured."""

from PIL import Image

from rythmiq_worker.conform.background import background_of
from rythmiq_worker.engines.faces import Box


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
