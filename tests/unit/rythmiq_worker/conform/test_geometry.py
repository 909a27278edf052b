"""Where a document's pixels come from: nothing is stretched, nothing leaves the picture, every rule on pixels holds."""

from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rythmiq.contracts.payload import Crop
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_worker.conform.geometry import (
    Layout,
    Levelling,
    Region,
    ResolvedKind,
    Subject,
    can_shrink,
    chosen_region,
    holds_head,
    lay_out,
)
from rythmiq_worker.people.head import Head

SIDES = st.integers(16, 6000)
KINDS = st.sampled_from(("photo", "signature", "thumb", "document"))
EXACT = st.builds(
    lambda width, height: {"target_width": width, "target_height": height}, st.integers(40, 1200), st.integers(40, 1200)
)
RANGED = st.builds(
    lambda low_w, low_h, more_w, more_h: {
        "min_width": low_w,
        "max_width": low_w + more_w,
        "min_height": low_h,
        "max_height": low_h + more_h,
    },
    st.integers(40, 600),
    st.integers(40, 600),
    st.integers(1, 600),
    st.integers(1, 600),
)
SHAPED = st.builds(
    lambda low, more: {"aspect_min": low, "aspect_max": low + more}, st.floats(0.3, 2.5), st.floats(0.01, 0.5)
)
RULES = st.one_of(EXACT, RANGED, SHAPED, st.just({}))


def rules_of(**rules: Any) -> SchemaDefinition:
    return SchemaDefinition.model_validate(rules)


def whole(width_px: int, height_px: int) -> Region:
    return chosen_region(width_px, height_px, None)


def head_at(x: float, y: float, height_px: float, width_px: float | None = None) -> Head:
    """A head of this height about a point."""
    half = (width_px or 0.7 * height_px) / 2
    return Head(
        crown_y=y - height_px / 2,
        chin_y=y + height_px / 2,
        left_x=x - half,
        right_x=x + half,
        eye_y=y + 0.05 * height_px,
        centre_x=x,
        cut_at_top=False,
    )


def scales(layout: Layout) -> tuple[float, float]:
    """How much the taken pixels are scaled across and down."""
    return layout.placed[2] / layout.region.width, layout.placed[3] / layout.region.height


@given(SIDES, SIDES, KINDS, RULES)
@example(4000, 16, "document", {})
@example(16, 4000, "signature", {"target_width": 1200, "target_height": 40})
def test_nothing_is_stretched(width_px: int, height_px: int, kind: ResolvedKind, rules: dict[str, Any]) -> None:
    layout = lay_out(rules_of(**rules), kind, whole(width_px, height_px), None)
    across, down = scales(layout)
    # Whole pixels are the only reason for a difference: half a pixel at either side.
    assert abs(across - down) * min(layout.region.width, layout.region.height) <= 1.0 + max(across, down)


@given(SIDES, SIDES, KINDS, RULES)
def test_what_is_taken_is_inside_the_picture(
    width_px: int, height_px: int, kind: ResolvedKind, rules: dict[str, Any]
) -> None:
    region = lay_out(rules_of(**rules), kind, whole(width_px, height_px), None).region
    assert region.left >= 0
    assert region.top >= 0
    assert region.right <= width_px + 1e-6
    assert region.bottom <= height_px + 1e-6
    assert region.width > 0
    assert region.height > 0


@given(SIDES, SIDES, KINDS, st.one_of(EXACT, RANGED), st.sampled_from((1.0, 0.64, 0.3)))
def test_the_size_is_within_the_portals_bounds(
    width_px: int, height_px: int, kind: ResolvedKind, rules: dict[str, Any], shrink: float
) -> None:
    definition = rules_of(**rules)
    layout = lay_out(definition, kind, whole(width_px, height_px), None, shrink=shrink)
    assert definition.pixel_bounds is not None
    assert definition.pixel_bounds.holds(layout.width_px, layout.height_px)


@given(st.integers(200, 6000), st.integers(200, 6000), KINDS, SHAPED)
def test_the_shape_is_within_the_portals_bounds(
    width_px: int, height_px: int, kind: ResolvedKind, rules: dict[str, Any]
) -> None:
    definition = rules_of(**rules)
    layout = lay_out(definition, kind, whole(width_px, height_px), None)
    assert rules["aspect_min"] <= layout.width_px / layout.height_px <= rules["aspect_max"]


