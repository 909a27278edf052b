"""ENHANCE for documents: what the owner says of a page goes first, and the receipt tells where it was taken to lie."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.result import Operation
from rythmiq_worker.decode.picture import Picture
from rythmiq_worker.ink.judge import InkSight
from rythmiq_worker.stages.enhance import enhance
from tests.data.desks import SLATE, bent, desk, laid, photographed, printed
from tests.support.uploads import context, decoded, difference

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


class Done(NamedTuple):
    """ENHANCE's value, and the codes it warned of."""

    pages: tuple[Picture, ...]
    operations: tuple[Operation, ...]
    ink: InkSight | None
    codes: list[WarningCode]


def done(image: Image.Image, *, enhance_rule: str = "auto", kind: str = "document", **options: Any) -> Done:
    ctx = context(kind=kind, enhance=enhance_rule, color="rgb", options=options)
    made = enhance(decoded(image), "signature" if kind == "signature" else "document", ctx)
    return Done(*made, [notice.code for notice in ctx.warnings])


def page_of(made: Done) -> dict[str, Any]:
    (operation,) = [operation for operation in made.operations if operation.op == "page"]
    return dict(operation.parameters)


def test_a_page_that_is_found_says_so_in_the_receipt() -> None:
    made = done(slanted())
    facts = page_of(made)
    assert facts["page"] == 1
    assert facts["by"] == "edges"
    assert np.abs(np.array(facts["corners"]) - CORNERS).max() < 0.005
    assert made.codes == []


def test_a_bent_page_is_unwarped_and_says_so() -> None:
    image, _ = bent(printed(900, 1200), desk(1200, 1600))
    made = done(image)
    assert page_of(made)["by"] == "unwarp"
    assert made.codes == []


def test_the_owners_corners_go_before_what_is_seen() -> None:
    """Also where the slot forbids what only looks better."""
    inner = [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]
    for rule in ("auto", "off"):
        made = done(slanted(), enhance_rule=rule, corners=inner)
        assert page_of(made)["by"] == "owner"
        assert page_of(made)["corners"] == inner
        assert made.pages[0].width_px == pytest.approx(0.4 * 900, abs=2)
        assert made.pages[0].height_px == pytest.approx(0.4 * 1200, abs=2)


def test_the_owners_corners_are_flattened_as_found_ones_are() -> None:
    found, said = done(slanted()), done(slanted(), corners=CORNERS)
    sizes = [(made.pages[0].width_px, made.pages[0].height_px) for made in (found, said)]
    assert np.abs(np.array(sizes[0]) - sizes[1]).max() <= 6


def test_the_owners_corners_hold_for_a_signature_too() -> None:
    made = done(slanted(), kind="signature", enhance_rule="off", corners=CORNERS)
    assert made.pages[0].width_px < 0.8 * 900


def test_a_picture_that_is_the_page_is_left_as_it_lies() -> None:
    image = slanted()
    made = done(image, page="whole")
    assert page_of(made) == {"page": 1, "corners": WHOLE, "by": "owner"}
    assert made.pages[0].width_px == image.width
    assert made.codes == []


def test_a_crop_is_told_as_the_owners_corners() -> None:
    made = done(slanted(), crop={"x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25})
    assert page_of(made)["by"] == "owner"
    assert page_of(made)["corners"] == [[0.25, 0.5], [0.75, 0.5], [0.75, 0.75], [0.25, 0.75]]
    assert made.pages[0].width_px == 900


def test_a_scan_is_the_page() -> None:
    image = printed(900, 1200)
    made = done(image)
    assert page_of(made) == {"page": 1, "corners": WHOLE, "by": "whole"}
    assert difference(made.pages[0].image(), image) == 0
    assert made.codes == []


def test_enhance_off_takes_the_picture_for_the_page() -> None:
    made = done(slanted(), enhance_rule="off")
    assert page_of(made) == {"page": 1, "corners": WHOLE, "by": "whole"}
    assert made.codes == []


def test_a_page_that_cannot_be_told_from_its_desk_is_kept_whole_with_a_warning() -> None:
    made = done(torn())
    assert page_of(made)["by"] == "whole"
    assert made.codes == [WarningCode.PAGE_NOT_FOUND]


def test_every_page_has_its_own_place_in_the_receipt() -> None:
    made = enhance(decoded(slanted(), printed(600, 800)), "document", context(kind="document", color="rgb"))
    told = [operation.parameters for operation in made.operations if operation.op == "page"]
    assert [(facts["page"], facts["by"]) for facts in told] == [(1, "edges"), (2, "whole")]


def test_a_page_that_is_cut_out_can_lose_its_shadow() -> None:
    """On its desk it could not: the desk is no paper."""
    image = slanted()
    light = np.linspace(1.0, 0.45, image.width)[None, :, None]
    shaded = Image.fromarray((np.asarray(image) * light).astype(np.uint8))
    assert [operation.op for operation in done(shaded).operations] == ["page", "shadow_division"]
