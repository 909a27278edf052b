"""ENHANCE: what the owner asked for, and what a measured defect calls for; by kind, and nothing else.

A photo gets nothing tonal, because portals match it with a live one. Ink is freed of its paper. A page is seen from
straight above, level, without shadow and noise, where each is measured and its mending is safe; which way up it lies
only its text can tell, so that is left to OCR. Each thing done stands in `frame.operations`. What is to be done is
decided on small copies, and done at full size when the pixels are asked for.
"""

from functools import partial
from typing import TYPE_CHECKING

from rythmiq.contracts.receipt import Operation
from rythmiq_worker.deskew import border_colour, content_box, find_lean, levelled, levelled_size
from rythmiq_worker.dewarp import find_sheet, flattened
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.grain import find_grain, without_grain
from rythmiq_worker.shading import find_shadow, without_shadow
from rythmiq_worker.stages.enhance_ink import enhance_ink

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image
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
        enhance_ink(frame, ctx)
    elif frame.kind == "document":
        for index, page in enumerate(frame.pages):
            # A crop that the owner drew is in shares of the picture they saw, so its pixels stay where they are.
            frame.pages[index] = _page(frame, page, index, reshape=options.crop is None)


def _page(frame: Frame, page: "Picture", index: int, *, reshape: bool) -> "Picture":
    """One page of a document, mended; `reshape` allows what moves its pixels."""
    glance = page.glance()

    def note(op: str, **facts: "JsonValue") -> None:
        frame.operations.append(Operation(op=op, parameters={"page": index + 1, **facts}))

    if reshape:
        shaped, glance = _straight(page, glance, note)
        if shaped is not page:
            page, frame.faces = shaped, ()  # what is called a document stays one, wherever a face on it now stands
    shadow = find_shadow(glance)
    if shadow is not None:
        note("shadow_division", paper_level=round(shadow.level), paper_range=round(shadow.range, 3))
        page = page.derived(partial(without_shadow, paper=shadow), page.width_px, page.height_px)
        glance = without_shadow(glance, shadow)
    grain = find_grain(glance, max(page.width_px, page.height_px))
    if grain is not None:
        note("denoise", noise=round(grain.sigma, 2), contrast=round(grain.contrast, 1), raised_from=round(grain.ink))
        page = page.derived(partial(without_grain, grain=grain), page.width_px, page.height_px)
    return page


def _straight(page: "Picture", glance: "Image", note: "Callable[..., None]") -> "tuple[Picture, Image]":
    """A page seen from straight above if its outline shows that it was not; else turned level if its lines lean."""
    sheet = find_sheet(glance)
    if sheet is not None and sheet.distorted:
        corners: JsonValue = [[round(float(x), 4), round(float(y), 4)] for x, y in sheet.corners]
        note("dewarp", corners=corners, tilt=round(sheet.tilt, 3), lean_deg=round(sheet.lean_deg, 2))
        size_px = sheet.size_px(page.width_px, page.height_px)
        return page.derived(partial(flattened, sheet=sheet), *size_px), flattened(glance, sheet)
    lean = find_lean(glance) if sheet is None else None
    if lean is None:
        return page, glance
    fill = border_colour(glance)
    box = content_box(levelled(glance, lean, fill), fill)
    note("deskew", degrees_clockwise=round(-lean.degrees, 2), letters=lean.letters, peak=round(lean.peak, 2))
    size_px = levelled_size(lean, page.width_px, page.height_px, box)
    return page.derived(partial(levelled, lean=lean, fill=fill, box=box), *size_px), levelled(glance, lean, fill, box)
