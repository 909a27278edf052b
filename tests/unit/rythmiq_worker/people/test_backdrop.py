"""What stands behind a person: walls that pass and what does not, by drawn pictures and by the astronaut."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rythmiq_worker.people import Bounds, worst
from rythmiq_worker.people.backdrop import CHROMA, EDGES, LIGHTNESS, SHADE, THINGS, Backdrop, Rule, backdrop_of
from rythmiq_worker.people.head import person_mask
from rythmiq_worker.people.search import find_faces
from tests.support.people import astronaut_rgb, needs_networks

Pixels = NDArray[np.uint8]

_PLAIN = Backdrop(lightness=95, darkest=93, chroma=2, things=0, edges=0, share=0.3)


def _wall(colour: tuple[int, int, int]) -> Pixels:
    return np.full((531, 413, 3), colour, np.uint8)


def _mask() -> Pixels:
    """A head and shoulders."""
    mask = np.zeros((531, 413), np.uint8)
    cv2.ellipse(mask, (206, 230), (100, 140), 0, 0, 360, 255, -1)
    cv2.ellipse(mask, (206, 540), (190, 150), 0, 0, 360, 255, -1)
    return mask


def _judged(rgb: Pixels, rule: Rule = "light") -> tuple[str, str | None]:
    found = backdrop_of(rgb, _mask())
    assert found is not None
    finding = found.judged(rule)
    return finding.grade, finding.reason


def test_a_white_wall_passes_for_white() -> None:
    assert _judged(_wall((250, 250, 250)), "white") == ("pass", None)


def test_a_light_gray_wall_is_light_and_not_white() -> None:
    gray = _wall((196, 196, 196))
    assert _judged(gray, "light") == ("pass", None)
    assert _judged(gray, "white") == ("fail", "dark")


def test_a_gray_wall_names_how_light_it_is_and_how_light_it_should_be() -> None:
    found = backdrop_of(_wall((185, 185, 185)), _mask())
    assert found is not None
    finding = found.judged("white")
    assert (finding.reason, finding.measured, finding.wanted) == ("dark", 75, 88)


def test_a_blue_wall_is_coloured() -> None:
    assert _judged(_wall((160, 192, 240))) == ("fail", "coloured")


def test_a_soft_shadow_on_a_white_wall_is_plain() -> None:
    shade = np.linspace(255, 205, 413)[None, :, None]
    wall = np.broadcast_to(shade, (531, 413, 3)).astype(np.uint8)
    assert _judged(wall) == ("pass", None)


def test_letters_behind_a_person_are_busy() -> None:
    wall = _wall((240, 240, 240))
    cv2.putText(wall, "GALA", (5, 70), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (40, 40, 60), 8)
    assert _judged(wall) == ("fail", "busy")


def test_a_red_box_behind_a_person_is_busy() -> None:
    wall = _wall((240, 240, 240))
    wall[250:330, :60] = (200, 30, 40)
    assert _judged(wall) == ("fail", "busy")


def test_a_black_bar_at_the_side_is_busy() -> None:
    wall = _wall((240, 240, 240))
    wall[:, :40] = 0
    assert _judged(wall)[0] == "fail"


@pytest.mark.parametrize("column", [30, 31])
@pytest.mark.parametrize(("level", "busy"), [(104, True), (140, False)])
def test_a_thin_line_counts_alike_in_every_column(column: int, level: int, *, busy: bool) -> None:
    wall, mask = np.full((256, 256, 3), 240, np.uint8), np.zeros((256, 256), np.uint8)
    wall[:, column], mask[60:, 80:180] = level, 255
    found = backdrop_of(wall, mask)
    assert found is not None
    assert (found.things > 0) is busy


@pytest.mark.parametrize(("left", "grade"), [(20, "fail"), (70, "pass")])
def test_what_the_mask_half_takes_for_the_person_is_hair_beside_it_and_a_thing_farther_off(
    left: int, grade: str
) -> None:
    wall, mask = np.full((256, 256, 3), 240, np.uint8), np.zeros((256, 256), np.uint8)
    mask[40:, 80:180] = 255
    wall[150:200, left : left + 10], mask[150:200, left : left + 10] = (200, 30, 40), 90
    found = backdrop_of(wall, mask)
    assert found is not None
    assert found.judged("light").grade == grade


def _filled_frame(wall: tuple[int, int, int], *, background_px: int) -> tuple[Pixels, Pixels]:
    """A head that leaves two strips of wall, a third of which is brown hair that the mask missed."""
    rgb, mask = np.full((256, 256, 3), (90, 60, 40), np.uint8), np.full((256, 256), 255, np.uint8)
    edge_px = 4 + background_px
    rgb[:, : edge_px - background_px // 3] = wall
    mask[:, : edge_px + 5] = 0
    return rgb, mask


@pytest.mark.parametrize(("background_px", "grade"), [(6, "pass"), (18, "fail")])
def test_hair_is_not_held_against_a_white_wall_where_the_head_leaves_a_sliver_of_it(
    background_px: int, grade: str
) -> None:
    found = backdrop_of(*_filled_frame((250, 250, 250), background_px=background_px))
    assert found is not None
    assert (found.share < 0.03, found.judged("white").grade) == (grade == "pass", grade)


def test_a_sliver_of_a_blue_wall_is_coloured() -> None:
    found = backdrop_of(*_filled_frame((160, 192, 240), background_px=6))
    assert found is not None
    assert found.judged("white").reason == "coloured"


def test_guests_out_of_focus_do_not_pass() -> None:
    wall = _wall((236, 230, 226))
    cv2.circle(wall, (30, 120), 45, (90, 60, 50), -1)
    cv2.rectangle(wall, (340, 150), (412, 380), (150, 40, 90), -1)
    assert _judged(np.asarray(cv2.GaussianBlur(wall, (0, 0), 9), np.uint8))[0] == "fail"


def test_what_the_person_wears_and_the_edge_of_hair_do_not_count() -> None:
    wall = _wall((245, 245, 245))
    near = cv2.dilate(_mask(), np.ones((9, 9), np.uint8))
    wall[near > 0] = (40, 30, 60)
    assert _judged(wall, "white") == ("pass", None)


def test_noise_on_a_white_wall_is_no_structure() -> None:
    noise = np.random.default_rng(3).normal(0, 6, (531, 413, 3))
    wall = np.clip(240 + noise, 0, 255).astype(np.uint8)
    assert _judged(wall) == ("pass", None)


def test_a_person_who_fills_the_picture_leaves_no_background() -> None:
    assert backdrop_of(_wall((255, 255, 255)), np.full((531, 413), 255, np.uint8)) is None


@needs_networks
def test_flag_and_shuttle_behind_the_astronaut_do_not_pass() -> None:
    rgb = astronaut_rgb()[:380, 60:400]
    (face,) = find_faces(rgb)
    found = backdrop_of(rgb, person_mask(rgb, face))
    assert found is not None
    assert found.judged("light").grade == "fail"


def test_company_is_no_plain_background() -> None:
    assert _PLAIN.judged("white").grade == "pass"
    finding = _PLAIN.judged("white", company=True)
    assert (finding.grade, finding.reason) == ("fail", "busy")


@pytest.mark.parametrize("rule", ["white", "light"])
def test_each_measure_has_a_side_that_passes_and_one_that_fails(rule: Rule) -> None:
    limits = {
        "lightness": (LIGHTNESS[rule], "dark"),
        "darkest": (SHADE[rule], "busy"),
        "chroma": (CHROMA[rule], "coloured"),
        "things": (THINGS, "busy"),
        "edges": (EDGES, "busy"),
    }
    for name, (bounds, reason) in limits.items():
        at_limit = _PLAIN._replace(**{name: bounds.passes})
        assert at_limit.judged(rule).grade == "pass", name
        between = _PLAIN._replace(**{name: (bounds.passes + bounds.fails) / 2}).judged(rule)
        assert (between.grade, between.reason) == ("advice", reason), name
        beyond = _PLAIN._replace(**{name: bounds.fails}).judged(rule)
        assert (beyond.grade, beyond.reason) == ("fail", reason), name


def test_two_doubts_of_different_kinds_are_a_failure() -> None:
    """A little coloured and a little busy is no plain wall; darkness seen twice is one doubt."""
    coloured, busy = {"chroma": 10.0}, {"things": 0.004}
    assert _PLAIN._replace(**coloured).judged("light").grade == "advice"
    assert _PLAIN._replace(**busy).judged("light").grade == "advice"
    assert _PLAIN._replace(**coloured, **busy).judged("light").grade == "fail"
    assert _PLAIN._replace(lightness=73, darkest=60).judged("light").grade == "advice"


@pytest.mark.parametrize(("value", "grade"), [(8.0, "pass"), (8.1, "advice"), (8.9, "advice"), (9.0, "fail")])
def test_large_values_fail_where_the_limits_rise(value: float, grade: str) -> None:
    assert Bounds(8.0, 9.0).grade(value) == grade


@pytest.mark.parametrize(("value", "grade"), [(88.0, "pass"), (87.9, "advice"), (84.1, "advice"), (84.0, "fail")])
def test_small_values_fail_where_the_limits_fall(value: float, grade: str) -> None:
    assert Bounds(88.0, 84.0).grade(value) == grade


def test_the_worst_of_several_grades_counts() -> None:
    assert worst() == "pass"
    assert worst("pass", "advice") == "advice"
    assert worst("advice", "fail", "pass") == "fail"
