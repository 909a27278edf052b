"""ENHANCE: apply what the owner asked for, and correct measured defects, by kind.

A photo gets nothing tonal, because portals match it with a live one. Ink is freed of its paper. A page is flattened,
levelled and freed of shadow and noise, where each is measured and its correction is safe; its orientation is left to
OCR, because only its text can tell. What is to be done is decided on small copies, and done at full size when the
pixels are asked for.
"""

from typing import TYPE_CHECKING

from rythmiq.contracts.result import Operation
from rythmiq_worker.job import Context, Decoded, Enhanced

if TYPE_CHECKING:
    from rythmiq_worker.conform.geometry import ResolvedKind


def enhance(decoded: Decoded, kind: "ResolvedKind", ctx: Context) -> Enhanced:
    """Turn the pages as their owner wishes, then correct them by kind unless the slot says `enhance: off`.

    Raises:
        JobError: DECODE_FAILED.
    """
    turned = _turned(decoded, ctx)
    if kind == "document":
        from rythmiq_worker.stages.enhance_page import enhance_pages  # noqa: PLC0415  each kind pays for its own

        return enhance_pages(turned, ctx)
    if kind == "photo":
        return turned
    from rythmiq_worker.stages.enhance_ink import enhance_ink, look_at_ink  # noqa: PLC0415  ditto

    pages = list(turned.pages)
    for index, page in enumerate(pages):
        corners = ctx.payload.options.of_page(index).corners
        if corners is not None:
            from rythmiq_worker.stages.enhance_page import cut_out  # noqa: PLC0415  ditto

            pages[index] = cut_out(page, corners)
    keeps_pixels = ctx.payload.portal_schema.schema_definition.enhance == "off"
    return (look_at_ink if keeps_pixels else enhance_ink)(turned._replace(pages=tuple(pages)), kind, ctx)


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
