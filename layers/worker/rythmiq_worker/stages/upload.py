"""UPLOAD: store the document, its preview and text, and the master last, sealed when the job is.

Source: docs/specification/worker.md, docs/specification/storage-keys.md.
"""

import hashlib
from typing import Literal

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
from rythmiq.crypto import seal
from rythmiq_worker.job import Context, Files

_TYPES = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf", "txt": "text/plain; charset=utf-8"}


def upload(files: Files, ctx: Context) -> Artifacts:
    """Store the job's artifacts; their storage keys.

    Raises:
        JobError: UPLOAD_FAILED.
    """
    payload, sealed = ctx.payload, ctx.payload.encryption is not None
    extension: Literal["jpg", "png", "pdf"] = payload.portal_schema.schema_definition.extension

    def output(name: str) -> str:
        return output_key(payload.user_id, payload.job_id, name)

    artifacts = Artifacts(
        document_path=output(document_name(ctx.dispatched_at, extension, sealed=sealed)),
        preview_path=output(preview_name(sealed=sealed)),
        before_path=output(before_name(sealed=sealed)),
        text_path=output(text_name(ctx.dispatched_at, sealed=sealed)) if files.text else None,
        master_path=master_key(payload.user_id, payload.document_id or payload.job_id),
    )
    _put(ctx, artifacts.document_path, files.document, _TYPES[extension])
    _put(ctx, artifacts.preview_path, files.preview, _TYPES["jpg"])
    if artifacts.before_path is not None:
        _put(ctx, artifacts.before_path, files.before, _TYPES["jpg"])
    if artifacts.text_path is not None:
        _put(ctx, artifacts.text_path, files.text, _TYPES["txt"])
    _put(ctx, artifacts.master_path, files.master, _TYPES["jpg" if files.pages == 1 else "pdf"])
    return artifacts


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