@given(SIDES, SIDES, st.sampled_from(("signature", "document")), EXACT)
def test_ink_and_pages_are_taken_whole_and_centred_on_white(
    width_px: int, height_px: int, kind: ResolvedKind, rules: dict[str, Any]
) -> None:
    layout = lay_out(rules_of(**rules), kind, whole(width_px, height_px), None)
    left, top, width, height = layout.placed
    assert layout.region == whole(width_px, height_px)
    assert abs(layout.width_px - width - 2 * left) <= 1
    assert abs(layout.height_px - height - 2 * top) <= 1
    assert width == layout.width_px or height == layout.height_px


@given(SIDES, SIDES, EXACT)
def test_a_photo_fills_its_frame(width_px: int, height_px: int, rules: dict[str, Any]) -> None:
    layout = lay_out(rules_of(**rules), "photo", whole(width_px, height_px), None)
    assert layout.placed == (0, 0, layout.width_px, layout.height_px)


@given(st.floats(0.3, 0.7), st.floats(0.3, 0.7), st.floats(0.05, 0.3))
def test_a_head_with_room_around_it_has_the_share_that_the_portal_asks_for(
    across: float, down: float, height: float
) -> None:
    head = head_at(across * 4000, down * 4000, height * 4000)
    rules = rules_of(target_width=350, target_height=450, face_ratio=[0.7, 0.8])
    region = lay_out(rules, "photo", whole(4000, 4000), Subject(head)).region
    assert head.height_px / region.height == pytest.approx(0.75, abs=0.01)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_head_at_the_edge_stays_as_far_in_the_frame_as_the_picture_allows(across: float, down: float) -> None:
    head = head_at(across * 3600 + 200, down * 3600 + 200, 400)
    region = lay_out(rules_of(target_width=350, target_height=450), "photo", whole(4000, 4000), Subject(head)).region
    assert region.left <= head.centre_x <= region.right
    assert holds_head(region, head)
    centred = abs((region.left + region.right) / 2 - head.centre_x) < 1
    assert centred or region.left == pytest.approx(0, abs=1) or region.right == pytest.approx(4000, abs=1)


LEANS = st.floats(-44, 44)


@given(LEANS, st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.floats(0.02, 0.8), SIDES, SIDES)
def test_no_pixel_of_a_levelled_frame_is_from_outside_the_picture(  # noqa: PLR0913, PLR0917  what a frame depends on
    lean: float, across: float, down: float, height: float, width_px: int, height_px: int
) -> None:
    head = head_at(across * width_px, down * height_px, height * height_px)
    subject = Subject(head, Levelling(lean, across * width_px, down * height_px))
    layout = lay_out(rules_of(target_width=350, target_height=450), "photo", whole(width_px, height_px), subject)
    region, back = layout.region, subject.levelling.back
    corners = [(x, y) for x in (region.left, region.right) for y in (region.top, region.bottom)]
    for x, y in (back[:, :2] @ corner + back[:, 2] for corner in corners):
        assert -0.01 <= x <= width_px + 0.01
        assert -0.01 <= y <= height_px + 0.01


@given(LEANS, st.floats(0, 4000), st.floats(0, 4000))
def test_a_levelling_and_its_way_back_lead_to_the_same_pixel(lean: float, x: float, y: float) -> None:
    levelling = Levelling(lean, 1000, 1500)
    there = levelling.forth[:, :2] @ (x, y) + levelling.forth[:, 2]
    assert levelling.back[:, :2] @ there + levelling.back[:, 2] == pytest.approx((x, y), abs=1e-6)


def test_a_levelling_turns_clockwise_as_a_person_sees_it() -> None:
    """What is right of the point that stays goes down."""
    turn = Levelling(90, 100, 100).forth
    assert turn[:, :2] @ (150, 100) + turn[:, 2] == pytest.approx((100, 150))


def test_the_eyes_stand_where_the_portal_says() -> None:
    rules = rules_of(target_width=600, target_height=600, face_ratio=[0.5, 0.6], eye_line=[0.6, 0.6])
    head = head_at(2000, 2000, 800)
    region = lay_out(rules, "photo", whole(4000, 4000), Subject(head)).region
    assert (region.bottom - head.eye_y) / region.height == pytest.approx(0.6, abs=0.01)


def test_the_eye_line_never_cuts_the_head() -> None:
    rules = rules_of(target_width=600, target_height=600, face_ratio=[0.9, 0.9], eye_line=[0.2, 0.2])
    head = head_at(2000, 2000, 800)
    assert holds_head(lay_out(rules, "photo", whole(4000, 4000), Subject(head)).region, head)


@pytest.mark.parametrize(("height_px", "fits"), [(1000, True), (1002, False)])
def test_a_head_that_is_larger_than_the_shape_can_be_does_not_fit(height_px: float, fits: bool) -> None:  # noqa: FBT001
    layout = lay_out(
        rules_of(target_width=600, target_height=600), "photo", whole(1000, 1400), Subject(head_at(500, 700, height_px))
    )
    assert layout.head_fits is fits


