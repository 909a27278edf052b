"""SCHEMA: make the file that the portal takes, and measure it; then every file that is stored of the job.

Source: docs/specification/worker.md, docs/specification/receipt.md.
"""

import datetime as dt
import io
from typing import TYPE_CHECKING

from PIL import Image

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.result import MAX_STDOUT_BYTES
from rythmiq_worker.conform import Labels, conform
from rythmiq_worker.decode.picture import PREVIEW_SIDE_PX, small, small_jpeg
from rythmiq_worker.job import Assessment, Conformed, Context, Decoded, Document, Files, Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq_worker.decode.picture import Picture


# What the rest of the result may need beside the receipt.
_RESULT_ROOM_BYTES = 16 * 1024
_MASTER_QUALITY = 95


def schema(texts: Texts, assessment: Assessment, ctx: Context) -> Document:
    """Make the document that the slot takes, with its receipt.

    Raises:
        JobError: SCHEMA_FAILED or SIZE_EXCEEDED.
    """
    portal, payload = ctx.payload.portal_schema, ctx.payload
    rules = portal.schema_definition
    if rules.valid_to is not None and rules.valid_to < ctx.dispatched_at.astimezone(dt.UTC).date():
        years = {"year": rules.valid_to.year, "next_year": rules.valid_to.year + 1}
        ctx.warn(Notice(WarningCode.PORTAL_RULES_OLD, years))
    labels = Labels(
        portal=portal.portal or portal.name,
        slot=portal.slot,
        version=portal.version,
        job_id=payload.job_id,
        original=payload.input.original_filename or "document",
    )
    made = conform(
        texts.enhanced.pages,
        rules,
        labels,
        kind=assessment.kind,
        portrait=assessment.portrait,
        options=payload.options.of_page(0),
        operations=texts.enhanced.operations,
        ink=texts.enhanced.ink,
        texts=texts.sights,
        lines=texts.pages or (),
    )
    if len(made.receipt.model_dump_json().encode()) > MAX_STDOUT_BYTES - _RESULT_ROOM_BYTES:
        # Before anything is stored: sources of any length travel with the rules, and the result is bounded.
        raise JobError(ErrorCode.SCHEMA_FAILED, "the receipt is too long: shorten the notes of the rules' sources")
    ctx.warn(*made.warnings)
    after = small(made.shown) if made.shown is not None else None
    return Document(made.document, made.receipt, made.encodes, after)


def pack(made: Conformed) -> Files:
    """Make every file that is stored of a job: the document, small copies before and after, the text, and the master.

    Raises:
        JobError: DECODE_FAILED.
    """
    pages = made.decoded.pages
    return Files(
        document=made.document.content,
        preview=preview_of(made.document),
        before=before_of(made.decoded),
        text=text_of(made.texts),
        master=master_of(pages),
        pages=len(pages),
    )


def text_of(texts: Texts) -> bytes:
    """Return the recognised text: one UTF-8 line a text line, LF; empty when there is none."""
    return "".join(f"{' '.join(line.text.split())}\n" for line in texts.lines if line.text.strip()).encode()


def before_of(decoded: Decoded) -> bytes:
    """Return a small JPEG of the upload as it came: upright by EXIF, unedited."""
    return small_jpeg(decoded.before)


def preview_of(document: Document) -> bytes:
    """Return a small JPEG of the document or of a PDF's first page, never enlarged."""
    return small_jpeg(document.after or _first_page(document))


def master_of(pages: "Sequence[Picture]") -> bytes:
    """Return the upload upright by EXIF and unedited, so that every option of a later job refers to it.

    It is the original scan without metadata where that is an upright sRGB JPEG, else its pixels at quality 95; of
    several pages a PDF that holds each in this way.
    """
    scans = []
    for page in pages:
        scans.append(page.lossless_jpeg() or _jpeg(page.image(), _MASTER_QUALITY, "4:4:4"))
        page.release()
    if len(scans) == 1:
        return scans[0]
    from rythmiq_worker.conform.pdf import bind_pdf  # noqa: PLC0415  few jobs have several pages

    return bind_pdf(scans, None)


def _first_page(document: Document) -> Image.Image:
    import pypdfium2  # noqa: PLC0415  only a PDF needs it

    side_px = min(PREVIEW_SIDE_PX, max(document.receipt.document.width_px, document.receipt.document.height_px))
    with pypdfium2.PdfDocument(document.content) as pdf:
        page = pdf[0]
        scale = side_px / max(page.get_width(), page.get_height())
        image: Image.Image = page.render(scale=scale).to_pil()
        return image


def _jpeg(image: Image.Image, quality: int, subsampling: str) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()
