"""UPLOAD: store the document, its preview and text, and the master last, sealed when the job is.

Source: SPEC 2, 10, 16.
"""

import io
from typing import Literal

from PIL import Image

from rythmiq.adapters.bounded_http import StoreError
from rythmiq.adapters.spaces import SEALED_TYPE
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.keys import document_name, master_key, output_key, preview_name, text_name
from rythmiq.contracts.result import Artifacts
from rythmiq.crypto.rqe1 import seal
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.stages.fetch import store_of

PREVIEW_SIDE_PX = 480
_PREVIEW_QUALITY = 80
_MASTER_QUALITY = 95
_TYPES = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}


def upload(frame: Frame, ctx: Context) -> None:
    """Fill in `artifacts`.

    Raises:
        JobError: UPLOAD_FAILED.
    """
    payload, sealed = ctx.payload, ctx.payload.encryption is not None
    extension: Literal["jpg", "png", "pdf"] = payload.portal_schema.schema_definition.extension

    def output(name: str) -> str:
        return output_key(payload.user_id, payload.job_id, name)

    text = text_of(frame)
    artifacts = Artifacts(
        document_path=output(document_name(ctx.dispatched_at, extension, sealed=sealed)),
        preview_path=output(preview_name(sealed=sealed)),
        text_path=output(text_name(ctx.dispatched_at, sealed=sealed)) if text else None,
        master_path=master_key(payload.user_id, payload.document_id or payload.job_id),
    )
    _put(ctx, artifacts.document_path, frame.document, _TYPES[extension])
    _put(ctx, artifacts.preview_path, preview_of(frame.document), "image/jpeg")
    if artifacts.text_path is not None:
        _put(ctx, artifacts.text_path, text, "text/plain; charset=utf-8")
    _put(ctx, artifacts.master_path, master_of(frame), "application/octet-stream")
    frame.artifacts = artifacts


def text_of(frame: Frame) -> bytes:
    """The recognised text: one UTF-8 line a text line, LF; empty when there is none."""
    return "".join(f"{' '.join(line.text.split())}\n" for line in frame.lines or () if line.text.strip()).encode()


def preview_of(document: bytes) -> bytes:
    """A small JPEG of the document (of a PDF's first page): long side at most 480 px, never enlarged."""
    image = _first_page(document) if document[:5] == b"%PDF-" else Image.open(io.BytesIO(document))
    small = image.convert("RGB")
    small.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX), Image.Resampling.LANCZOS)
    return _jpeg(small, _PREVIEW_QUALITY, "4:2:0")


def master_of(frame: Frame) -> bytes:
    """The canonical scan: the original without metadata when nothing was changed, else the pixels at quality 95.

    A PDF's or TIFF's further pages are in the document; the master is the first.
    """
    page = frame.pages[0]
    return page.lossless_jpeg() or _jpeg(page.image(), _MASTER_QUALITY, "4:4:4")


def _first_page(document: bytes) -> Image.Image:
    import pypdfium2  # noqa: PLC0415  only a PDF needs it

    with pypdfium2.PdfDocument(document) as pdf:
        page = pdf[0]
        scale = PREVIEW_SIDE_PX / max(page.get_width(), page.get_height())
        image: Image.Image = page.render(scale=scale).to_pil()
        return image


def _jpeg(image: Image.Image, quality: int, subsampling: str) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()


def _put(ctx: Context, key: str, content: bytes, content_type: str) -> None:
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
        store_of(ctx.settings).upload_object(key, content, content_type=content_type)
    except StoreError as error:
        raise JobError(ErrorCode.UPLOAD_FAILED, f"a result could not be stored: {error}") from None
