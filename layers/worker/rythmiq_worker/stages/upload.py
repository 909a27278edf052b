"""UPLOAD: store the document, its preview and text, and the master last, sealed when the job is.

Source: docs/specification/worker.md, docs/specification/storage-keys.md.
"""

import hashlib
import io
from typing import TYPE_CHECKING, Literal

from PIL import Image

from rythmiq.contracts.errors import ErrorCode, JobError, StoreError
from rythmiq.contracts.keys import (
    SEALED_TYPE,
    before_name,
    document_name,
    master_key,
    output_key,
    preview_name,
    text_name,
)
from rythmiq.contracts.result import Artifacts
from rythmiq.crypto.rqe1 import seal
from rythmiq_worker.decode.picture import PREVIEW_SIDE_PX, small_jpeg
from rythmiq_worker.job import Conformed, Context, Decoded, Document, Texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq_worker.decode.picture import Picture

_MASTER_QUALITY = 95
_TYPES = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf", "txt": "text/plain; charset=utf-8"}


def upload(made: Conformed, ctx: Context) -> Artifacts:
    """Store the job's artifacts; their storage keys.

    Raises:
        JobError: UPLOAD_FAILED.
    """
    payload, sealed = ctx.payload, ctx.payload.encryption is not None
    extension: Literal["jpg", "png", "pdf"] = payload.portal_schema.schema_definition.extension

    def output(name: str) -> str:
        return output_key(payload.user_id, payload.job_id, name)

    text = text_of(made.texts)
    artifacts = Artifacts(
        document_path=output(document_name(ctx.dispatched_at, extension, sealed=sealed)),
        preview_path=output(preview_name(sealed=sealed)),
        before_path=output(before_name(sealed=sealed)),
        text_path=output(text_name(ctx.dispatched_at, sealed=sealed)) if text else None,
        master_path=master_key(payload.user_id, payload.document_id or payload.job_id),
    )
    _put(ctx, artifacts.document_path, made.document.content, _TYPES[extension])
    _put(ctx, artifacts.preview_path, preview_of(made.document), _TYPES["jpg"])
    if artifacts.before_path is not None:
        _put(ctx, artifacts.before_path, before_of(made.decoded), _TYPES["jpg"])
    if artifacts.text_path is not None:
        _put(ctx, artifacts.text_path, text, _TYPES["txt"])
    pages = made.decoded.pages
    _put(ctx, artifacts.master_path, master_of(pages), _TYPES["jpg" if len(pages) == 1 else "pdf"])
    return artifacts


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


def _put(ctx: Context, key: str, content: bytes, content_type: str) -> None:
    ctx.stored_sha256[key] = hashlib.sha256(content).hexdigest()
    encryption = ctx.payload.encryption
    if encryption is not None:
        content_type = SEALED_TYPE
        content = seal(
            content,
            storage_key=key,
            data_key=encryption.data_key,
            kid=encryption.kid,
            wrapped_key=encryption.wrapped_key,
        )
    try:
        ctx.store.upload_object(key, content, content_type=content_type)
    except StoreError as error:
        message = f"a result could not be stored: {error}"
        raise JobError(ErrorCode.UPLOAD_FAILED, message, detail={"transient": error.transient}) from None
