"""A page that leans is turned level, and one that does not tell is left alone."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from rythmiq_worker.imaging.warp import (
    LEAST_LEAN_DEG,
    WHOLE,
    border_colour,
    content_box,
    find_lean,
    levelled,
    levelled_size,
)
from tests.data.page_defects import DESK, blurred, turned
from tests.samples.pages import id_card, marksheet

WORDS = "statement of marks obtained in the examination held in march by the candidate"


def page(rows: int = 14) -> Image.Image:
    """Prose without a border."""
    image = Image.new("RGB", (700, 900), (250, 248, 242))
    pen = ImageDraw.Draw(image)
    for row in range(rows):
        pen.text((50, 50 + 56 * row), WORDS[row % 9 : 44 + row % 5], font=ImageFont.load_default(24), fill=(30, 30, 40))
    return image


def leaning(image: Image.Image, degrees: float) -> Image.Image:
    return Image.fromarray(turned(np.asarray(image, np.uint8), degrees))


@pytest.mark.parametrize("degrees", [-30, -9.4, -2, 2, 9.4, 30])
def test_a_lean_is_found_to_a_quarter_of_a_degree(degrees: float) -> None:
    lean = find_lean(leaning(page(), degrees))
    assert lean is not None
    assert lean.degrees == pytest.approx(-degrees, abs=0.25)


@pytest.mark.parametrize("degrees", [-4, 4])
@pytest.mark.parametrize("width_px", [900, 1200])
def test_a_pattern_below_the_letters_tells_no_lean(degrees: float, width_px: int) -> None:
    """Fine lines wind over the whole card; their pieces are ten times as many as the letters, and a seventh as dark."""
    lean = find_lean(leaning(id_card(6, width_px).image, degrees))
    assert lean is not None
    assert lean.degrees == pytest.approx(-degrees, abs=0.25)


@pytest.mark.parametrize("degrees", [-7, 12])
def test_a_levelled_page_leans_no_more(degrees: float) -> None:
    askew = leaning(page(), degrees)
    lean = find_lean(askew)
    assert lean is not None
    level = levelled(askew, lean, border_colour(askew))
    assert level.size == levelled_size(lean, *askew.size)
    assert find_lean(level) is None


def _noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(2).integers(0, 256, (500, 500, 3), dtype=np.uint8))


def _dots() -> Image.Image:
    image = Image.new("RGB", (600, 600), "white")
    pen = ImageDraw.Draw(image)
    for x, y in np.random.default_rng(3).integers(10, 580, (200, 2)).tolist():
        pen.ellipse((x, y, x + 9, y + 9), fill="black")
    return image


@pytest.mark.parametrize(
    "make",
    [page, lambda: leaning(page(1), 8), _dots, _noise, lambda: Image.new("RGB", (900, 700), "white")],
    ids=["level", "too few letters", "dots in no order", "noise", "blank"],
)
def test_what_does_not_tell_is_left_alone(make: Callable[[], Image.Image]) -> None:
    assert find_lean(make()) is None


@pytest.mark.parametrize(("degrees", "sigma_px", "told"), [(0.6, 0.1, True), (0.0, 0.1, False), (0.0, 4.5, False)])
def test_a_small_lean_is_told_from_none(degrees: float, sigma_px: float, *, told: bool) -> None:
    """Letters blurred into blots stand about as well on level lines as on leaning ones, and do not lean."""
    sheet = np.asarray(marksheet(6, 900).image, np.uint8)
    seen = blurred(turned(sheet, degrees) if degrees else sheet, sigma_px)
    assert (find_lean(Image.fromarray(seen)) is not None) is told


def test_less_than_half_a_degree_is_not_worth_a_filter() -> None:
    assert find_lean(leaning(page(), 0.6 * LEAST_LEAN_DEG)) is None


def test_what_levelling_adds_is_cut_off_again() -> None:
    """The page comes back at about its own size, with all that is on it."""
    upright = page()
    askew = leaning(upright, 30)
    lean, fill = find_lean(askew), border_colour(askew)
    assert lean is not None
    box = content_box(levelled(askew, lean, fill), fill)
    back = levelled(askew, lean, fill, box)
    assert back.size == levelled_size(lean, *askew.size, box)
    assert back.width < 1.1 * upright.width < askew.width
    ink = [float((np.asarray(image.convert("L")) < 128).sum()) for image in (upright, back)]
    assert ink[1] == pytest.approx(ink[0], rel=0.1)


def test_a_page_of_one_colour_is_kept_whole() -> None:
    assert content_box(Image.new("RGB", (90, 60), DESK), DESK) == WHOLE


def test_corners_are_filled_with_the_borders_colour() -> None:
    on_desk = Image.new("RGB", (300, 200), DESK)
    on_desk.paste((255, 255, 255), (60, 40, 240, 160))
    assert border_colour(on_desk) == DESK
