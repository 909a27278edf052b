"""Noise is taken off where it drowns print, and nowhere else."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from rythmiq_worker.imaging.cleanup import find_grain, without_grain
from tests.data.page_defects import darkened, noisy


def page(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Large print on paper."""
    image = Image.new("RGB", size, (240, 236, 226))
    pen = ImageDraw.Draw(image)
    for row in range(6):
        pen.text((30, 30 + 70 * row), "marks obtained 4471", font=ImageFont.load_default(44), fill=(30, 30, 46))
    return image


def spoilt(gain: float) -> Image.Image:
    return Image.fromarray(darkened(np.asarray(page(), np.uint8), gain))


def misprinted(image: Image.Image) -> float:
    """The share of pixels on the wrong side of the middle between ink and paper."""
    gray = np.asarray(image.convert("L"), np.float32)
    middle = (np.quantile(gray, 0.02) + np.quantile(gray, 0.9)) / 2
    return float(np.mean((gray > middle) != (np.asarray(page().convert("L")) > 135)))


@pytest.mark.parametrize("gain", [0.2, 0.12])
def test_print_that_noise_drowns_comes_back(gain: float) -> None:
    dark = spoilt(gain)
    grain = find_grain(dark, 640)
    assert grain is not None
    after = without_grain(dark, grain)
    assert after.size == dark.size
    assert misprinted(after) < misprinted(dark) / 4


@pytest.mark.parametrize(
    "draw",
    [
        page,
        lambda: Image.fromarray(noisy(np.asarray(page(), np.uint8), 12)),
        lambda: Image.new("RGB", (640, 480), (40, 40, 40)),
        lambda: Image.fromarray(np.random.default_rng(4).integers(0, 256, (480, 640, 3), dtype=np.uint8)),
    ],
    ids=["clean", "a little noise", "no print", "nothing but noise"],
)
def test_what_noise_does_not_drown_is_left_alone(draw: Callable[[], Image.Image]) -> None:
    image = draw()
    assert find_grain(image, 640) is None


def test_a_large_page_is_averaged_in_strips_without_seams() -> None:
    """A strip's border shows no step: rows beside it differ no more than rows elsewhere."""
    sheet = Image.new("RGB", (400, 1000), (236, 236, 236))
    ImageDraw.Draw(sheet).rectangle((20, 20, 120, 980), fill=(20, 20, 30))
    dark = Image.fromarray(darkened(np.asarray(sheet, np.uint8), 0.12))
    grain = find_grain(dark, 1000)
    assert grain is not None
    rows = np.asarray(without_grain(dark, grain).convert("L"), np.float32)[:, 200:380]
    steps = np.abs(np.diff(rows, axis=0)).mean(axis=1)
    assert steps[508:516].max() <= 1.5 * np.quantile(steps, 0.99)
