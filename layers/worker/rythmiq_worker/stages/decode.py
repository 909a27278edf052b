"""DECODE: turn the uploads into upright sRGB pictures, each known to decode."""

from rythmiq_worker.decode.picture import open_pages, small
from rythmiq_worker.job import Context, Decoded, Upload


def decode(upload: Upload, ctx: Context) -> Decoded:
    """Open all pages up to MAX_PAGES for a PDF slot, the first one for any other.

    Raises:
        JobError: DECODE_FAILED, with `detail.reason`.
    """
    rules = ctx.payload.portal_schema.schema_definition
    opened = open_pages(
        *upload.contents,
        max_pixels=ctx.settings.max_pixels,
        max_pages=ctx.settings.max_pages,
        first_only=rules.output_format != "pdf",
        finely=rules.kind == "photo",
    )
    ctx.warn(*opened.warnings)
    return Decoded(tuple(opened.pages), small(opened.pages[0].thumbnail()))
