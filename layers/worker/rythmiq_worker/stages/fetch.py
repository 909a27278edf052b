"""FETCH: get the upload and open it.

Source: SPEC 3, 5, 6.
"""

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.payload import Encryption
from rythmiq.contracts.store_errors import (
    AccessDeniedError,
    AddressRefusedError,
    ObjectMissingError,
    ObjectTooLargeError,
    StoreError,
    StoreTimeoutError,
    TruncatedObjectError,
)
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, is_sealed, open_sealed, parse_header
from rythmiq.settings import WorkerSettings
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.intake import input_key
from rythmiq_worker.origins import OriginRefusedError, permitted

_REASONS: tuple[tuple[type[StoreError], str], ...] = (
    (ObjectMissingError, "missing"),
    (AccessDeniedError, "access_denied"),
    (AddressRefusedError, "origin"),
    (ObjectTooLargeError, "too_large"),
    (TruncatedObjectError, "truncated"),
)


def fetch(frame: Frame, ctx: Context) -> None:
    """Fill in `upload` and `input_bytes`.

    Raises:
        JobError: FETCH_FAILED or FETCH_TIMEOUT; DECODE_FAILED when the upload does not decrypt.
    """
    if ctx.payload.encryption is None:
        frame.warn(WarningCode.PLAINTEXT_JOB)
    key = input_key(ctx.payload, ctx.settings)
    data = _downloaded(ctx)
    frame.upload = _opened(data, key, ctx.payload.encryption)
    frame.input_bytes = len(frame.upload)
    if frame.input_bytes > ctx.settings.max_upload_bytes:  # plaintext in the room that sealing would have taken
        raise _failed("too_large", f"the upload has more than {ctx.settings.max_upload_bytes} bytes")


def store_of(settings: WorkerSettings) -> SpacesStore:
    """The worker's store; it tries once."""
    config = StoreConfig(
        settings.spaces_endpoint,
        settings.spaces_region,
        settings.spaces_bucket,
        settings.spaces_key,
        settings.spaces_secret.get_secret_value(),
    )
    return SpacesStore(config, attempts=1)


def _downloaded(ctx: Context) -> bytes:
    settings, source = ctx.settings, ctx.payload.input
    max_bytes, timeout_s = settings.max_upload_bytes + OVERHEAD_BYTES, settings.fetch_timeout_s
    try:
        if source.raw_path is not None:
            return store_of(settings).fetch_object(source.raw_path, max_bytes=max_bytes, timeout_s=timeout_s)
        allowed = permitted(source.artifact_url or "", settings)
        from rythmiq.adapters.bounded_http import fetch_url  # noqa: PLC0415  a refused URL needs no httpx

        return fetch_url(allowed.url, max_bytes=max_bytes, timeout_s=timeout_s, allows=allowed.allows)
    except OriginRefusedError as error:
        raise _failed("origin", str(error)) from None
    except StoreTimeoutError:
        message = f"the upload did not arrive within {timeout_s:g} s"
        raise JobError(ErrorCode.FETCH_TIMEOUT, message) from None
    except StoreError as error:
        reason = next((word for kind, word in _REASONS if isinstance(error, kind)), "unavailable")
        message = "there is no such upload" if reason == "missing" else f"the upload cannot be had: {error}"
        raise _failed(reason, message, transient=error.transient) from None


def _failed(reason: str, message: str, *, transient: bool = False) -> JobError:
    return JobError(ErrorCode.FETCH_FAILED, message, detail={"reason": reason, "transient": transient})


def _opened(data: bytes, key: str | None, encryption: Encryption | None) -> bytes:
    """Decrypt what is due to be encrypted: an object of ours in a job that has keys. A foreign file is plaintext."""
    if encryption is None or key is None:
        if is_sealed(data):
            raise _does_not_open(DecryptionError("unknown_kid", "it is encrypted, and the job has no key for it"))
        return data
    try:
        return open_sealed(data, storage_key=key, data_key=encryption.input_data_key or encryption.data_key)
    except DecryptionError as error:
        # The worker holds no key ring. When the key does not fit and the header names another KEK than the job does,
        # that is the better hint; a mere rotation changes the kid as well, but then the data key fits.
        strange = error.reason == "wrong_key" and encryption.input_data_key is None
        if strange and parse_header(data).kid != encryption.kid:
            error = DecryptionError("unknown_kid", "it was sealed under a key that this job does not know")
        raise _does_not_open(error) from None


def _does_not_open(error: DecryptionError) -> JobError:
    return JobError(ErrorCode.DECODE_FAILED, f"the upload does not decrypt: {error}", detail={"reason": error.reason})
