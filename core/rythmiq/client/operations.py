"""What a client of the service does, step by step, without I/O: every function here is a talk (`client.exchange`).

A submit is POST /uploads, the sealing, the upload, POST /jobs. Everything after the first answer is tied to its
`job_id`, which is the Idempotency-Key too: submitting again with that id goes on where it stopped and is charged once.
"""

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict

from rythmiq.client.errors import (
    ClientError,
    ConflictError,
    FileMissingError,
    InvalidRequestError,
    JobFailedError,
    StoreRefusedError,
    UnexpectedAnswerError,
    UnopenedError,
    UnreachableError,
    WaitTimeoutError,
)
from rythmiq.client.exchange import Answer, Emit, Pause, Send, Service, Talk, call, exchange, read
from rythmiq.contracts.api import (
    AccountAnswer,
    JobAccepted,
    JobLinks,
    JobOptions,
    JobPage,
    JobRequest,
    JobStatus,
    JobView,
    UploadAnswer,
    UploadRequest,
)
from rythmiq.contracts.portal import Portal
from rythmiq.contracts.problems import ProblemCode
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError, open_sealed, seal

JobFile = Literal["document", "preview", "before", "output", "text"]
JOB_FILES: tuple[JobFile, ...] = ("document", "preview", "before", "output", "text")
_Linked = Literal["document", "preview", "before", "output"]
TERMINAL: frozenset[JobStatus] = frozenset({"completed", "failed"})
MAX_FILE_BYTES = 64 * 1024 * 1024
LONG_POLL_S = 10
TEXT_IN_ZIP = "text.txt"
_DEFAULT_PAUSE_S = 2.0
_FORBIDDEN, _PRECONDITION_FAILED, _NOT_MODIFIED = 403, 412, 304
_CANCEL_LOOKS = 5


