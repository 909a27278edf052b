"""From a portrait to what is taken of it: which way up, how level, and the whole head where there is room for it."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from rythmiq.contracts.payload import Options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import Region, holds_head, lay_out
from rythmiq_worker.conform.person import LEVEL_FROM_DEG, Placed, place, portrait_of, wish_of
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.people.portrait import Portrait, Wish, read_portrait
from tests.support.people import astronaut_rgb, needs_networks, turned_about_face

pytestmark = needs_networks
RULES: dict[str, Any] = {"kind": "photo", "target_width": 413, "target_height": 531, "face_ratio": [0.7, 0.8]}


def rules_of(**rules: Any) -> SchemaDefinition:
    return SchemaDefinition.model_validate({**RULES, **rules})


def roomy(degrees_clockwise: float) -> Picture:
    """The astronaut with room around her, her head leaning so."""
    return Picture.from_image(Image.fromarray(turned_about_face(degrees_clockwise)[0]))


def placed(picture: Picture, options: Options = Options(), **rules: Any) -> Placed:  # noqa: B008  frozen
    portrait = portrait_of(picture, wish_of(options))
    return place(picture, portrait, rules_of(**rules), options, captioned=False)


def levelled_by(found: Placed) -> float:
    assert found.subject is not None
    return found.subject.levelling.degrees_clockwise


@pytest.mark.parametrize("lean_deg", [-25, -12, 12, 25])
def test_a_leaning_head_is_levelled(lean_deg: float) -> None:
    own = portrait_of(roomy(0), Wish()).subject
    assert own is not None
    assert levelled_by(placed(roomy(lean_deg))) == pytest.approx(-lean_deg - own.roll_deg, abs=2.5)


def test_a_head_that_hardly_leans_is_left_as_it_is() -> None:
    portrait = portrait_of(roomy(0), Wish())
    for lean_deg, turned in ((LEVEL_FROM_DEG - 0.1, False), (LEVEL_FROM_DEG + 0.1, True)):
        leaning = portrait._replace(level_deg=-lean_deg)
        found = place(roomy(0), leaning, rules_of(), Options(), captioned=False)
        assert (levelled_by(found) != 0) is turned


def test_a_portal_that_forbids_levelling_gets_the_head_as_it_leans() -> None:
    assert levelled_by(placed(roomy(20), level="forbidden")) == 0


def test_without_room_for_it_a_head_is_levelled_less_and_never_cut() -> None:
    tight = Picture.from_image(Image.fromarray(turned_about_face(30, 0)[0]).crop((90, 10, 370, 270)))
    found = placed(tight)
    assert found.subject is not None
    layout = lay_out(rules_of(), "photo", found.bounds, found.subject)
    assert abs(levelled_by(found)) < 28
    assert holds_head(layout.region, found.subject.head) is layout.head_fits


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_that_lies_is_turned_upright(quarters: int) -> None:
    lying = Picture.from_image(Image.fromarray(np.rot90(astronaut_rgb(), quarters)))
    portrait = portrait_of(lying, Wish())
    assert portrait.turn_clockwise == 90 * quarters
    found = place(lying, portrait, rules_of(), Options(), captioned=False)
    assert found.subject is not None
    assert found.subject.head.crown_y < found.subject.head.eye_y < found.subject.head.chin_y
    assert found.subject.head.centre_x / 512 == pytest.approx(0.44, abs=0.05)


def test_a_photo_that_its_owner_turned_is_not_turned_again() -> None:
    lying = Picture.from_image(Image.fromarray(np.rot90(astronaut_rgb())))
    assert portrait_of(lying, wish_of(Options(rotate=0))).turn_clockwise == 0


def test_an_owners_crop_is_turned_with_the_picture() -> None:
    upright = Options.model_validate({"crop": {"x": 0.2, "y": 0.0, "width": 0.5, "height": 0.6}})
    lying = Options.model_validate({"crop": {"x": 0.0, "y": 0.3, "width": 0.6, "height": 0.5}})
    one = placed(Picture.from_image(Image.fromarray(astronaut_rgb())), upright)
    other = placed(Picture.from_image(Image.fromarray(np.rot90(astronaut_rgb()))), lying)
    assert vars_of(other.bounds) == pytest.approx(vars_of(one.bounds), abs=1)


def vars_of(region: Region) -> tuple[float, float, float, float]:
    return region.left, region.top, region.right, region.bottom


def company() -> np.ndarray:
    """Two of her, side by side."""
    return np.hstack((astronaut_rgb(), astronaut_rgb()))


@pytest.mark.parametrize(("x", "left"), [(0.22, True), (0.72, False)])
def test_the_owner_chooses_the_face(x: float, left: bool) -> None:  # noqa: FBT001
    portrait = read_portrait(company(), Wish(point=(x, 0.22)))
    assert portrait.subject is not None
    assert (portrait.subject.box.centre[0] < 512) is left
    assert len(portrait.rivals) == 1


def test_a_point_on_no_face_leaves_no_subject_and_says_so() -> None:
    portrait = read_portrait(company(), Wish(point=(0.5, 0.95)))
    assert (portrait.subject, portrait.missing, len(portrait.faces)) == (None, "point", 2)


def test_a_face_outside_the_owners_crop_is_none() -> None:
    portrait = read_portrait(astronaut_rgb(), Wish(crop=(0.0, 0.6, 1.0, 1.0)))
    assert (portrait.subject, portrait.missing) == (None, "crop")


def test_who_is_outside_the_owners_crop_is_no_company() -> None:
    portrait = read_portrait(company(), Wish(crop=(0.0, 0.0, 0.5, 1.0)))
    assert portrait.rivals == ()


def test_an_empty_picture_holds_nobody() -> None:
    assert read_portrait(np.full((300, 300, 3), 128, np.uint8), Wish()) == Portrait((300, 300))
