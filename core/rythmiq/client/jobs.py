"""Watching, downloading and removing jobs, the account and the rule book, as flows (`rythmiq.client.exchange`)."""

import base64
import hashlib
import io
import math
import zipfile
from collections.abc import Generator
from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict

from rythmiq.client.errors import (
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
from rythmiq.client.exchange import (
    Effect,
    Emit,
    Flow,
    Pause,
    Send,
    Service,
    Stream,
    call,
    read,
    store_exchange,
)
from rythmiq.contracts.bodies import AccountAnswer, AccountErased
from rythmiq.contracts.choices import JobStatus
from rythmiq.contracts.job_bodies import JobItem, JobPage, JobView
from rythmiq.contracts.portal import Portal
from rythmiq.crypto import DecryptionError, open_sealed

JobFile = Literal["document", "preview", "before", "output", "text"]
JOB_FILES: tuple[JobFile, ...] = ("document", "preview", "before", "output", "text")
TERMINAL: frozenset[JobStatus] = frozenset({"completed", "failed"})
MAX_FILE_BYTES = 64 * 1024 * 1024
LONG_POLL_S = 10.0
_DEFAULT_PAUSE_S = 2.0
_FORBIDDEN, _NOT_MODIFIED = 403, 304
_CANCEL_LOOKS = 5


class _Portals(BaseModel):
    model_config = ConfigDict(frozen=True)

    portals: tuple[Portal, ...]


def job(service: Service, job_id: str) -> Flow[JobView]:
    """Return one job as it is now. Raises ClientError."""
    return read((yield from call(service, "GET", f"/jobs/{quote(job_id, safe='')}")), JobView)


def watch(service: Service, job_id: str, *, timeout_s: float | None = None) -> Stream[JobView]:
    """Yield the job now and whenever its status, stage, attempt or place in the queue changes, until it has ended.

    Raises:
        WaitTimeoutError: it has not ended within `timeout_s`; ClientError: another of its kinds.
    """
    yield from _polled(service, job_id, timeout_s)


def wait(service: Service, job_id: str, *, timeout_s: float | None = None) -> Flow[JobView]:
    """Return the job once it is completed.

    Raises:
        JobFailedError: it failed; WaitTimeoutError: it has not ended within `timeout_s`; ClientError: another kind.
    """
    view = yield from _polled(service, job_id, timeout_s, until_ended=True)
    if view.status == "failed":
        raise JobFailedError(view)
    return view


def _polled(
    service: Service, job_id: str, timeout_s: float | None, *, until_ended: bool = False
) -> Generator[Effect | Emit[JobView], object, JobView]:
    """Poll a job until it has ended; emits it when it changes.

    Polls are held by the service (`wait`), all but the first that looks for any change. After an answer that brought a
    change the next poll follows at once; after another one, no sooner than `Retry-After`, counted from its start.
    """
    ends_at_s = math.inf if timeout_s is None else service.monotonic_s() + timeout_s
    etag: str | None = None
    view, shown, most_hold_s = None, None, LONG_POLL_S
    hold_s = min(most_hold_s, timeout_s or most_hold_s) if until_ended else 0.0
    while True:
        began_s = service.monotonic_s()
        headers: dict[str, str] = {} if etag is None else {"If-None-Match": etag}
        query = (f"?wait={hold_s:g}" + "&until=ended" * until_ended) if hold_s else ""
        try:
            answer = yield from call(
                service, "GET", f"/jobs/{quote(job_id, safe='')}{query}", headers=headers, extra_s=hold_s
            )
        except InvalidRequestError:
            if not hold_s:
                raise
            hold_s = most_hold_s = 0.0  # this service does not hold a poll for as long
            continue
        known_etag = etag
        if answer.status != _NOT_MODIFIED:
            view, etag = read(answer, JobView), answer.headers.get("etag")
            seen = (view.status, view.stage, view.attempt, view.queue_position)
            if seen != shown:
                shown = seen
                yield Emit(view)
            if view.status in TERMINAL:
                return view
        now_s = service.monotonic_s()
        retry_after_s = _DEFAULT_PAUSE_S if answer.retry_after_s is None else answer.retry_after_s
        changed = etag != known_etag and most_hold_s > 0
        pause_s = 0.0 if changed else max(0.0, retry_after_s - (now_s - began_s))
        if now_s + pause_s >= ends_at_s:
            status = "not there yet" if view is None else view.status
            raise WaitTimeoutError(f"the job is still {status} after {timeout_s:g} s", job_id=job_id)
        hold_s = round(min(most_hold_s, ends_at_s - now_s - pause_s), 3)
        if pause_s:
            yield Pause(pause_s)


def jobs(service: Service, *, status: JobStatus | None = None, page_size: int = 100) -> Stream[JobItem]:
    """Yield every job of the account, newest first. Raises ClientError."""
    cursor: str | None = None
    while True:
        query = {"status": status, "limit": page_size, "cursor": cursor}
        encoded = urlencode({name: value for name, value in query.items() if value is not None})
        page = read((yield from call(service, "GET", f"/jobs?{encoded}")), JobPage)
        for item in page.jobs:
            yield Emit(item)
        if page.next_cursor is None or page.next_cursor == cursor:
            return
        cursor = page.next_cursor


def delete(service: Service, job_id: str) -> Flow[None]:
    """Remove the files and personal data of an ended job; a pending one is cancelled with its refund.

    Retried after a lost answer, it may do both to a pending job: cancel it, then remove it. Use `cancel` where that
    matters.

    Raises:
        ConflictError: it is being processed; ClientError: another of its kinds.
    """
    yield from call(service, "DELETE", f"/jobs/{quote(job_id, safe='')}")


def cancel(service: Service, job_id: str) -> Flow[bool]:
    """Cancel a pending job with its refund, and its upload with it; removes nothing of a job that has begun.

    Returns:
        False if it has begun or ended already, which changes nothing.

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
            lost = error  # it may be cancelled: look first, since a second DELETE removes
        else:
            return True
    raise lost or UnreachableError("the job could not be cancelled", job_id=job_id)


def delete_upload(service: Service, job_id: str) -> Flow[None]:
    """Remove an upload that has no job. Raises ClientError (ConflictError once it has one)."""
    yield from call(service, "DELETE", f"/uploads/{quote(job_id, safe='')}")


def account(service: Service) -> Flow[AccountAnswer]:
    """Return credits, ledger entries and limits. Raises ClientError."""
    return read((yield from call(service, "GET", "/account")), AccountAnswer)


def erase_account(service: Service) -> Flow[AccountErased]:
    """Erase the account with everything of it, for good; returns the receipt. Raises ClientError.

    It is not repeated when the answer is lost: where it was done all the same, the next call is refused with
    ACCOUNT_ERASED.
    """
    return read((yield from call(service, "DELETE", "/account", repeat="unsent")), AccountErased)


def portals(service: Service) -> Flow[tuple[Portal, ...]]:
    """Return the service's rule book; needs no token. Raises ClientError."""
    return read((yield from call(service, "GET", "/portals", authorised=False)), _Portals).portals


def portal(service: Service, portal: str) -> Flow[Portal]:
    """Return one portal's rules; needs no token. Raises ClientError."""
    return read((yield from call(service, "GET", f"/portals/{quote(portal, safe='')}", authorised=False)), Portal)


# --- download ----------------------------------------------------------------


def download(service: Service, job_id: str, what: JobFile = "document") -> Flow[bytes]:
    """Download and decrypt a file of a completed job: document, preview, before, output (the ZIP) or text.

    The document's SHA-256 is compared with the receipt's, alone and in the ZIP, and every file's with the job's
    `hashes`, so that the store cannot put an older one in its place.

    Raises:
        FileMissingError: the job has no such file; UnopenedError: it does not decrypt, or is not what was made;
        ClientError: another of its kinds.
    """
    view = yield from job(service, job_id)
    return (yield from _object(service, view, what))


def _object(service: Service, view: JobView, what: str) -> Flow[bytes]:
    answer = yield from store_exchange(service, _get(service, view, what))
    if answer.status == _FORBIDDEN:  # the link expired between the view and the call
        view = yield from job(service, view.job_id)
        answer = yield from store_exchange(service, _get(service, view, what))
    if not answer.is_success:
        raise StoreRefusedError(f"the store answered {answer.status} to the download", job_id=view.job_id)
    return _opened(view, what, answer.body)


def _get(service: Service, view: JobView, what: str) -> Send:
    link = getattr(view.links, what)
    if link is None:
        raise FileMissingError(f"the job is {view.status} and has no {what}", job_id=view.job_id)
    return Send("GET", link, timeout_s=service.timeout_s, max_bytes=MAX_FILE_BYTES)


def _opened(view: JobView, what: str, data: bytes) -> bytes:
    """Decrypt a downloaded object, and compare it with the job's hashes, and the document with the receipt."""
    if view.encryption is not None:
        try:
            data = open_sealed(
                data,
                storage_key=(view.artifacts or {})[f"{what}_path"],
                data_key=base64.b64decode(view.encryption.data_key),
            )
        except KeyError:
            raise UnexpectedAnswerError(f"the job does not name its {what}'s storage key", job_id=view.job_id) from None
        except DecryptionError as error:
            raise UnopenedError(f"the {what} does not open: {error}", job_id=view.job_id) from None
    made = (view.hashes or {}).get(what)
    if made is not None and made != hashlib.sha256(data).hexdigest():
        raise UnopenedError(f"the {what} is not the one that was made", job_id=view.job_id)
    promised = (view.receipt or {}).get("document", {})
    found = _member(data, promised.get("filename", ""), view.job_id) if what == "output" else data
    if what in {"document", "output"} and promised.get("sha256") != hashlib.sha256(found or b"").hexdigest():
        raise UnopenedError(f"the {what} is not the one of the receipt", job_id=view.job_id)
    return data


def _member(archive: bytes, name: str, job_id: str) -> bytes | None:
    """Read one file of a ZIP; None when it has none of that name."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if name not in opened.namelist():
                return None
            if opened.getinfo(name).file_size > MAX_FILE_BYTES:
                raise UnopenedError("a file in the ZIP is larger than any we make", job_id=job_id)
            return opened.read(name)
    except zipfile.BadZipFile:
        raise UnopenedError("the output is not a ZIP", job_id=job_id) from None