class _Portals(BaseModel):
    model_config = ConfigDict(frozen=True)

    portals: tuple[Portal, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """What a job is to make of its file."""

    portal: str
    slot: str | None = None
    portal_version: str | None = None
    options: JobOptions | None = None


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file in the clear, what its owner calls it, and what it is."""

    content: bytes = field(repr=False)
    filename: str
    mime_type: str


def submit(  # noqa: PLR0913  files, an order and how to go on
    service: Service,
    files: Sequence[FileContent],
    order: Order,
    *,
    encrypted: bool = True,
    job_id: str | None = None,
    on_sent: Callable[[int], object] | None = None,
) -> Talk[JobAccepted]:
    """Upload a file, or several as the pages of one, and create their job.

    Args:
        service: whom to ask.
        files: at least one; they leave sealed, unless `encrypted` is False.
        order: for which portal.
        encrypted: whether they must be sealed.
        job_id: of a submit that was interrupted, to go on with it.
        on_sent: told how many bytes have been uploaded.

    Raises:
        ClientError: one of its kinds, with `job_id` once there is one; ValueError: what is asked cannot be asked.
    """
    first, *others = files
    wanted = _wanted(first, encrypted=encrypted) if job_id is None else UploadRequest(job_id=job_id)
    try:
        upload = read((yield from call(service, "POST", "/uploads", body=wanted)), UploadAnswer)
    except ConflictError as error:
        if job_id is None or error.code != ProblemCode.UPLOAD_CLAIMED:
            raise
        view = yield from job(service, job_id)  # it was created after all
        return JobAccepted(job_id=view.job_id, status=view.status, links=JobLinks(self=view.links.self))
    try:
        yield from _put(service, upload, first.content, encrypted=encrypted, on_sent=on_sent)
        paths, sent = [upload.raw_path], _body_bytes(upload, first)
        for file in others:
            # What an interrupted submit has uploaded of these is not known any more; it lapses by itself.
            page = read(
                (yield from call(service, "POST", "/uploads", body=_wanted(file, encrypted=encrypted))), UploadAnswer
            )
            yield from _put(service, page, file.content, encrypted=encrypted, on_sent=_after(sent, on_sent))
            paths.append(page.raw_path)
            sent += _body_bytes(page, file)
        return (
            yield from create_job(
                service,
                order,
                raw_path=upload.raw_path if not others else None,
                raw_paths=paths if others else None,
                mime_type=first.mime_type,
                original_filename=first.filename,
                idempotency_key=upload.job_id,
            )
        )
    except ClientError as error:
        error.job_id = upload.job_id
        raise


def _wanted(file: FileContent, *, encrypted: bool) -> UploadRequest:
    return UploadRequest(
        filename=file.filename, mime_type=file.mime_type, size_bytes=len(file.content), encrypted=encrypted
    )


def _body_bytes(upload: UploadAnswer, file: FileContent) -> int:
    return len(file.content) + (OVERHEAD_BYTES if upload.encryption is not None else 0)


def _after(sent_bytes: int, on_sent: Callable[[int], object] | None) -> Callable[[int], object] | None:
    """Tell of all files together."""
    return None if on_sent is None else lambda more_bytes: on_sent(sent_bytes + more_bytes)


def _put(
    service: Service,
    upload: UploadAnswer,
    content: bytes,
    *,
    encrypted: bool,
    on_sent: Callable[[int], object] | None,
) -> Talk[None]:
    """Seal once and upload; sign again when the signature has run out meanwhile."""
    body = _sealed(upload, content, encrypted=encrypted)
    answer = yield from _store(service, _upload(service, upload, body, on_sent))
    if answer.status == _FORBIDDEN:
        again = UploadRequest(job_id=upload.job_id)
        upload = read((yield from call(service, "POST", "/uploads", body=again)), UploadAnswer)
        answer = yield from _store(service, _upload(service, upload, body, on_sent))
    # 412: it stands there already. The key is this upload's alone, so a try of ours that nobody answered put it there.
    if answer.status != _PRECONDITION_FAILED and not 200 <= answer.status < 300:  # noqa: PLR2004  successes
        raise StoreRefusedError(f"the store answered {answer.status} to the upload")


def _sealed(upload: UploadAnswer, content: bytes, *, encrypted: bool) -> bytes:
    if upload.encryption is None:
        if encrypted:
            raise UnexpectedAnswerError("the service gave no key to seal the file with")
        return content
    return seal(
        content,
        storage_key=upload.raw_path,
        data_key=base64.b64decode(upload.encryption.data_key),
        kid=upload.encryption.kid,
        wrapped_key=base64.b64decode(upload.encryption.wrapped_key),
    )


def _upload(service: Service, upload: UploadAnswer, body: bytes, on_sent: Callable[[int], object] | None) -> Send:
    signed = upload.upload
    if signed.method == "POST":
        return Send("POST", signed.url, signed.headers, body, signed.fields, timeout_s=service.timeout_s)
    return Send("PUT", signed.url, signed.headers, body, timeout_s=service.timeout_s, on_sent=on_sent)


def _store(service: Service, send: Send) -> Talk[Answer]:
    """Ask the store; the message says that it was the store."""
    try:
        return (yield from exchange(service, send))
    except UnreachableError as error:
        raise UnreachableError(f"the store cannot be reached: {error.detail}") from None


def create_job(  # noqa: PLR0913  POST /jobs has this many fields
    service: Service,
    order: Order,
    *,
    idempotency_key: str,
    raw_path: str | None = None,
    raw_paths: Sequence[str] | None = None,
    artifact_url: str | None = None,
    mime_type: str | None = None,
    original_filename: str | None = None,
) -> Talk[JobAccepted]:
    """Create a job of an upload or of several, of one's own master, or of a URL that the service may fetch.

    Raises:
        ClientError: one of its kinds; ValueError: what is asked cannot be asked.
    """
    body = JobRequest(
        portal=order.portal,
        slot=order.slot,
        portal_version=order.portal_version,
        raw_path=raw_path,
        raw_paths=None if raw_paths is None else tuple(raw_paths),
        artifact_url=artifact_url,
        mime_type=mime_type,
        original_filename=original_filename,
        options=order.options or JobOptions(),
    )
    answer = yield from call(service, "POST", "/jobs", body=body, headers={"Idempotency-Key": idempotency_key})
    return read(answer, JobAccepted)


def job(service: Service, job_id: str) -> Talk[JobView]:
    """Look at one job.

    Raises:
        ClientError: one of its kinds.
    """
    return read((yield from call(service, "GET", f"/jobs/{quote(job_id, safe='')}")), JobView)


def watch(service: Service, job_id: str, *, timeout_s: float | None = None) -> Talk[JobView]:
    """Emit the job at once and whenever something of it changes, until it has ended; the last one comes back.

    It polls no more often than `Retry-After` says, counted from the start of a poll: a poll that the service held does
    not wait again.

    Raises:
        WaitTimeoutError: it has not ended within `timeout_s`; ClientError: another of its kinds.
    """
    ends_at_s = None if timeout_s is None else service.monotonic_s() + timeout_s
    etag, shown, hold_s = None, None, 0
    most_hold_s, view = LONG_POLL_S, None
    while True:
        began_s = service.monotonic_s()
        headers: dict[str, str] = {} if etag is None else {"If-None-Match": etag}
        path = f"/jobs/{quote(job_id, safe='')}" + (f"?wait={hold_s}" if hold_s else "")
        try:
            answer = yield from call(service, "GET", path, headers=headers, extra_s=hold_s)
        except InvalidRequestError:
            if not hold_s:
                raise
            hold_s = most_hold_s = 0  # this service does not hold a poll for as long
            continue
        if answer.status != _NOT_MODIFIED:
            view, etag = read(answer, JobView), answer.headers.get("etag")
            seen = (view.status, view.stage, view.attempt, view.queue_position)
            if seen != shown:
                shown = seen
                yield Emit(view)
            if view.status in TERMINAL:
                return view
        pause_s = _DEFAULT_PAUSE_S if answer.retry_after_s is None else answer.retry_after_s
        now_s = service.monotonic_s()
        pause_s = max(0.0, pause_s - (now_s - began_s))
        if ends_at_s is not None:
            if now_s + pause_s >= ends_at_s:
                status = "not there yet" if view is None else view.status
                raise WaitTimeoutError(f"the job is still {status} after {timeout_s:g} s", job_id=job_id)
            hold_s = max(0, min(most_hold_s, int(ends_at_s - now_s - pause_s)))
        else:
            hold_s = most_hold_s
        if pause_s:
            yield Pause(pause_s)


def wait(service: Service, job_id: str, *, timeout_s: float | None = None) -> Talk[JobView]:
    """Wait until the job is completed.

    Raises:
        JobFailedError: it failed; WaitTimeoutError: it goes on; ClientError: another of its kinds.
    """
    view = yield from watch(service, job_id, timeout_s=timeout_s)
    if view.status == "failed":
        raise JobFailedError(view)
    return view


def jobs(service: Service, *, status: JobStatus | None = None, page_size: int = 100) -> Talk[None]:
    """Emit every job of the account, newest first, page after page.

    Raises:
        ClientError: one of its kinds.
    """
    cursor: str | None = None
    while True:
        asked = {"status": status, "limit": page_size, "cursor": cursor}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        page = read((yield from call(service, "GET", f"/jobs?{query}")), JobPage)
        for item in page.jobs:
            yield Emit(item)
        if page.next_cursor is None or page.next_cursor == cursor:
            return
        cursor = page.next_cursor


def delete(service: Service, job_id: str) -> Talk[None]:
    """Cancel a pending job with its refund, or remove what an ended one left: files and personal data.

    Repeated after a lost answer, it may do both to a pending job: cancel it, then remove it. Use `cancel` where that
    matters.

    Raises:
        ConflictError: it is being processed; ClientError: another of its kinds.
    """
    yield from call(service, "DELETE", f"/jobs/{quote(job_id, safe='')}")


def cancel(service: Service, job_id: str) -> Talk[bool]:
    """Cancel the job if it is still pending, and never remove anything: False when it has begun or ended already.

    Raises:
        ClientError: one of its kinds.
    """
    lost: UnreachableError | None = None
    for _ in range(_CANCEL_LOOKS):
        view = yield from job(service, job_id)
        if view.status != "pending":
            return lost is not None and (view.error or {}).get("code") == "EXECUTOR_CANCELLED"
        try:
            yield from call(service, "DELETE", f"/jobs/{quote(job_id, safe='')}", repeat="unsent")
        except ConflictError:
            return False  # it began meanwhile
        except UnreachableError as error:
            lost = error  # perhaps it was cancelled: look before asking again, since a second DELETE removes
        else:
            return True
    raise lost or UnreachableError("the job could not be cancelled", job_id=job_id)


def account(service: Service) -> Talk[AccountAnswer]:
    """Credits, ledger entries and limits.

    Raises:
        ClientError: one of its kinds.
    """
    return read((yield from call(service, "GET", "/account")), AccountAnswer)


def portals(service: Service) -> Talk[tuple[Portal, ...]]:
    """The service's rule book.

    Raises:
        ClientError: one of its kinds.
    """
    return read((yield from call(service, "GET", "/portals", authorised=False)), _Portals).portals


def portal(service: Service, slug: str) -> Talk[Portal]:
    """One portal's rules.

    Raises:
        ClientError: one of its kinds.
    """
    path = f"/portals/{quote(slug, safe='')}"
    return read((yield from call(service, "GET", path, authorised=False)), Portal)


def download(service: Service, job_id: str, what: JobFile) -> Talk[bytes]:
    """Download one file of a completed job and open it.

    The document is compared with the receipt, alone and in the ZIP. Text has no link of its own: it is in the ZIP.

    Raises:
        FileMissingError: the job has none; UnopenedError: it does not open; ClientError: another of its kinds.
    """
    view = yield from job(service, job_id)
    if what == "text":
        text = _member((yield from _object(service, view, "output")), TEXT_IN_ZIP, job_id)
        if text is None:
            raise FileMissingError("no text was found in this job's picture", job_id=job_id)
        return text
    return (yield from _object(service, view, what))


def _object(service: Service, view: JobView, what: _Linked) -> Talk[bytes]:
    answer = yield from _store(service, _get(service, view, what))
    if answer.status == _FORBIDDEN:  # the link ran out between the view and the call
        view = yield from job(service, view.job_id)
        answer = yield from _store(service, _get(service, view, what))
    if not 200 <= answer.status < 300:  # noqa: PLR2004  the class of successes
        raise StoreRefusedError(f"the store answered {answer.status} to the download", job_id=view.job_id)
    return _opened(view, what, answer.body)


def _get(service: Service, view: JobView, what: _Linked) -> Send:
    link = getattr(view.links, what)
    if link is None:
        raise FileMissingError(f"the job is {view.status} and has no {what}", job_id=view.job_id)
    return Send("GET", link, timeout_s=service.timeout_s, max_bytes=MAX_FILE_BYTES)


def _opened(view: JobView, what: str, data: bytes) -> bytes:
    if view.encryption is not None:
        try:
            data = open_sealed(
                data,
                storage_key=(view.artifacts or {})[f"{what}_path"],
                data_key=base64.b64decode(view.encryption.data_key),
            )
        except KeyError:
            raise UnexpectedAnswerError(f"the job does not say where its {what} stands", job_id=view.job_id) from None
        except DecryptionError as error:
            raise UnopenedError(f"the {what} does not open: {error}", job_id=view.job_id) from None
    promised = (view.receipt or {}).get("document", {})
    found = _member(data, promised.get("filename", ""), view.job_id) if what == "output" else data
    if what in {"document", "output"} and promised.get("sha256") != hashlib.sha256(found or b"").hexdigest():
        raise UnopenedError(f"the {what} is not the one of the receipt", job_id=view.job_id)
    return data


def _member(archive: bytes, name: str, job_id: str) -> bytes | None:
    """One file of a ZIP; None when it is not there."""
    import zipfile  # noqa: PLC0415  only some downloads need it

    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if name not in opened.namelist():
                return None
            if opened.getinfo(name).file_size > MAX_FILE_BYTES:
                raise UnopenedError("a file in the ZIP is larger than any we make", job_id=job_id)
            return opened.read(name)
    except zipfile.BadZipFile:
        raise UnopenedError("the output is not a ZIP", job_id=job_id) from None