def test_a_wide_head_is_framed_with_its_sides_as_long_as_its_share_allows() -> None:
    rules = rules_of(target_width=350, target_height=450, face_ratio=[0.5, 0.9])
    narrow, wide = (head_at(2000, 2000, 800, width_px) for width_px in (560, 900))
    framed = [lay_out(rules, "photo", whole(4000, 4000), Subject(head)).region for head in (narrow, wide)]
    assert framed[0].height < framed[1].height
    assert framed[1].width >= 900


def test_a_caption_keeps_a_strip_free_and_the_head_has_its_share_above_it() -> None:
    rules = rules_of(target_width=413, target_height=531, face_ratio=[0.7, 0.8])
    head = head_at(2000, 2000, 800)
    layout = lay_out(rules, "photo", whole(4000, 4000), Subject(head), caption=True)
    assert layout.strip_px == 79  # the most of 531 that is no more than .15
    assert layout.placed == (0, 0, 413, 531 - layout.strip_px)
    assert head.height_px / layout.region.height == pytest.approx(0.75, abs=0.01)


def test_the_way_onto_the_document_ends_where_the_pixels_are_placed() -> None:
    head = head_at(1500, 1500, 900)
    rules = rules_of(target_width=350, target_height=450)
    layout = lay_out(rules, "photo", whole(4000, 3000), Subject(head, Levelling(12, 1500, 1500)))
    corner = layout.levelling.back[:, :2] @ (layout.region.left, layout.region.top) + layout.levelling.back[:, 2]
    onto = layout.onto_document
    assert onto[:, :2] @ corner + onto[:, 2] == pytest.approx((0, 0), abs=1e-6)


def test_without_a_face_the_middle_is_taken() -> None:
    region = lay_out(rules_of(target_width=100, target_height=100), "photo", whole(3000, 1000), None).region
    assert (region.left, region.right) == (1000, 2000)


@given(st.tuples(st.floats(0, 0.99), st.floats(0.001, 1)), st.tuples(st.floats(0, 0.99), st.floats(0.001, 1)), SIDES)
def test_a_crop_is_at_least_a_pixel_inside_the_picture(
    across: tuple[float, float], down: tuple[float, float], width_px: int
) -> None:
    assume(sum(across) <= 1)
    assume(sum(down) <= 1)
    height_px = 1000
    crop = Crop(x=across[0], width=across[1], y=down[0], height=down[1])
    region = chosen_region(width_px, height_px, crop)
    assert 0 <= region.left <= width_px - 1
    assert 0 <= region.top <= height_px - 1
    assert region.right <= width_px
    assert region.bottom <= height_px
    assert min(region.width, region.height) >= 1 - 1e-9


def test_the_owners_crop_bounds_the_frame() -> None:
    region = chosen_region(1000, 1000, Crop(x=0.5, y=0.5, width=0.5, height=0.5))
    layout = lay_out(rules_of(target_width=200, target_height=400), "photo", region, Subject(head_at(150, 150, 150)))
    assert layout.region.left >= 500
    assert layout.region.top >= 500


@pytest.mark.parametrize(("side_px", "upscaled"), [(99, True), (100, False), (101, False)])
def test_fewer_pixels_than_the_document_has_are_an_enlargement(side_px: int, upscaled: bool) -> None:  # noqa: FBT001
    layout = lay_out(rules_of(target_width=100, target_height=100), "photo", whole(side_px, side_px), None)
    assert layout.upscaled is upscaled


def test_a_slot_without_pixels_takes_what_its_kilobytes_can_carry() -> None:
    small, large = (lay_out(rules_of(max_kb=kb), "document", whole(3000, 4000), None) for kb in (20, 2000))
    assert small.width_px * small.height_px < large.width_px * large.height_px
    assert large.height_px <= 2339


def test_a_slot_without_pixels_is_never_enlarged() -> None:
    layout = lay_out(rules_of(max_kb=500), "document", whole(300, 400), None)
    assert (layout.width_px, layout.height_px) == (300, 400)


@pytest.mark.parametrize(
    ("rules", "free"),
    [
        ({"target_width": 100, "target_height": 100}, False),
        ({"width_mm": 35, "height_mm": 45, "target_dpi": 300}, False),
        ({"min_width": 100, "max_width": 200, "min_height": 100, "max_height": 200}, True),
        ({}, True),
    ],
)
def test_pixels_can_be_given_up_only_where_the_portal_leaves_a_choice(rules: dict[str, Any], free: bool) -> None:  # noqa: FBT001
    assert can_shrink(rules_of(**rules)) is free
