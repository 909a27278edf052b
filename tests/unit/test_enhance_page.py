"""ENHANCE for documents: what the owner says of a page goes first, and the receipt tells where it was taken to lie."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from rythmiq.contracts.advice import WarningCode
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.frame import Frame
from rythmiq_worker.stages.enhance import enhance
from tests.data.desks import SLATE, bent, desk, laid, photographed, printed
from tests.support.uploads import context, difference

CORNERS = [(0.15, 0.2), (0.8, 0.12), (0.88, 0.85), (0.1, 0.8)]
WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]


def slanted() -> Image.Image:
    return laid(printed(600, 800), desk(900, 1200), CORNERS)


def torn() -> Image.Image:
    """A page of which the lower right quarter is gone."""
    on = desk(900, 1200, SLATE)
    page = np.zeros((1200, 900), np.float32)
    page[150:1050, 120:780] = 1
    page[600:, 450:] = 0
    sheet = np.asarray(printed(660, 900).resize((900, 1200)))
    return photographed(sheet, page, on)


def done(image: Image.Image, *, enhance_rule: str = "auto", kind: str = "document", **options: Any) -> Frame:
    frame = Frame(pages=[Picture.from_image(image)])
    frame.kind = "signature" if kind == "signature" else "document"
    enhance(frame, context(kind=kind, enhance=enhance_rule, color="rgb", options=options))
    return frame


def page_of(frame: Frame) -> dict[str, Any]:
    (operation,) = [operation for operation in frame.operations if operation.op == "page"]
    return dict(operation.parameters)


def test_a_page_that_is_found_says_so_in_the_receipt() -> None:
    frame = done(slanted())
    facts = page_of(frame)
    assert facts["page"] == 1
    assert facts["by"] == "edges"
    assert np.abs(np.array(facts["corners"]) - CORNERS).max() < 0.005
    assert frame.warnings == []


def test_a_bent_page_is_unwarped_and_says_so() -> None:
    image, _ = bent(printed(900, 1200), desk(1200, 1600))
    frame = done(image)
    assert page_of(frame)["by"] == "unwarp"
    assert frame.warnings == []


def test_the_owners_corners_go_before_what_is_seen() -> None:
    """Also where the slot forbids what only looks better."""
    inner = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    for rule in ("auto", "off"):
        frame = done(slanted(), enhance_rule=rule, corners=inner)
        assert page_of(frame)["by"] == "owner"
        assert page_of(frame)["corners"] == inner
        assert frame.pages[0].width_px == pytest.approx(0.4 * 900, abs=2)
        assert frame.pages[0].height_px == pytest.approx(0.4 * 1200, abs=2)


def test_the_owners_corners_are_flattened_as_found_ones_are() -> None:
    found, said = done(slanted()), done(slanted(), corners=CORNERS)
    sizes = [(frame.pages[0].width_px, frame.pages[0].height_px) for frame in (found, said)]
    assert np.abs(np.array(sizes[0]) - sizes[1]).max() <= 6


def test_the_owners_corners_hold_for_a_signature_too() -> None:
    frame = done(slanted(), kind="signature", enhance_rule="off", corners=CORNERS)
    assert frame.pages[0].width_px < 0.8 * 900


def test_a_picture_that_is_the_page_is_left_as_it_lies() -> None:
    image = slanted()
    frame = done(image, page="whole")
    assert page_of(frame) == {"page": 1, "corners": WHOLE, "by": "owner"}
    assert frame.pages[0].width_px == image.width
    assert frame.warnings == []


def test_a_crop_is_told_as_the_owners_corners() -> None:
    frame = done(slanted(), crop={"x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25})
    assert page_of(frame)["by"] == "owner"
    assert page_of(frame)["corners"] == [[0.25, 0.5], [0.75, 0.5], [0.75, 0.75], [0.25, 0.75]]
    assert frame.pages[0].width_px == 900


def test_a_scan_is_the_page() -> None:
    image = printed(900, 1200)
    frame = done(image)
    assert page_of(frame) == {"page": 1, "corners": WHOLE, "by": "whole"}
    assert difference(frame.pages[0].image(), image) == 0
    assert frame.warnings == []


def test_enhance_off_takes_the_picture_for_the_page() -> None:
    frame = done(slanted(), enhance_rule="off")
    assert page_of(frame) == {"page": 1, "corners": WHOLE, "by": "whole"}
    assert frame.warnings == []


def test_a_page_that_cannot_be_told_from_its_desk_is_kept_whole_with_a_warning() -> None:
    frame = done(torn())
    assert page_of(frame)["by"] == "whole"
    assert [warning.code for warning in frame.warnings] == [WarningCode.PAGE_NOT_FOUND]


def test_every_page_has_its_own_place_in_the_receipt() -> None:
    frame = Frame(pages=[Picture.from_image(slanted()), Picture.from_image(printed(600, 800))])
    frame.kind = "document"
    enhance(frame, context(kind="document", enhance="auto", color="rgb"))
    told = [operation.parameters for operation in frame.operations if operation.op == "page"]
    assert [(facts["page"], facts["by"]) for facts in told] == [(1, "edges"), (2, "whole")]


def test_a_page_that_is_cut_out_can_lose_its_shadow() -> None:
    """On its desk it could not: the desk is no paper."""
    image = slanted()
    light = np.linspace(1.0, 0.45, image.width)[None, :, None]
    shaded = Image.fromarray((np.asarray(image) * light).astype(np.uint8))
    assert [operation.op for operation in done(shaded).operations] == ["page", "shadow_division"]
