"""DECODE: the upload becomes upright sRGB pictures, each known to decode."""

from rythmiq_worker.decode.picture import open_pages
from rythmiq_worker.decode.thumbnail import small
from rythmiq_worker.frame import Context, Frame


def decode(frame: Frame, ctx: Context) -> None:
    """Fill `frame.originals` and `frame.pages`: all pages up to MAX_PAGES for a pdf slot, the first one for any other.

    Raises:
        JobError: DECODE_FAILED, with `detail.reason`.
    """
    rules = ctx.payload.portal_schema.schema_definition
    opened = open_pages(
        frame.upload,
        *frame.more_uploads,
        max_pixels=ctx.settings.max_pixels,
        max_pages=ctx.settings.max_pages,
        first_only=rules.output_format != "pdf",
        finely=rules.kind == "photo",
    )
    frame.originals = opened.pages
    frame.pages = list(opened.pages)
    frame.before = small(opened.pages[0].glance())
    frame.warn(*opened.warnings)
