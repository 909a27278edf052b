"""ENHANCE of a signature or a thumb impression: the ink alone, on white, cut to it, its tones untouched."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from rythmiq_worker.ink import MARGIN
from rythmiq_worker.stages.enhance import enhance
from tests.support.enhanced_pictures import INK, PAPER, enhanced, shaded, signature, stroke
from tests.support.uploads import context, decoded, difference, portrait


@pytest.mark.parametrize("depth", [0.3, *(pytest.param(depth, marks=pytest.mark.pixels) for depth in (0.0, 0.5))])
@pytest.mark.parametrize("sheet", [PAPER, (240, 236, 160), (190, 200, 215)], ids=["cream", "yellow", "blue"])
def test_ink_comes_out_on_pure_white(depth: float, sheet: tuple[int, int, int]) -> None:
    """Shadow, tint and grain of the paper go; what is left beside the ink is white."""
    after, operations = enhanced(signature(sheet=sheet, depth=depth), "signature")
    assert operations == ["background_division", "crop_to_ink"]
    darkest = np.asarray(after).min(axis=2)
    blank = cv2.erode((darkest > 200).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert float((darkest[blank] >= 250).mean()) > 0.98
    assert float(blank.mean()) > 0.5


def test_ink_keeps_its_colour() -> None:
    """Blue ink stays blue; only a slot that wants gray gets gray."""
    after, _ = enhanced(signature(depth=0.4), "signature")
    pixels = np.asarray(after).reshape(-1, 3)
    ink = pixels[pixels.min(axis=1) < 80].mean(axis=0)
    assert ink[2] > ink[0] + 40
    assert np.abs(ink - INK).max() < 45
    gray, operations = enhanced(signature(depth=0.4), "signature", color="gray")
    assert operations[-1] == "gray"
    assert np.ptp(np.asarray(gray), axis=2).max() == 0


@pytest.mark.parametrize("size", [(1200, 800), (2100, 1400), (400, 260)])
def test_the_crop_is_the_ink_and_eight_percent(size: tuple[int, int]) -> None:
    """Nothing of a stroke is lost, and the margin is as promised."""
    image = signature(*size)
    after, _ = enhanced(image, "signature")
    points = np.array(stroke(*size))
    wide, high = np.ptp(points, axis=0) + max(3, size[0] // 200)
    assert after.width == pytest.approx(wide * (1 + 2 * MARGIN), rel=0.06)
    assert after.height == pytest.approx(high * (1 + 2 * MARGIN), rel=0.15)
    lost = np.count_nonzero(np.asarray(image).min(axis=2) < 80) - np.count_nonzero(np.asarray(after).min(axis=2) < 80)
    assert lost < 0.02 * np.count_nonzero(np.asarray(image).min(axis=2) < 80)


def test_ink_at_the_border_gets_a_white_margin() -> None:
    """The margin reaches beyond the picture, and is white there."""
    tight = signature(noise=0).crop((350, 280, 860, 520))
    points = np.array(stroke(1200, 800)) - (350, 280)
    left = int(points[:, 0].min())
    cut = tight.crop((left - 2, 0, tight.width, tight.height))
    after, operations = enhanced(cut, "signature")
    assert "crop_to_ink" in operations
    assert np.asarray(after)[:, :8].min() == 255


def test_a_second_run_finds_nothing_to_do() -> None:
    """The result is white, cut, and stays as it is."""
    once, _ = enhanced(signature(depth=0.4), "signature")
    twice, operations = enhanced(once, "signature")
    assert operations == []
    assert difference(once, twice) == 0


def test_white_paper_is_not_divided() -> None:
    """A signature drawn on a tablet has no paper to take away: its pixels stay, only the empty sheet is cut."""
    drawn = signature(sheet=(255, 255, 255), noise=0)
    after, operations = enhanced(drawn, "signature")
    assert operations == ["crop_to_ink"]
    assert set(map(tuple, np.asarray(after).reshape(-1, 3))) <= set(map(tuple, np.asarray(drawn).reshape(-1, 3)))


def test_the_owners_crop_wins() -> None:
    """It is drawn on the picture that they saw, so the picture keeps its frame."""
    image = signature(depth=0.4)
    after, operations = enhanced(image, "signature", crop={"x": 0.2, "y": 0.2, "width": 0.6, "height": 0.6})
    assert operations == ["background_division"]
    assert after.size == image.size


def test_a_desk_beside_the_paper_does_not_pull_the_crop() -> None:
    """Something dark that reaches in over the border is no ink."""
    image = signature()
    image.paste((92, 62, 41), (0, 0, 90, 800))
    after, operations = enhanced(image, "signature")
    assert operations == ["background_division", "ink_alone", "crop_to_ink"]
    assert after.width < 0.55 * image.width


def test_a_speck_does_not_pull_the_crop() -> None:
    """Dust far from the signature is left outside."""
    clean, _ = enhanced(signature(), "signature")
    dusty = signature()
    dusty.paste((60, 60, 60), (60, 60, 64, 64))
    assert enhanced(dusty, "signature")[0].size == clean.size


@pytest.mark.parametrize(
    "draw",
    [
        lambda: portrait(500, 500),
        lambda: Image.new("RGB", (300, 200), "white"),
        lambda: Image.new("RGB", (300, 200), "black"),
    ],
    ids=["a face", "blank", "black"],
)
@pytest.mark.parametrize("kind", ["signature", "thumb"])
def test_what_is_no_ink_on_paper_is_left_alone(draw: Callable[[], Image.Image], kind: str) -> None:
    """A photo in the signature's slot, an empty sheet: nothing is guessed."""
    image = draw()
    after, operations = enhanced(image, kind)
    assert operations == []
    assert difference(image, after) == 0


def test_a_thumbs_ridges_are_not_smoothed() -> None:
    """Division lifts the paper between the ridges and leaves every ridge where it was."""
    side = 600
    down, across = np.mgrid[0:side, 0:side].astype(np.float32)
    distance = np.hypot((across - 300) / 0.8, down - 300)
    ridges = 0.5 + 0.5 * np.sin(distance / 2.2)
    inside = distance < 200
    sheet = np.full((side, side, 3), PAPER, np.float32)
    sheet[inside] *= (1 - 0.75 * ridges)[inside][:, None]
    print_of_thumb = shaded(Image.fromarray(sheet.astype(np.uint8)), 0.35)
    made = enhance(decoded(print_of_thumb), "thumb", context(kind="thumb"))
    after = made.pages[0].image()
    assert [operation.op for operation in made.operations] == ["background_division", "crop_to_ink"]
    truth = np.asarray(Image.fromarray((ridges * inside * 255).astype(np.uint8)))
    box = made.operations[1].parameters
    top, left = (round(float(str(box[name])) * side) for name in ("top", "left"))
    part = truth[top : top + after.height, left : left + after.width]
    agreement = np.corrcoef(part.ravel(), 255 - np.asarray(after.convert("L")).ravel())[0, 1]
    assert agreement > 0.9
