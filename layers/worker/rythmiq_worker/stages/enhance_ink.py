"""ENHANCE for a signature or a thumb impression: the ink alone, on white, and what it looks like.

Its tones stay as they are: a portal compares strokes and ridges.
"""

from functools import partial
from typing import TYPE_CHECKING

from rythmiq.contracts.result import Operation
from rythmiq_worker.ink.find import MARGIN, find_ink, ink_on_white
from rythmiq_worker.job import Context, Enhanced
from rythmiq_worker.pages.find import find_page
from rythmiq_worker.pages.flatten import flattened

if TYPE_CHECKING:
    from PIL.Image import Image
    from pydantic import JsonValue

    from rythmiq.contracts.payload import Crop, Options
    from rythmiq_worker.decode.picture import Picture
    from rythmiq_worker.ink.judge import InkKind, InkSight


def look_at_ink(turned: Enhanced, kind: "InkKind", ctx: Context) -> Enhanced:
    """Judge the first page's ink where the slot leaves the pixels alone.

    Raises:
        JobError: DECODE_FAILED.
    """
    thumbnail = _chosen(turned.pages[0].thumbnail(), ctx.payload.options.crop)
    return turned._replace(ink=find_ink(thumbnail, kind)[1])


def enhance_ink(turned: Enhanced, kind: "InkKind", ctx: Context) -> Enhanced:
    """Free the ink of each page from its paper, and cut to it unless its owner drew a crop.

    Raises:
        JobError: DECODE_FAILED.
    """
    rules = ctx.payload.portal_schema.schema_definition
    pages, operations, sights = [], list(turned.operations), []
    for index, page in enumerate(turned.pages):
        freed, sight = _freed(page, kind, ctx.payload.options.of_page(index), operations)
        if rules.color != "rgb":
            operations.append(Operation(op="gray"))
            freed = freed.derived(lambda image: image.convert("L").convert("RGB"), freed.width_px, freed.height_px)
        pages.append(freed)
        sights.append(sight)
    return Enhanced(tuple(pages), tuple(operations), sights[0])


def _freed(
    page: "Picture", kind: "InkKind", options: "Options", operations: list[Operation]
) -> "tuple[Picture, InkSight]":
    """Free one picture of ink from its desk and its paper, and cut to it unless its owner drew a crop."""
    thumbnail, crop = page.thumbnail(), options.crop
    if crop is None and options.corners is None and options.page is None:
        page, thumbnail = _flat(page, thumbnail, operations)
    ink, sight = find_ink(thumbnail, kind)
    if crop is not None:
        # A crop that the owner drew is in shares of the picture they saw, so theirs stands and ours is left out.
        sight = find_ink(_chosen(thumbnail, crop), kind)[1]
    if ink is None:
        return page, sight
    if not ink.on_white:
        facts: dict[str, JsonValue] = {
            "paper_level": round(ink.paper.level),
            "paper_range": round(ink.paper.range, 3),
            "whitening": round(ink.whitening, 3),
        }
        operations.append(Operation(op="background_division", parameters=facts))
    if ink.keep is not None:
        operations.append(Operation(op="ink_alone", parameters={"ruled_lines": ink.rules}))
    cut = crop is None and not ink.tight
    if cut:
        left, top, right, bottom = (round(share, 4) for share in ink.box)
        facts = {"left": left, "top": top, "right": right, "bottom": bottom, "margin": MARGIN}
        operations.append(Operation(op="crop_to_ink", parameters=facts))
    if cut or ink.keep is not None or not ink.on_white:
        page = ink_on_white(page, ink, crop=cut)
    return page, sight


def _flat(page: "Picture", thumbnail: "Image", operations: list[Operation]) -> "tuple[Picture, Image]":
    """Flatten and crop to the sheet where it lies on something."""
    sheet = find_page(thumbnail).sheet
    if sheet is None:
        return page, thumbnail
    corners: JsonValue = [[round(float(x), 4), round(float(y), 4)] for x, y in sheet.corners]
    facts: dict[str, JsonValue] = {"corners": corners, "by": "edges"}
    operations.append(Operation(op="page", parameters=facts))
    size_px = sheet.size_px(page.width_px, page.height_px)
    return page.derived(partial(flattened, sheet=sheet), *size_px), flattened(thumbnail, sheet)


def _chosen(thumbnail: "Image", crop: "Crop | None") -> "Image":
    """The part of a small copy that its owner chose."""
    if crop is None:
        return thumbnail
    left, top = int(crop.x * thumbnail.width), int(crop.y * thumbnail.height)
    right, bottom = round((crop.x + crop.width) * thumbnail.width), round((crop.y + crop.height) * thumbnail.height)
    return thumbnail.crop((left, top, max(left + 1, right), max(top + 1, bottom)))
