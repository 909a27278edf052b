"""ENHANCE: apply what the owner asked for, and correct measured defects, by kind.

A photo gets nothing tonal, because portals match it with a live one. Ink is freed of its paper, and its tones stay as
they are: a portal compares strokes and ridges. A page is cropped, flattened, levelled and freed of shadow and noise,
where each is measured and its correction is safe; its orientation is left to OCR, because only its text can tell. What
is to be done is decided on small copies, and done at full size when the pixels are asked for.

The owner's options win over what is found, and one operation `page` records for each page its corners, and who chose
them. Each kind imports its own when it is there: a photo needs nothing of pages or ink.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.result import Operation
from rythmiq_worker.job import Context, Decoded, Enhanced

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from pydantic import JsonValue

    from rythmiq.contracts.payload import Corners, Crop, Options
    from rythmiq_worker.conform.geometry import ResolvedKind
    from rythmiq_worker.decode.picture import Picture
    from rythmiq_worker.ink.judge import InkKind, InkSight
    from rythmiq_worker.pages import Points
    from rythmiq_worker.pages.shape import Shape

    Note = Callable[..., None]


def enhance(decoded: Decoded, kind: "ResolvedKind", ctx: Context) -> Enhanced:
    """Turn the pages as their owner wishes, then correct them by kind unless the slot says `enhance: off`.

    Raises:
        JobError: DECODE_FAILED.
    """
    turned = _turned(decoded, ctx)
    if kind == "document":
        return _enhance_pages(turned, ctx)
    if kind == "photo":
        return turned
    pages = list(turned.pages)
    for index, page in enumerate(pages):
        corners = ctx.payload.options.of_page(index).corners
        if corners is not None:
            pages[index] = _cut_out(page, corners)
    keeps_pixels = ctx.payload.portal_schema.schema_definition.enhance == "off"
    return (_look_at_ink if keeps_pixels else _enhance_ink)(turned._replace(pages=tuple(pages)), kind, ctx)


def _turned(decoded: Decoded, ctx: Context) -> Enhanced:
    """Turn each page by the owner's `rotate`."""
    options = ctx.payload.options
    pages, operations = list(decoded.pages), []
    for index, page in enumerate(pages):
        degrees = options.of_page(index).rotate
        if degrees:
            pages[index] = page.turned(degrees)
            own = {"page": index + 1} if options.by_page else {}
            if own or index == 0:  # one that is said of all pages stands once in the receipt
                operations.append(Operation(op="turn", parameters={**own, "degrees_clockwise": degrees}))
    return Enhanced(tuple(pages), tuple(operations))


def _look_at_ink(turned: Enhanced, kind: "InkKind", ctx: Context) -> Enhanced:
    """Judge the first page's ink where the slot leaves the pixels alone.

    Raises:
        JobError: DECODE_FAILED.
    """
    from rythmiq_worker.ink import find_ink  # noqa: PLC0415  see the module docstring

    thumbnail = _chosen(turned.pages[0].thumbnail(), ctx.payload.options.crop)
    return turned._replace(ink=find_ink(thumbnail, kind)[1])


def _enhance_ink(turned: Enhanced, kind: "InkKind", ctx: Context) -> Enhanced:
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
    from rythmiq_worker.ink import MARGIN, find_ink, ink_on_white  # noqa: PLC0415  ditto

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
    from rythmiq_worker.pages.find import find_page  # noqa: PLC0415  ditto
    from rythmiq_worker.pages.flatten import flattened  # noqa: PLC0415  ditto

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


def _enhance_pages(turned: Enhanced, ctx: Context) -> Enhanced:
    """Flatten each page, and correct it unless the slot says `enhance: off`.

    Raises:
        JobError: DECODE_FAILED; INTERNAL_ERROR where a page looks bent and the network for it is not installed.
    """
    options = ctx.payload.options
    mend = ctx.payload.portal_schema.schema_definition.enhance != "off"
    pages, operations = [], list(turned.operations)
    for index, page in enumerate(turned.pages):

        def note(op: str, number: int = index + 1, **facts: "JsonValue") -> None:
            operations.append(Operation(op=op, parameters={"page": number, **facts}))

        shaped, thumbnail = _shaped(ctx, page, options.of_page(index), note, search=mend)
        pages.append(_mended(shaped, thumbnail, note) if mend else shaped)
    return Enhanced(tuple(pages), tuple(operations))


