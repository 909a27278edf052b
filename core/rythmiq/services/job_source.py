"""What a new job is made from: a key of the caller's own in our bucket, or a URL that may be fetched.

Source: docs/specification/http-api.md, docs/specification/storage-keys.md.
"""

import hashlib
import json
from dataclasses import dataclass

from rythmiq.contracts.job_bodies import JobRequest
from rythmiq.contracts.keys import InvalidKeyError, RawKey, parse_key
from rythmiq.contracts.origins import OriginRefusedError, OriginRules, own_key, permitted
from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError


@dataclass(frozen=True, slots=True)
class Source:
    """Exactly one of these is there."""

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
        raise _wrong("/artifact_url", FieldCode.NOT_ALLOWED, f"This URL is not fetched: {error}.") from None
    if key is not None:
        return Source(_owned(key, user_id, "/artifact_url"), None)
    return Source(None, allowed.url)


def request_hash(request: JobRequest, source: Source) -> str:
    """SHA-256 of what the request asks for, in hex; equal for every way of writing the same request."""
    asked = request.model_dump(mode="json", exclude_none=True) | {
        "raw_path": source.raw_path,
        "artifact_url": source.artifact_url,
    }
    # The keys of several uploads stand in it as they were sent: they have one spelling.
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _owned(text: str, user_id: str, pointer: str) -> str:
    try:
        key = parse_key(text)
    except InvalidKeyError:
        raise _wrong(pointer, FieldCode.WRONG_FORMAT, "This is not a storage key.") from None
    if key.user_id != user_id:
        raise ProblemError(ProblemCode.NOT_FOUND, "You have no such upload or document.")
    if key.kind == "output" or (isinstance(key, RawKey) and key.is_dispatch):
        raise _wrong(pointer, FieldCode.NOT_ALLOWED, "Jobs are made from an upload or from a master.")
    return text


def _uploads(paths: tuple[str, ...], user_id: str) -> tuple[str, ...]:
    for index, path in enumerate(paths):
        pointer = f"/raw_paths/{index}"
        _owned(path, user_id, pointer)
        if parse_key(path).kind != "raw":
            raise _wrong(pointer, FieldCode.NOT_ALLOWED, "Several files are uploads, none of them a master.")
        if path in paths[:index]:
            raise _wrong(pointer, FieldCode.CONFLICT, "This upload is in the list already.")
    return paths


def _wrong(pointer: str, code: FieldCode, detail: str) -> ProblemError:
    return ProblemError(ProblemCode.INVALID_FIELD, errors=[FieldError(pointer, code, detail)])
