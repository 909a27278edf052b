"""A page on a desk is seen from straight above, if everything says that it is one."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from rythmiq_worker.pages.find import find_page
from rythmiq_worker.pages.flatten import Sheet, flattened
from tests.data.page_defects import DESK, WHITE, tilted


def find_sheet(image: Image.Image) -> Sheet | None:
    return find_page(image).sheet


SHEET = (246, 244, 238)


def page(width: int = 600, height: int = 800) -> Image.Image:
    """Print on white paper."""
    image = Image.new("RGB", (width, height), SHEET)
    pen = ImageDraw.Draw(image)
    for row in range(12):
        pen.text((50, 50 + 58 * row), "statement of marks obtained 4471", font=ImageFont.load_default(24), fill="black")
    return image


def tilt(image: Image.Image, share: float, fill: tuple[int, int, int] = DESK) -> Image.Image:
    return Image.fromarray(tilted(np.asarray(image, np.uint8), share, fill, margin=0.15))


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_a_tilted_page_is_seen_from_above(share: float) -> None:
    """Its print lies where it lay on the page, up to its height: a drawn tilt keeps that, a camera does not."""
    seen = tilt(page(), share)
    sheet = find_sheet(seen)
    assert sheet is not None
    flat = flattened(seen, sheet)
    back = np.asarray(flat.convert("L").resize((60, 80), Image.Resampling.BOX), np.float32)
    truth = np.asarray(page().convert("L").resize((60, 80), Image.Resampling.BOX), np.float32)
    assert np.corrcoef(back.ravel(), truth.ravel())[0, 1] > 0.75


def test_a_page_seen_from_above_has_nothing_to_mend() -> None:
    image = Image.new("RGB", (800, 1000), DESK)
    image.paste(page(), (100, 100))
    sheet = find_sheet(image)
    assert sheet is not None
    assert sheet.tilt < 0.01
    assert abs(sheet.lean_deg) < 0.2


def _written_beside() -> Image.Image:
    image = tilt(page(), 0.3)
    pen = ImageDraw.Draw(image)
    for row in range(20):
        pen.text((4, 40 * row), "margin notes", font=ImageFont.load_default(14), fill="white")
        pen.text((image.width - 90, 40 * row), "more of them", font=ImageFont.load_default(14), fill="white")
    return image


def _torn() -> Image.Image:
    pixels = np.array(tilt(page(), 0.3))
    cv2.circle(pixels, (pixels.shape[1] // 2, pixels.shape[0] - 60), 190, DESK, -1)
    return Image.fromarray(pixels)


def _round() -> Image.Image:
    image = Image.new("RGB", (700, 700), DESK)
    ImageDraw.Draw(image).ellipse((80, 80, 620, 620), fill=SHEET)
    return image


def _small() -> Image.Image:
    image = Image.new("RGB", (1600, 1600), DESK)
    image.paste(tilt(page(300, 400), 0.3), (600, 600))
    return image


def _busy_desk() -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 256, (1000, 800, 3), dtype=np.uint8)
    image = Image.fromarray(cv2.GaussianBlur(pixels, (0, 0), 6).astype(np.uint8))
    return image.point(lambda level: max(0, min(255, 8 * (level - 112)))).convert("RGB")


@pytest.mark.parametrize(
    "make",
    [page, lambda: tilt(page(), 0.4, WHITE), _written_beside, _torn, _round, _small, _busy_desk],
    ids=["fills the frame", "white on white", "written beside it", "torn", "round", "small", "busy"],
)
def test_what_is_not_certain_is_left_alone(make: Callable[[], Image.Image]) -> None:
    assert find_sheet(make()) is None


@pytest.mark.parametrize("size", [(1, 1), (20, 900), (59, 59)])
def test_tiny_and_thin_pictures_have_no_sheet(size: tuple[int, int]) -> None:
    assert find_sheet(Image.new("RGB", size, SHEET)) is None


def test_the_page_keeps_the_pixels_of_its_nearest_edge() -> None:
    """And never makes the picture larger than it was."""
    seen = tilt(page(), 0.5)
    sheet = find_sheet(seen)
    assert sheet is not None
    width_px, height_px = sheet.size_px(*seen.size)
    assert width_px * height_px <= 1.01 * seen.width * seen.height
    assert width_px >= 0.95 * 600
