"""FETCH: get the upload and open it.

Source: docs/specification/worker.md, docs/specification/storage-keys.md.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import (
    AccessDeniedError,
    AddressRefusedError,
    ErrorCode,
    JobError,
    ObjectMissingError,
    ObjectTooLargeError,
    StoreError,
    StoreTimeoutError,
    StoreUnreachableError,
    TruncatedObjectError,
)
from rythmiq.contracts.origins import OriginRefusedError, permitted
from rythmiq.contracts.payload import Encryption
from rythmiq.crypto import OVERHEAD_BYTES, DecryptionError, is_sealed, open_sealed, parse_header
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.intake import input_key, origin_rules
from rythmiq_worker.job import Context, Upload

_REASONS: tuple[tuple[type[StoreError], str], ...] = (
    (ObjectMissingError, "missing"),
    (AccessDeniedError, "access_denied"),
    (AddressRefusedError, "origin"),
    (ObjectTooLargeError, "too_large"),
    (TruncatedObjectError, "truncated"),
)


def fetch(ctx: Context) -> Upload:
    """Download and decrypt the job's uploads.

    Raises:
        JobError: FETCH_FAILED or FETCH_TIMEOUT; DECODE_FAILED when the upload does not decrypt.
    """
    if ctx.payload.encryption is None:
        ctx.warn(WarningCode.PLAINTEXT_JOB)
    several = ctx.payload.input.raw_paths
    upload = Upload((_whole(ctx),) if several is None else tuple(_whole_list(several, ctx)))
    if upload.size_bytes > ctx.settings.max_upload_bytes:  # plaintext in the room that sealing would have taken
        raise _too_large(ctx.settings)
    return upload


def _whole(ctx: Context) -> bytes:
    encryption = ctx.payload.encryption
    data_key = None if encryption is None else encryption.input_data_key or encryption.data_key
    return _opened(_downloaded(ctx), input_key(ctx.payload, ctx.settings), encryption, data_key)


def _whole_list(paths: Sequence[str], ctx: Context) -> list[bytes]:
    """Several uploads, in their order, together within the time and the bytes that one may take."""
    settings, encryption = ctx.settings, ctx.payload.encryption
    ends_at_s = time.monotonic() + settings.fetch_timeout_s
    left_bytes, found = settings.max_upload_bytes, []
    keys = encryption.input_data_keys if encryption is not None else None
    for path, data_key in zip(paths, keys or [None] * len(paths), strict=True):
        with _store_errors(settings, own=True):
            left_s = ends_at_s - time.monotonic()
            if left_s <= 0:
                raise StoreTimeoutError("the time is up")
            data = ctx.store.fetch_object(path, max_bytes=left_bytes + OVERHEAD_BYTES, timeout_s=left_s)
        found.append(_opened(data, path, encryption, data_key))
        left_bytes -= len(found[-1])
        if left_bytes < 0:
            raise _too_large(settings)
    return found


def _downloaded(ctx: Context) -> bytes:
    settings, source = ctx.settings, ctx.payload.input
    max_bytes, timeout_s = settings.max_upload_bytes + OVERHEAD_BYTES, settings.fetch_timeout_s
    if source.raw_path is not None:
        with _store_errors(settings, own=True):
            return ctx.store.fetch_object(source.raw_path, max_bytes=max_bytes, timeout_s=timeout_s)
    try:
        allowed = permitted(source.artifact_url or "", origin_rules(settings))
    except OriginRefusedError as error:
        raise _failed("origin", str(error)) from None
    from rythmiq.adapters.bounded_http import fetch_url  # noqa: PLC0415  a refused URL needs no HTTP

    with _store_errors(settings, own=allowed.allows is None):
        return fetch_url(allowed.url, max_bytes=max_bytes, timeout_s=timeout_s, allows=allowed.allows)


@contextmanager
def _store_errors(settings: WorkerSettings, *, own: bool) -> Iterator[None]:
    """Translate a store's errors into FETCH_FAILED and FETCH_TIMEOUT.

    Args:
        settings: for the message.
        own: whether it is our own store, which may be starting anew where it cannot be reached.
    """
    try:
        yield
    except StoreTimeoutError:
        message = f"the upload did not arrive within {settings.fetch_timeout_s:g} s"
        raise JobError(ErrorCode.FETCH_TIMEOUT, message) from None
    except StoreError as error:
        reason = next((word for kind, word in _REASONS if isinstance(error, kind)), "unavailable")
        transient = error.transient or (own and isinstance(error, StoreUnreachableError))
        message = "there is no such upload" if reason == "missing" else f"the upload cannot be had: {error}"
        raise _failed(reason, message, transient=transient) from None


def _too_large(settings: WorkerSettings) -> JobError:
    return _failed("too_large", f"the upload has more than {settings.max_upload_bytes} bytes")


def _failed(reason: str, message: str, *, transient: bool = False) -> JobError:
    return JobError(ErrorCode.FETCH_FAILED, message, detail={"reason": reason, "transient": transient})


def _opened(data: bytes, key: str | None, encryption: Encryption | None, data_key: bytes | None) -> bytes:
    """Decrypt what is due to be encrypted: an object of ours in a job that has keys. A foreign file is plaintext."""
    if encryption is None or key is None or data_key is None:
        if is_sealed(data):
            raise _does_not_open(DecryptionError("unknown_kid", "it is encrypted, and the job has no key for it"))
        return data
    try:
        return open_sealed(data, storage_key=key, data_key=data_key)
    except DecryptionError as error:
        # The worker holds no key ring. When the key does not fit and the header names another KEK than the job does,
        # that is the better hint; a mere rotation changes the kid as well, but then the data key fits.
        strange = error.reason == "wrong_key" and data_key == encryption.data_key
        if strange and parse_header(data).kid != encryption.kid:
            error = DecryptionError("unknown_kid", "it was sealed under a key that this job does not know")
        raise _does_not_open(error) from None


def _does_not_open(error: DecryptionError) -> JobError:
    return JobError(ErrorCode.DECODE_FAILED, f"the upload does not decrypt: {error}", detail={"reason": error.reason})
