"""ENHANCE for a signature or a thumb impression: the ink alone, on white.

Its tones stay as they are: a portal compares strokes and ridges.
"""

from typing import TYPE_CHECKING

from rythmiq.contracts.receipt import Operation
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.ink import MARGIN, find_ink, ink_on_white

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rythmiq_worker.ink import InkKind
    from rythmiq_worker.picture import Picture


def enhance_ink(frame: Frame, ctx: Context) -> None:
    """Free the ink of each page from its paper, and cut to it unless its owner drew a crop.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules = ctx.payload.portal_schema.schema_definition
    kind: InkKind = "signature" if frame.kind == "signature" else "thumb"
    for index, page in enumerate(frame.pages):
        # A crop that the owner drew is in shares of the picture they saw, so theirs stands and ours is left out.
        crop = ctx.payload.options.crop is None
        frame.pages[index] = _freed(frame, page, kind, crop=crop, gray=rules.color != "rgb")


def _freed(frame: Frame, page: "Picture", kind: "InkKind", *, crop: bool, gray: bool) -> "Picture":
    """One picture of ink, freed of its paper and cut to it if asked."""
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
