"""FETCH: get the upload and open it.

Source: SPEC 3, 5, 6.
"""

from rythmiq.adapters.bounded_http import ObjectMissingError, StoreError, StoreTimeoutError, call
from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.advice import WarningCode
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.payload import require_owned
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, is_sealed, open_sealed
from rythmiq.settings import WorkerSettings
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.origins import OriginRefusedError, is_public, permitted


def fetch(frame: Frame, ctx: Context) -> None:
    """Fill in `upload` and `input_bytes`.

    Raises:
        JobError: FETCH_FAILED, FETCH_TIMEOUT, PAYLOAD_INVALID (somebody else's object) or DECODE_FAILED (does not
            decrypt).
    """
    payload, settings = ctx.payload, ctx.settings
    if payload.encryption is None:
        if not settings.plaintext_allowed:
            raise JobError(
                ErrorCode.PAYLOAD_INVALID,
                "encryption is missing, and this worker takes plaintext only where ALLOW_PLAINTEXT says so",
            )
        frame.warn(WarningCode.PLAINTEXT_JOB)
    try:
        data, key = _download(ctx)
    except OriginRefusedError as error:
        raise JobError(ErrorCode.FETCH_FAILED, str(error), detail={"transient": False}) from None
    except StoreTimeoutError:
        raise JobError(
            ErrorCode.FETCH_TIMEOUT, f"the upload did not arrive within {settings.fetch_timeout_s:g} s"
        ) from None
    except StoreError as error:
        missing = isinstance(error, ObjectMissingError)
        message = "there is no such upload" if missing else f"the upload cannot be had: {error}"
        raise JobError(ErrorCode.FETCH_FAILED, message, detail={"transient": error.transient}) from None
    frame.upload = _opened(data, key, ctx)
    frame.input_bytes = len(frame.upload)
    if len(frame.upload) > settings.max_upload_bytes:
        raise _too_large(settings)


def _download(ctx: Context) -> tuple[bytes, str | None]:
    """The object's bytes, and its storage key when it is ours."""
    settings, source = ctx.settings, ctx.payload.input
    max_bytes = settings.max_upload_bytes + OVERHEAD_BYTES
    if source.raw_path is not None:
        store = store_of(settings)
        return store.fetch_object(
            source.raw_path, max_bytes=max_bytes, timeout_s=settings.fetch_timeout_s
        ), source.raw_path
    url = source.artifact_url or ""
    allowed = permitted(url, settings)
    if allowed.storage_key is not None:
        try:
            require_owned(allowed.storage_key, ctx.payload.user_id, ctx.payload.job_id)
        except ValueError as error:
            raise JobError(ErrorCode.PAYLOAD_INVALID, f"input.artifact_url: {error}") from None
    answer = call(
        "GET",
        url,
        timeout_s=settings.fetch_timeout_s,
        max_bytes=max_bytes,
        allows=None if allowed.any_address else is_public,
    )
    return answer.body, allowed.storage_key


def _opened(data: bytes, key: str | None, ctx: Context) -> bytes:
    """Decrypt what is due to be encrypted; a foreign file is plaintext."""
    encryption = ctx.payload.encryption
    if encryption is None:
        if is_sealed(data):
            raise _does_not_open(DecryptionError("unknown_kid", "the upload is encrypted and the job has no key"))
        return data
    if key is None:
        return data
    try:
        return open_sealed(data, storage_key=key, data_key=encryption.input_data_key or encryption.data_key)
    except DecryptionError as error:
        raise _does_not_open(error) from None


def _does_not_open(error: DecryptionError) -> JobError:
    return JobError(ErrorCode.DECODE_FAILED, f"the upload does not decrypt: {error}", detail={"reason": error.reason})


def _too_large(settings: WorkerSettings) -> JobError:
    return JobError(
        ErrorCode.FETCH_FAILED,
        f"the upload has more than {settings.max_upload_bytes} bytes",
        detail={"transient": False},
    )


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
