"""Translates jobs between the API and the database: a request's source, a row's view, ETag and cursor, and refusals.

A job's source is a key of the caller's own in our bucket, or a URL that may be fetched.

Source: docs/specification/http-api.md, docs/specification/storage-keys.md.
"""

import base64
import binascii
import datetime as dt
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rythmiq.contracts.choices import why_refused
from rythmiq.contracts.job_bodies import JobItem, JobKey, JobLinks, JobRequest, JobView
from rythmiq.contracts.keys import UUID4_PATTERN, InvalidKeyError, OutputKey, RawKey, is_made_by, parse_key
from rythmiq.contracts.origins import OriginRefusedError, OriginRules, own_key, permitted
from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError
from rythmiq.crypto.key_ring import DataKey, KeyRing
from rythmiq.ports import SigningStore
from rythmiq.ports.jobs import JobCreated, JobListRow, JobRow, RefusedOption, RuleNames


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a job; exactly one field is set."""

    raw_path: str | None
    artifact_url: str | None
    raw_paths: tuple[str, ...] | None = None


def source_of(request: JobRequest, user_id: str, rules: OriginRules) -> Source:
    """Find the source of a request and hold it against the caller and the rules, before anything is charged.

    A URL into our own bucket is the key that it names: its signature does not matter, since the job's owner is who
    asks, and two URLs of one object are one source.

    Raises:
        ProblemError: INVALID_FIELD; NOT_FOUND when the key is another user's.
    """
    if request.raw_paths is not None:
        return Source(None, None, _uploads(request.raw_paths, user_id))
    if request.raw_path is not None:
        return Source(_owned(request.raw_path, user_id, "/raw_path"), None)
    url = request.artifact_url or ""
    try:
        allowed = permitted(url, rules)
        key = own_key(url, rules)
    except OriginRefusedError as error:
        raise wrong_field("/artifact_url", FieldCode.NOT_ALLOWED, f"This URL is not fetched: {error}.") from None
    if key is not None:
        return Source(_owned(key, user_id, "/artifact_url"), None)
    return Source(None, allowed.url)


def request_hash(request: JobRequest, source: Source, user_id: str = "", ring: KeyRing | None = None) -> str:
    """HMAC of what a user's request asks for, in hex; equal for every way of writing the same request.

    It stays when a job is erased, so it tells nobody who guesses the request that the guess is right: not without the
    key ring, nor by sending the guess as another user.

    Returns:
        One for each key of the ring with spaces between them, the current key's first, which the job keeps; each is
        compared with what an earlier job has kept. Without a ring, where nothing is sealed, one under no key.
    """
    asked = request.model_dump(mode="json", exclude_none=True) | {
        "raw_path": source.raw_path,
        "artifact_url": source.artifact_url,
    }
    # The keys of several uploads stand in it as they were sent: they have one spelling.
    message = json.dumps([user_id, asked], sort_keys=True, separators=(",", ":")).encode()
    return " ".join(ring.request_macs(message)) if ring is not None else hmac.digest(b"", message, "sha256").hex()


def _owned(text: str, user_id: str, pointer: str) -> str:
    try:
        key = parse_key(text)
    except InvalidKeyError:
        raise wrong_field(pointer, FieldCode.WRONG_FORMAT, "This is not a storage key.") from None
    if key.user_id != user_id:
        raise ProblemError(ProblemCode.NOT_FOUND, "You have no such upload or document.")
    if key.kind == "output" or (isinstance(key, RawKey) and key.is_dispatch):
        raise wrong_field(pointer, FieldCode.NOT_ALLOWED, "Jobs are made from an upload or from a master.")
    return text


def _uploads(paths: tuple[str, ...], user_id: str) -> tuple[str, ...]:
    for index, path in enumerate(paths):
        pointer = f"/raw_paths/{index}"
        _owned(path, user_id, pointer)
        if parse_key(path).kind != "raw":
            raise wrong_field(pointer, FieldCode.NOT_ALLOWED, "Several files are uploads, none of them a master.")
        if path in paths[:index]:
            raise wrong_field(pointer, FieldCode.CONFLICT, "This upload is in the list already.")
    return paths


def wrong_field(pointer: str, code: FieldCode, detail: str) -> ProblemError:
    """The problem of one field that cannot be used."""
    return ProblemError(ProblemCode.INVALID_FIELD, errors=[FieldError(pointer, code, detail)])


TOO_MANY_JOBS_RETRY_S = 30
LINK_BUCKET_S = 600
"""A view is new after this time, though nothing happened, so that its links never go stale."""
_TERMINAL = frozenset({"completed", "failed"})


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """Lifetimes of links in seconds: to preview, before, document and text, and to the ZIP."""

    download_url_ttl_s: int
    output_url_ttl_s: int


def is_terminal(row: JobRow) -> bool:
    """Return whether a job has ended."""
    return row.status in _TERMINAL


def is_of_its_owner(row: JobRow, user_id: str) -> bool:
    """Return whether every artifact of a row is this user's, of this job and document: else nothing of it is signed."""
    return all(is_made_by(path, user_id, row.job_id, row.document_id) for path in (row.artifacts or {}).values())


