"""Pages on desks as phones see them: cut out where that is certain, whole with a warning where it is not."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from rythmiq_worker.pages import is_drawn, is_surrounded, look_at
from rythmiq_worker.pages.edges import measure, settle
from rythmiq_worker.pages.find import Found, find_page
from tests.data.desks import BLUE, GREEN, RED, SLATE, WOOD, desk, held, laid, photographed, printed, spread

Corners = list[tuple[float, float]]
SLANTED: Corners = [(0.15, 0.2), (0.8, 0.12), (0.88, 0.85), (0.1, 0.8)]
FRONTAL: Corners = [(0.1, 0.08), (0.9, 0.085), (0.895, 0.93), (0.105, 0.925)]
TURNED: Corners = [(0.3, 0.1), (0.9, 0.35), (0.65, 0.9), (0.08, 0.62)]
DARK: Corners = [(0.15, 0.25), (0.85, 0.22), (0.87, 0.76), (0.13, 0.78)]
CARD: Corners = [(0.3, 0.4), (0.7, 0.41), (0.7, 0.6), (0.3, 0.59)]


def off(found: Found, corners: Corners) -> float:
    """How far the worst corner lies from the truth, as a share of the picture; 1 where there is none."""
    return 1.0 if found.sheet is None else float(np.abs(found.sheet.corners - corners).max())


@pytest.mark.parametrize("corners", [SLANTED, FRONTAL, TURNED], ids=["slanted", "frontal", "turned"])
@pytest.mark.parametrize("colour", [WOOD, SLATE], ids=["wood", "slate"])
def test_a_page_is_found_to_half_a_hundredth(corners: Corners, colour: tuple[int, int, int]) -> None:
    assert off(find_page(laid(printed(600, 800), desk(900, 1200, colour), corners)), corners) < 0.005


@pytest.mark.parametrize("colour", [GREEN, RED, BLUE, (205, 190, 160)], ids=["green", "red", "blue", "cream"])
def test_a_card_is_found_on_any_cloth(colour: tuple[int, int, int]) -> None:
    cloth = desk(900, 1200, colour, grain=9)
    assert off(find_page(laid(printed(860, 540, sheet=(244, 240, 220)), cloth, CARD)), CARD) < 0.005


def test_a_card_is_found_whole_with_its_coloured_foot() -> None:
    """The foot is darker than the desk, and the white above it has the stronger edges."""
    card = printed(860, 540)
    ImageDraw.Draw(card).rectangle((0, 480, 860, 540), fill=(20, 120, 60))
    corners: Corners = [(0.1, 0.2), (0.9, 0.22), (0.9, 0.8), (0.1, 0.78)]
    assert off(find_page(laid(card, desk(1200, 900), corners)), corners) < 0.008


def _dark_card(desk_colour: tuple[int, int, int], grain: float) -> Image.Image:
    card = printed(860, 540, sheet=(96, 108, 150))
    return laid(card, desk(1200, 900, desk_colour, grain=grain), DARK)


@pytest.mark.parametrize(
    ("ground", "grain", "found"),
    [((205, 200, 190), 3, True), ((205, 200, 190), 30, False), ((250, 250, 250), 3, False)],
    ids=["an even desk", "a patterned one", "white paper"],
)
def test_a_card_darker_than_its_desk_is_believed_on_a_bare_one(
    ground: tuple[int, int, int],
    grain: float,
    found: bool,  # noqa: FBT001  what is due
) -> None:
    """Elsewhere it may be a picture on a page."""
    assert (off(find_page(_dark_card(ground, grain)), DARK) < 0.01) is found


@pytest.mark.parametrize("corners", [SLANTED, FRONTAL], ids=["slanted", "frontal"])
def test_a_finger_on_the_edge_is_no_hindrance(corners: Corners) -> None:
    assert off(find_page(held(laid(printed(600, 800), desk(900, 1200), corners), corners)), corners) < 0.006


def test_a_hand_over_a_corner_is_no_hindrance() -> None:
    image = laid(printed(860, 540), desk(1200, 900, BLUE), FRONTAL)
    ImageDraw.Draw(image).ellipse((960, 640, 1400, 1100), fill=(196, 142, 112))
    assert off(find_page(image), FRONTAL) < 0.01


def test_a_book_that_lies_open_is_one_page() -> None:
    """As a passport is: nothing of either half is lost."""
    image = spread(printed(500, 700), printed(500, 700, 5), desk(1200, 900))
    assert off(find_page(image), [(0.06, 0.14), (0.94, 0.14), (0.94, 0.86), (0.06, 0.86)]) < 0.006


@pytest.mark.parametrize("colour", [WOOD, SLATE, GREEN, (225, 222, 214)], ids=["wood", "slate", "green", "white"])
def test_a_bare_desk_has_no_page(colour: tuple[int, int, int]) -> None:
    found = find_page(Image.fromarray(desk(900, 1200, colour)))
    assert found == Found()


def _boxed() -> Image.Image:
    """A form that fills the picture: a table, a tinted panel, a photo."""
    image = printed(900, 1200)
    pen = ImageDraw.Draw(image)
    pen.rectangle((90, 300, 810, 620), outline="black", width=3)
    pen.rectangle((120, 760, 780, 1000), fill=(214, 222, 236))
    pen.rectangle((600, 60, 800, 280), fill=(92, 64, 48))
    return image


@pytest.mark.parametrize("noise", [0, 4], ids=["scanned", "photographed"])
def test_boxes_on_a_page_are_no_pages(noise: float) -> None:
    pixels = np.asarray(_boxed(), np.float64)
    pixels = pixels + np.random.default_rng(4).normal(0, noise, pixels.shape)
    found = find_page(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))
    assert found.sheet is None
    assert found.rim is None


def test_the_end_of_a_black_bar_is_no_edge() -> None:
    """A program made the picture square; the desk between the bars is no page."""
    image = Image.new("RGB", (1200, 900))
    image.paste(Image.fromarray(desk(700, 900, (150, 140, 120))), (250, 0))
    assert find_page(image).sheet is None


@pytest.mark.parametrize(("lift", "found"), [(6, False), (40, True)], ids=["hardly lighter", "lighter"])
def test_a_page_has_to_differ_from_its_desk(lift: int, found: bool) -> None:  # noqa: FBT001  what is due
    ground = (180, 178, 174)
    sheet = printed(600, 800, sheet=tuple(level + lift for level in ground))  # type: ignore[arg-type]
    image = laid(sheet, desk(900, 1200, ground, grain=3), SLANTED, shadow=0.0)
    assert (off(find_page(image), SLANTED) < 0.01) is found


@pytest.mark.parametrize(("gap", "certain"), [(0.3, True), (0.55, False)], ids=["a third", "more than half"])
def test_one_side_may_be_covered_for_a_part(gap: float, certain: bool) -> None:  # noqa: FBT001  what is due
    """By more than a finger covers, it is no longer sure where the page ends."""
    on = desk(900, 1200)
    cover = np.zeros((1200, 900), np.float32)
    cover[150:1050, 120:780] = 1
    start, end = round(150 + 450 - 450 * gap), round(150 + 450 + 450 * gap)
    cover[start:end, 120:220] = 0
    image = photographed(np.asarray(printed(900, 1200)), cover, on)
    assert (find_page(image).sheet is not None) is certain


def test_sides_tell_their_cover_and_their_contrast() -> None:
    image = laid(printed(600, 800), desk(900, 1200, SLATE), FRONTAL, shadow=0.0)
    look = look_at(image)
    corners = settle(look, np.array(FRONTAL) * look.size - 0.5)
    assert corners is not None
    sides = measure(look, corners)
    assert sides.cover.min() > 0.95
    assert sides.straight.min() > 0.95
    assert (sides.within - sides.beyond).min() > 50


def test_corners_that_lie_far_off_settle_nowhere() -> None:
    look = look_at(Image.fromarray(desk(900, 1200, grain=0)))
    assert settle(look, np.array([(-40.0, -40.0), (520.0, -40.0), (520.0, 680.0), (-40.0, 680.0)])) is None


@pytest.mark.parametrize(
    ("corners", "around"),
    [
        ([(0.2, -0.05), (1.05, -0.05), (1.05, 1.05), (0.2, 1.05)], False),
        ([(0.15, 0.1), (0.85, 0.1), (0.85, 1.05), (0.15, 1.05)], True),
    ],
    ids=["on one side", "on three"],
)
def test_a_desk_lies_on_three_sides_at_least(corners: Corners, around: bool) -> None:  # noqa: FBT001  what is due
    look = look_at(laid(printed(600, 800), desk(900, 1200), corners))
    assert is_surrounded(look) is around


def test_a_picture_without_print_is_not_surrounded() -> None:
    assert not is_surrounded(look_at(laid(Image.new("RGB", (600, 800), "white"), desk(900, 1200, grain=1), FRONTAL)))


@pytest.mark.parametrize(("noise", "drawn"), [(0.0, True), (2.0, False)], ids=["a screen", "a camera"])
def test_a_sensor_leaves_nothing_even(noise: float, drawn: bool) -> None:  # noqa: FBT001  what is due
    pixels = np.asarray(printed(900, 1200), np.float64)
    pixels = pixels + np.random.default_rng(4).normal(0, noise, pixels.shape)
    assert is_drawn(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))) is drawn
