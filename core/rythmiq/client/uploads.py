"""Submitting, as flows (`rythmiq.client.exchange`): POST /uploads, encryption, the upload, POST /jobs.

The `job_id` of the first answer is the Idempotency-Key of the last call: submitting again with that id resumes where
the first try stopped, and is charged once.
"""

import base64
import mimetypes
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rythmiq.client.errors import (
    ClientError,
    ConflictError,
    StoreRefusedError,
    UnexpectedAnswerError,
)
from rythmiq.client.exchange import (
    Blocking,
    Flow,
    Send,
    Service,
    call,
    read,
    store_exchange,
)
from rythmiq.client.jobs import job
from rythmiq.contracts.bodies import UploadAnswer, UploadRequest
from rythmiq.contracts.job_bodies import JobAccepted, JobLinks, JobOptions, JobRequest
from rythmiq.contracts.problems import ProblemCode
from rythmiq.crypto import seal

File = bytes | str | Path
OnSent = Callable[[int], object] | None
_FORBIDDEN, _PRECONDITION_FAILED = 403, 412


@dataclass(frozen=True, slots=True)
class _FileContent:
    content: bytes = field(repr=False)
    filename: str
    mime_type: str


def submit(  # noqa: PLR0913  the options of a job
    service: Service,
    file: File | Sequence[File],
    portal: str,
    slot: str | None = None,
    *,
    portal_version: str | None = None,
    options: JobOptions | None = None,
    filename: str | None = None,
    mime_type: str | None = None,
    encrypted: bool = True,
    job_id: str | None = None,
    on_sent: OnSent = None,
) -> Flow[JobAccepted]:
    """Encrypt and upload a file, or several as the pages of one PDF, and create their job.

    Args:
        service: where to send it.
        file: a path, or the file's bytes; or several of them, in their order.
        portal: for which portal.
        slot: which of its files; may be left out where the portal has one.
        portal_version: of its rules; by default the current one.
        options: crop, rotate, face, background, caption, ocr_language.
        filename: of the first file; by default the path's name.
        mime_type: of the first file; by default guessed from the name.
        encrypted: False only for a service that takes plaintext.
        job_id: of an interrupted submit (`ClientError.job_id`), to resume it.
        on_sent: called with the number of bytes uploaded so far.

    Raises:
        ClientError: with `job_id` once there is one; OSError: the file cannot be read; ValueError: an invalid argument.
    """
    files: Sequence[_FileContent] = yield Blocking(partial(_read_files, file, filename, mime_type))
    first, *others = files
    wanted = UploadRequest(job_id=job_id) if job_id is not None else _announcement(first, encrypted=encrypted)
    try:
        upload = yield from _signed_upload(service, wanted)
    except ConflictError as error:
        if job_id is None or error.code != ProblemCode.UPLOAD_CLAIMED:
            raise
        view = yield from job(service, job_id)  # it was created after all
        return JobAccepted(job_id=view.job_id, status=view.status, links=JobLinks(self=view.links.self))
    try:
        sent_bytes = yield from _put(service, upload, first.content, encrypted=encrypted, on_sent=on_sent)
        paths = [upload.raw_path]
        for page in others:
            # Pages that an interrupted submit uploaded are not known any more; they expire.
            target = yield from _signed_upload(service, _announcement(page, encrypted=encrypted))
            report = _offset(on_sent, sent_bytes)
            sent_bytes += yield from _put(service, target, page.content, encrypted=encrypted, on_sent=report)
            paths.append(target.raw_path)
        return (
            yield from create_job(
                service,
                portal,
                slot,
                raw_path=None if others else upload.raw_path,
                raw_paths=paths if others else None,
                portal_version=portal_version,
                options=options,
                mime_type=first.mime_type,
                original_filename=first.filename,
                idempotency_key=upload.job_id,
            )
        )
    except ClientError as error:
        error.job_id = upload.job_id
        raise