def etag_of(row: JobRow, now: dt.datetime, policy: LinkPolicy) -> str:
    """The ETag of a job's view; weak, because signatures differ between equal views."""
    bucket_s = min(LINK_BUCKET_S, max(1, min(policy.download_url_ttl_s, policy.output_url_ttl_s) // 2))
    place = "" if row.queue_position is None else f"q{row.queue_position}-"
    return f'W/"{row.row_version}-{place}{int(now.timestamp()) // bucket_s:x}"'


def view_of(row: JobRow, key: DataKey | None, store: SigningStore, policy: LinkPolicy, base_url: str) -> JobView:
    """The whole view."""
    fields = row.model_dump(exclude={"sealed", "overdue", "row_version"})
    return JobView(
        **fields,
        links=_links(row, store, policy, base_url),
        encryption=None if key is None else JobKey(kid=key.kid, data_key=key.data_key_text),
    )


def item_of(row: JobListRow, base_url: str) -> JobItem:
    """One line of a list."""
    return JobItem(**row.model_dump(), links=self_link(row.job_id, base_url))


def self_link(job_id: str, base_url: str) -> JobLinks:
    """The one link that every job has."""
    return JobLinks(self=f"{base_url}/jobs/{job_id}")


def _links(row: JobRow, store: SigningStore, policy: LinkPolicy, base_url: str) -> JobLinks:
    paths = row.artifacts or {}
    small = {name: paths.get(f"{name}_path") for name in ("preview", "before", "document", "text")}
    output = paths.get("output_path")
    return JobLinks(
        self=f"{base_url}/jobs/{row.job_id}",
        **{
            name: store.generate_download_url(path, expires_s=policy.download_url_ttl_s)
            for name, path in small.items()
            if path
        },
        output=store.generate_output_download_url(
            output, filename=_download_name(row, output), expires_s=policy.output_url_ttl_s
        )
        if output
        else None,
    )


def _download_name(row: JobRow, output: str) -> str:
    """Return the name under which a browser saves the ZIP; it is part of the URL, so it names no person."""
    key = parse_key(output)
    suffix = ".zip.enc" if isinstance(key, OutputKey) and key.sealed else ".zip"
    return f"{'-'.join(part for part in (row.portal, row.slot, row.job_id[:8]) if part)}{suffix}"


# --- the cursor: base64url of `instant|job_id` -----------------------------------------------------------------------


def cursor_of(row: JobListRow) -> str:
    """Return the cursor of the page that follows this line."""
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()}|{row.job_id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[dt.datetime, str]:
    """Read what `cursor_of` wrote.

    Raises:
        ValueError: it is not a cursor.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,200}", cursor):
        raise ValueError("not a cursor")
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except binascii.Error:
        raise ValueError("not a cursor") from None
    instant, _, job_id = text.partition("|")
    created_at = dt.datetime.fromisoformat(instant)
    if created_at.utcoffset() is None or not re.fullmatch(UUID4_PATTERN, job_id):
        raise ValueError("not a cursor")
    return created_at, job_id


# --- refusals --------------------------------------------------------------------------------------------------------

_REFUSALS = {
    "idempotency_mismatch": ProblemCode.IDEMPOTENCY_MISMATCH,
    "upload_unknown": ProblemCode.NOT_FOUND,
    "upload_claimed": ProblemCode.UPLOAD_CLAIMED,
    "object_missing": ProblemCode.OBJECT_MISSING,
    "no_credit": ProblemCode.NO_CREDIT,
}


def unknown_rules(request: JobRequest, names: RuleNames) -> ProblemError:
    """Name which of portal, version and slot the rule book does not have, and what is near."""
    if not names.versions:
        field, asked, known = "portal", request.portal, names.portals
        said = "The rule book has no such portal."
    elif not names.slots:
        field, asked, known = "portal_version", request.portal_version or "", names.versions
        said = f"{request.portal} has no such version."
    else:
        field, asked, known = "slot", request.slot or "", names.slots
        said = f"{request.portal} has no such slot."
    from difflib import get_close_matches  # noqa: PLC0415  few requests are wrong

    near = get_close_matches(asked, known, n=3, cutoff=0.4)
    hint = "Look it up in the rule book."
    if near:
        hint = f"Did you mean {' or '.join(near)}?"
    elif field != "portal":
        hint = f"There is {', '.join(known)}."
    error = FieldError(f"/{field}", FieldCode.NOT_ALLOWED, hint)
    return ProblemError(ProblemCode.PORTAL_UNKNOWN, f"{said} {hint}", errors=[error])


_WRONG_FIELDS = {
    "slot_required": ("/slot", FieldCode.REQUIRED, "This portal has several slots: name one."),
    "several_refused": ("/raw_paths", FieldCode.NOT_ALLOWED, "This slot takes no PDF, so one file: send raw_path."),
    "mixed_encryption": ("/raw_paths", FieldCode.CONFLICT, "All files of a job are encrypted, or none is."),
}


def refusal_of(created: JobCreated) -> ProblemError:
    """The problem of each outcome that made no job."""
    if created.outcome in _WRONG_FIELDS:
        return wrong_field(*_WRONG_FIELDS[created.outcome])
    if created.outcome == "option_refused":
        return _not_for_this_slot(created.refused)
    if created.outcome == "too_large":
        return too_large()
    if created.outcome == "rate_limited":
        return ProblemError(ProblemCode.RATE_LIMITED, retry_after_s=(created.rate or {}).get("retry_after_s"))
    if created.outcome == "too_many_jobs":
        return ProblemError(ProblemCode.TOO_MANY_JOBS, retry_after_s=TOO_MANY_JOBS_RETRY_S)
    return ProblemError(_REFUSALS.get(created.outcome, ProblemCode.INTERNAL))


def _not_for_this_slot(refused: Sequence[RefusedOption]) -> ProblemError:
    errors = [
        FieldError(
            f"/options/{entry.option}",
            FieldCode.NOT_ALLOWED,
            f"Leave it out: {why_refused(entry.option, entry.source)}.",
        )
        for entry in refused
    ]
    return ProblemError(ProblemCode.INVALID_FIELD, errors=errors)


def too_large() -> ProblemError:
    """The problem of an object that is larger than it may be."""
    return ProblemError(ProblemCode.UPLOAD_TOO_LARGE, "The object is larger than what was announced or is allowed.")
