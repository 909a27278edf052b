"""ENHANCE: what the owner asked for, and what a measured defect calls for; by kind, and nothing else.

A photo gets nothing tonal, because portals match it with a live one. Ink is freed of its paper. A page loses a shadow
when that is safe. Each thing done stands in `frame.operations`.
"""

from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.receipt import Operation
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.ink import MARGIN, find_ink, ink_on_white
from rythmiq_worker.shading import find_shadow, without_shadow

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rythmiq_worker.picture import Picture


def enhance(frame: Frame, ctx: Context) -> None:
    """Turn the pages as their owner wishes, then mend them by kind unless the slot says `enhance: off`.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules = ctx.payload.portal_schema.schema_definition
    options = ctx.payload.options
    if options.rotate:
        frame.pages = [page.turned(options.rotate) for page in frame.pages]
        frame.operations.append(Operation(op="turn", parameters={"degrees_clockwise": options.rotate}))
    if rules.enhance == "off":
        return
    if frame.kind in {"signature", "thumb"}:
        kind: Literal["signature", "thumb"] = "signature" if frame.kind == "signature" else "thumb"
        for index, page in enumerate(frame.pages):
            # A crop that the owner drew is in shares of the picture they saw, so theirs stands and ours is left out.
            frame.pages[index] = _ink(frame, page, kind, crop=options.crop is None, gray=rules.color != "rgb")
    elif frame.kind == "document":
        for index, page in enumerate(frame.pages):
            frame.pages[index] = _page(frame, page, index)


def _ink(frame: Frame, page: "Picture", kind: Literal["signature", "thumb"], *, crop: bool, gray: bool) -> "Picture":
    ink = find_ink(page.glance(), kind)
    if ink is not None:
        crop = crop and not ink.tight
        if not ink.on_white:
            facts: dict[str, JsonValue] = {
                "paper_level": round(ink.paper.level),
                "paper_range": round(ink.paper.range, 3),
                "whitening": round(ink.whitening, 3),
            }
            frame.operations.append(Operation(op="background_division", parameters=facts))
        if crop:
            left, top, right, bottom = (round(share, 4) for share in ink.box)
            facts = {"left": left, "top": top, "right": right, "bottom": bottom, "margin": MARGIN}
            frame.operations.append(Operation(op="crop_to_ink", parameters=facts))
        if crop or not ink.on_white:
            page = ink_on_white(page, ink, crop=crop)
    if gray:
        frame.operations.append(Operation(op="gray"))
        page = page.derived(lambda image: image.convert("L").convert("RGB"), page.width_px, page.height_px)
    return page


def _page(frame: Frame, page: "Picture", index: int) -> "Picture":
    shadow = find_shadow(page.glance())
    if shadow is None:
        return page
    facts: dict[str, JsonValue] = {
        "page": index + 1,
        "paper_level": round(shadow.level),
        "paper_range": round(shadow.range, 3),
    }
    frame.operations.append(Operation(op="shadow_division", parameters=facts))
    return page.derived(lambda image: without_shadow(image, shadow), page.width_px, page.height_px)