def _read_files(files: File | Sequence[File], filename: str | None, mime_type: str | None) -> list[_FileContent]:
    several = [files] if isinstance(files, bytes | str | Path) else list(files)
    if not several:
        raise ValueError("there is no file to submit")
    first, *others = several
    return [_read_file(first, filename, mime_type), *(_read_file(file, None, None) for file in others)]


def _read_file(file: File, filename: str | None, mime_type: str | None) -> _FileContent:
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    name = filename or ("file" if isinstance(file, bytes) else Path(file).name)
    return _FileContent(content, name, mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream")


def _announcement(file: _FileContent, *, encrypted: bool) -> UploadRequest:
    return UploadRequest(
        filename=file.filename, mime_type=file.mime_type, size_bytes=len(file.content), encrypted=encrypted
    )


def _offset(on_sent: OnSent, sent_bytes: int) -> OnSent:
    return None if on_sent is None else lambda more_bytes: on_sent(sent_bytes + more_bytes)


def _signed_upload(service: Service, request: UploadRequest) -> Flow[UploadAnswer]:
    return read((yield from call(service, "POST", "/uploads", body=request)), UploadAnswer)


def _put(service: Service, upload: UploadAnswer, content: bytes, *, encrypted: bool, on_sent: OnSent) -> Flow[int]:
    """Encrypt once and upload; renew the signature if it has expired meanwhile.

    Returns:
        The number of bytes uploaded.
    """
    body = _sealed(upload, content, encrypted=encrypted)
    answer = yield from store_exchange(service, _upload(service, upload, body, on_sent))
    if answer.status == _FORBIDDEN:
        upload = yield from _signed_upload(service, UploadRequest(job_id=upload.job_id))
        answer = yield from store_exchange(service, _upload(service, upload, body, on_sent))
    # 412: the object exists. The key is this upload's alone, so an earlier try of ours, whose answer was lost, made it.
    if answer.status != _PRECONDITION_FAILED and not answer.is_success:
        raise StoreRefusedError(f"the store answered {answer.status} to the upload")
    return len(body)


def _sealed(upload: UploadAnswer, content: bytes, *, encrypted: bool) -> bytes:
    if upload.encryption is None:
        if encrypted:
            raise UnexpectedAnswerError("the service gave no key to encrypt the file with")
        return content
    return seal(
        content,
        storage_key=upload.raw_path,
        data_key=base64.b64decode(upload.encryption.data_key),
        kid=upload.encryption.kid,
        wrapped_key=base64.b64decode(upload.encryption.wrapped_key),
    )


def _upload(service: Service, upload: UploadAnswer, body: bytes, on_sent: OnSent) -> Send:
    signed = upload.upload
    if signed.method == "POST":
        return Send("POST", signed.url, signed.headers, body, signed.fields, timeout_s=service.timeout_s)
    return Send("PUT", signed.url, signed.headers, body, timeout_s=service.timeout_s, on_sent=on_sent)


def create_job(  # noqa: PLR0913  POST /jobs has this many fields
    service: Service,
    portal: str,
    slot: str | None = None,
    *,
    raw_path: str | None = None,
    raw_paths: Sequence[str] | None = None,
    artifact_url: str | None = None,
    portal_version: str | None = None,
    options: JobOptions | None = None,
    mime_type: str | None = None,
    original_filename: str | None = None,
    idempotency_key: str | None = None,
) -> Flow[JobAccepted]:
    """Create a job from what is uploaded: `raw_path`, e.g. `view.artifacts["master_path"]`, `raw_paths`, or a URL.

    Raises:
        ClientError: one of its kinds; ValueError: an invalid argument.
    """
    body = JobRequest(
        portal=portal,
        slot=slot,
        portal_version=portal_version,
        raw_path=raw_path,
        raw_paths=None if raw_paths is None else tuple(raw_paths),
        artifact_url=artifact_url,
        mime_type=mime_type,
        original_filename=original_filename,
        options=options or JobOptions(),
    )
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    return read((yield from call(service, "POST", "/jobs", body=body, headers=headers)), JobAccepted)
