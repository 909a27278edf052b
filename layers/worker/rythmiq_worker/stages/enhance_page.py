"""ENHANCE for a document: crop to the page, flatten and level it, and remove shadow and noise.

Each only where a defect is measured and its correction is safe. The owner's options win over what is found, and one
operation `page` records for each page its corners, and who chose them.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.result import Operation
from rythmiq_worker.imaging.cleanup import find_grain, find_shadow, without_grain, without_shadow
from rythmiq_worker.imaging.warp import border_colour, content_box, find_lean, levelled, levelled_size
from rythmiq_worker.job import Context, Enhanced
from rythmiq_worker.pages.flatten import WHOLE, flattened, sheet_of
from rythmiq_worker.pages.shape import Shape, bent_sheet, find_shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
    from pydantic import JsonValue

    from rythmiq.contracts.payload import Corners, Options
    from rythmiq_worker.decode.picture import Picture
    from rythmiq_worker.pages import Points

    Note = Callable[..., None]


def enhance_pages(turned: Enhanced, ctx: Context) -> Enhanced:
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


def cut_out(page: "Picture", corners: "Corners") -> "Picture":
    """Crop to the owner's corners and flatten."""
    sheet = sheet_of(np.array(corners, np.float64), page.width_px, page.height_px)
    return page.derived(partial(flattened, sheet=sheet), *sheet.size_px(page.width_px, page.height_px))


def _shaped(
    ctx: Context, page: "Picture", options: "Options", note: "Note", *, search: bool
) -> "tuple[Picture, Image]":
    """Crop and flatten a page by its owner's options, else by its found outline; return it and its thumbnail."""
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


def _apart(page: "Picture", thumbnail: "Image", shape: Shape, note: "Note", *, by: str) -> "tuple[Picture, Image]":
    facts: dict[str, JsonValue] = {"corners": _listed(shape.corners), "by": by}
    if shape.sheet is not None:
        facts |= {"tilt": round(shape.sheet.tilt, 3), "lean_deg": round(shape.sheet.lean_deg, 2)}
    if shape.grid is not None:
        facts["unwarped"] = True
    note("page", **facts)
    return page.derived(shape.applied, *shape.size_px(page.width_px, page.height_px)), shape.applied(thumbnail)


def _level(page: "Picture", thumbnail: "Image", note: "Note") -> "tuple[Picture, Image]":
    """Level a page whose lines lean."""
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
