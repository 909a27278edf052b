"""The rim of a picture, where no person tells what is behind."""

import pytest
from PIL import Image

from rythmiq_worker.conform.sight import rim_of


@pytest.mark.parametrize(
    ("colour", "white", "light"), [("#fafafa", True, True), ("#cccccc", False, True), ("#a0c0f0", False, False)]
)
def test_a_wall_is_judged_by_its_lightness_and_its_colour(colour: str, white: bool, light: bool) -> None:  # noqa: FBT001
    rim = rim_of(Image.new("RGB", (413, 531), colour))
    assert (rim.white, rim.light) == (white, light)


def test_what_stands_in_the_middle_is_not_the_rim() -> None:
    picture = Image.new("RGB", (400, 500), "white")
    picture.paste("black", (80, 60, 320, 400))
    assert rim_of(picture).white
