"""POST and DELETE /uploads: a presigned upload with its data key, both again on request; and removing an upload.

Source: docs/specification/http-api.md, docs/specification/storage-keys.md.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.bodies import SignedUpload, UploadAnswer, UploadKey, UploadRequest
from rythmiq.contracts.keys import SEALED_TYPE, is_upload_of, raw_key, sanitize_filename
from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError
from rythmiq.crypto import OVERHEAD_BYTES
from rythmiq.crypto.key_ring import DataKey
from rythmiq.log import log
from rythmiq.ports.database import RateLimit, Upload
from rythmiq.services import Backends

if TYPE_CHECKING:
    import datetime as dt

    from rythmiq.ports.database import RateSink
    from rythmiq.ports.database import UploadAnswer as Written

TOO_MANY_UPLOADS_RETRY_S = 3_600
_DAY_S = 86_400
_REMOVAL_S = 2.0


@dataclass(frozen=True, slots=True)
class UploadPolicy:
    """Limits that the operator sets.

    Attributes:
        max_upload_bytes: of the plaintext.
        initial_credits: what a user has at the first call.
        plaintext_allowed: whether `encrypted: false` is taken.
        method: how clients upload.
        url_ttl_s: how long a signature holds.
        rate: of a user's calls.
        max_bytes_a_day: of the plaintext that a user announces in a day (UTC).
        guest_credits: what a guest has at the first call.
    """

    max_upload_bytes: int
    initial_credits: int
    plaintext_allowed: bool
    method: Literal["put", "post"] = "put"
    url_ttl_s: int = 900
    rate: RateLimit = field(default_factory=RateLimit)
    max_bytes_a_day: int = 1024**3
    guest_credits: int = 0


class Uploads:
    """The use cases.

    Args:
        backends: where uploads and objects are kept, and what wraps data keys.
        policy: what the operator allows.
    """

    def __init__(self, backends: Backends, policy: UploadPolicy) -> None:
        self._backends = backends
        self._database, self._store, self._ring = backends.database, backends.store, backends.ring
        self._clock = backends.clock
        self._policy = policy

    def create(
        self, user_id: str, request: UploadRequest, *, is_guest: bool = False, on_rate: "RateSink | None" = None
    ) -> UploadAnswer:
        """Sign a new upload, or one's own unclaimed one again (same key, same data key).

        Raises:
            ProblemError: UPLOAD_TOO_LARGE, INVALID_FIELD, NOT_FOUND, UPLOAD_CLAIMED, RATE_LIMITED, TOO_MANY_UPLOADS,
                DAILY_LIMIT, NOT_CONFIGURED.
            DatabaseUnavailableError: the database does not answer.
        """
        described = {name: getattr(request, name) for name in ("filename", "mime_type", "size_bytes")}
        if request.job_id is not None:
            if given := [name for name, value in described.items() if value is not None]:
                raise _wrong_fields(given, FieldCode.CONFLICT, "is not to be given beside job_id")
            return self._again(user_id, request.job_id, on_rate)
        if request.filename is None or request.mime_type is None or request.size_bytes is None:
            missing = [name for name, value in described.items() if value is None]
            raise _wrong_fields(missing, FieldCode.REQUIRED, "is needed, unless job_id is given alone")
        self._admit(request.size_bytes, sealed=request.encrypted)
        key = self._ring.mint(user_id) if request.encrypted and self._ring is not None else None
        now, job_id = self._clock.now(), str(uuid.uuid4())
        upload = Upload(
            job_id=job_id,
            user_id=user_id,
            raw_path=raw_key(user_id, job_id, now, sanitize_filename(request.filename)),
            mime_type=request.mime_type,
            size_bytes=request.size_bytes,
            kid=key.kid if key else None,
            wrapped_key=key.wrapped_key_text if key else None,
            created_at=now,
        )
        policy = self._policy
        written = self._database.upload_create(
            upload,
            initial_credits=policy.guest_credits if is_guest else policy.initial_credits,
            is_guest=is_guest,
            rate=policy.rate,
            max_bytes_a_day=policy.max_bytes_a_day,
        )
        self._within_rate(written, on_rate)
        if written.outcome == "daily_limit":
            limit = f"A user may upload {policy.max_bytes_a_day} bytes a day; the day ends at midnight UTC."
            raise ProblemError(ProblemCode.DAILY_LIMIT, limit, retry_after_s=_left_of_day_s(now))
        if written.outcome == "too_many":
            raise ProblemError(ProblemCode.TOO_MANY_UPLOADS, retry_after_s=TOO_MANY_UPLOADS_RETRY_S)
        return self._signed(upload, key)

    def delete(self, user_id: str, job_id: str) -> None:
        """Remove one's own upload that has no job; a second time, while it is still swept, is no error.

        Raises:
            ProblemError: NOT_FOUND, UPLOAD_CLAIMED.
            StoreError: the store does not answer; a repeat, or else a tick, removes the object.
            DatabaseUnavailableError: the database does not answer.
        """
        deletion = self._database.upload_delete(user_id, job_id)
        if deletion.outcome == "claimed":
            raise ProblemError(ProblemCode.UPLOAD_CLAIMED, "This upload has a job: delete that.")
        if deletion.outcome == "unknown":
            raise _no_upload()
        log("upload_deleted", job_id=job_id, outcome=deletion.outcome)
        for key in deletion.keys:
            self._store.delete_object(key, timeout_s=_REMOVAL_S)

    def _within_rate(self, written: "Written", on_rate: "RateSink | None") -> None:
        if on_rate is not None:
            on_rate(self._policy.rate, written.rate)
        if written.outcome == "rate_limited":
            raise ProblemError(ProblemCode.RATE_LIMITED, retry_after_s=(written.rate or {}).get("retry_after_s"))

    def _again(self, user_id: str, job_id: str, on_rate: "RateSink | None") -> UploadAnswer:
        found = self._database.upload_get(user_id, job_id, rate=self._policy.rate)
        self._within_rate(found, on_rate)
        if found.outcome == "claimed":
            raise ProblemError(ProblemCode.UPLOAD_CLAIMED)
        if found.upload is None:
            raise _no_upload()
        upload = found.upload
        if not is_upload_of(upload.raw_path, user_id, job_id):
            log("row_refused", level="error", job_id=job_id, reason="an upload's key that is not its owner's")
            raise _no_upload()
        return self._signed(upload, self._backends.open_key(upload.kid, upload.wrapped_key, user_id))

    def _admit(self, size_bytes: int, *, sealed: bool) -> None:
        if sealed and self._ring is None:
            detail = "this service has no keys, so it takes plaintext only; send false."
            raise _wrong_fields(["encrypted"], FieldCode.NOT_ALLOWED, detail)
        if not sealed and not self._policy.plaintext_allowed:
            raise _wrong_fields(["encrypted"], FieldCode.NOT_ALLOWED, "this service takes encrypted uploads only.")
        if size_bytes > self._policy.max_upload_bytes:
            limit = f"A file has at most {self._policy.max_upload_bytes} bytes."
            raise ProblemError(ProblemCode.UPLOAD_TOO_LARGE, limit)

    def _signed(self, upload: Upload, key: DataKey | None) -> UploadAnswer:
        overhead = OVERHEAD_BYTES if key else 0
        presigned = self._store.generate_upload_url(
            upload.raw_path,
            size_bytes=upload.size_bytes + overhead,
            content_type=SEALED_TYPE if key else upload.mime_type,
            method=self._policy.method,
            expires_s=self._policy.url_ttl_s,
            min_bytes=1 + overhead,
        )
        return UploadAnswer(
            job_id=upload.job_id,
            raw_path=upload.raw_path,
            upload=SignedUpload(
                method=presigned.method, url=presigned.url, headers=presigned.headers, fields=presigned.fields
            ),
            expires_at=presigned.expires_at,
            encryption=UploadKey(kid=key.kid, data_key=key.data_key_text, wrapped_key=key.wrapped_key_text)
            if key
            else None,
        )


def _no_upload() -> ProblemError:
    return ProblemError(ProblemCode.NOT_FOUND, "You have no upload of this job_id.")


def _left_of_day_s(now: "dt.datetime") -> int:
    return _DAY_S - int(now.timestamp()) % _DAY_S


def _wrong_fields(names: Iterable[str], code: FieldCode, detail: str) -> ProblemError:
    return ProblemError(ProblemCode.INVALID_FIELD, errors=[FieldError(f"/{name}", code, detail) for name in names])