def _cut_out(page: "Picture", corners: "Corners") -> "Picture":
    """Crop to the owner's corners and flatten."""
    from rythmiq_worker.pages.flatten import flattened, sheet_of  # noqa: PLC0415  ditto

    sheet = sheet_of(np.array(corners, np.float64), page.width_px, page.height_px)
    return page.derived(partial(flattened, sheet=sheet), *sheet.size_px(page.width_px, page.height_px))


def _shaped(
    ctx: Context, page: "Picture", options: "Options", note: "Note", *, search: bool
) -> "tuple[Picture, Image]":
    """Crop and flatten a page by its owner's options, else by its found outline; return it and its thumbnail."""
    from rythmiq_worker.pages.flatten import WHOLE, sheet_of  # noqa: PLC0415  ditto
    from rythmiq_worker.pages.shape import Shape, bent_sheet, find_shape  # noqa: PLC0415  ditto

    thumbnail = page.thumbnail()
    if options.corners is not None:
        sheet = sheet_of(np.array(options.corners, np.float64), page.width_px, page.height_px)
        return _apart(page, thumbnail, bent_sheet(thumbnail, sheet) if search else Shape(sheet), note, by="owner")
    if options.crop is not None:  # in shares of the picture that they saw, so its pixels stay where they are
        crop = options.crop
        box = np.array([crop.x, crop.y]) + WHOLE * (crop.width, crop.height)
        note("page", corners=_listed(np.clip(box, 0, 1)), by="owner")
        return page, thumbnail
    if options.page == "whole" or not search:
        note("page", corners=_listed(WHOLE), by="owner" if options.page else "whole")
        return page, thumbnail
    shape = find_shape(thumbnail)
    if shape.missed:
        ctx.warn(WarningCode.PAGE_NOT_FOUND)
    if shape.by != "whole":
        return _apart(page, thumbnail, shape, note, by=shape.by)
    note("page", corners=_listed(WHOLE), by="whole")
    return _level(page, thumbnail, note)


def _apart(page: "Picture", thumbnail: "Image", shape: "Shape", note: "Note", *, by: str) -> "tuple[Picture, Image]":
    facts: dict[str, JsonValue] = {"corners": _listed(shape.corners), "by": by}
    if shape.sheet is not None:
        facts |= {"tilt": round(shape.sheet.tilt, 3), "lean_deg": round(shape.sheet.lean_deg, 2)}
    if shape.grid is not None:
        facts["unwarped"] = True
    note("page", **facts)
    return page.derived(shape.applied, *shape.size_px(page.width_px, page.height_px)), shape.applied(thumbnail)


def _level(page: "Picture", thumbnail: "Image", note: "Note") -> "tuple[Picture, Image]":
    """Level a page whose lines lean."""
    from rythmiq_worker.imaging.warp import (  # noqa: PLC0415  ditto
        border_colour,
        content_box,
        find_lean,
        levelled,
        levelled_size,
    )

    lean = find_lean(thumbnail)
    if lean is None:
        return page, thumbnail
    fill = border_colour(thumbnail)
    box = content_box(levelled(thumbnail, lean, fill), fill)
    note("deskew", degrees_clockwise=round(-lean.degrees, 2), letters=lean.letters, peak=round(lean.peak, 2))
    size_px = levelled_size(lean, page.width_px, page.height_px, box)
    return page.derived(partial(levelled, lean=lean, fill=fill, box=box), *size_px), levelled(
        thumbnail, lean, fill, box
    )


def _mended(page: "Picture", thumbnail: "Image", note: "Note") -> "Picture":
    """Take off a page's shadow and grain."""
    from rythmiq_worker.imaging.cleanup import (  # noqa: PLC0415  ditto
        find_grain,
        find_shadow,
        without_grain,
        without_shadow,
    )

    shadow = find_shadow(thumbnail)
    if shadow is not None:
        note("shadow_division", paper_level=round(shadow.level), paper_range=round(shadow.range, 3))
        page = page.derived(partial(without_shadow, paper=shadow), page.width_px, page.height_px)
        thumbnail = without_shadow(thumbnail, shadow)
    grain = find_grain(thumbnail, max(page.width_px, page.height_px))
    if grain is not None:
        note("denoise", noise=round(grain.sigma, 2), contrast=round(grain.contrast, 1), raised_from=round(grain.ink))
        page = page.derived(partial(without_grain, grain=grain), page.width_px, page.height_px)
    return page


def _listed(corners: "Points") -> "JsonValue":
    return [[round(float(x), 4), round(float(y), 4)] for x, y in corners]
