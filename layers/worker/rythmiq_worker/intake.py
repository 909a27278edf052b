"""INIT: from the bytes on STDIN to a job that this worker may run.

What it refuses, it refuses before anything is fetched; messages name fields and never values.

Source: docs/specification/worker.md, docs/specification/storage-keys.md.
"""

import codecs
import datetime as dt
import uuid
from collections.abc import Mapping

from pydantic import ValidationError

from rythmiq.contracts import StrictJsonError, pointer, read_object
from rythmiq.contracts.errors import ErrorCode, JobError
from rythmiq.contracts.keys import RawKey, parse_key
from rythmiq.contracts.origins import OriginRefusedError, OriginRules, own_key, store_origin
from rythmiq.contracts.payload import Payload, StorageReference, refused_options, require_owned
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.job import Context
from rythmiq_worker.stdio import MAX_PAYLOAD_BYTES

_MAX_PROBLEMS = 10
_MAX_NAME_CHARS = 64
_UUID_VERSION = 4
# No portal asks for a tenth of it, and each page of it is 240 MB of memory.
_MAX_OUTPUT_PIXELS = 80_000_000


def parsed(document: bytes) -> dict[str, object]:
    """Read the payload as one JSON object: UTF-8, no duplicate names, no NaN.

    Raises:
        JobError: PAYLOAD_MISSING or PAYLOAD_INVALID.
    """
    if not document.strip():
        raise JobError(ErrorCode.PAYLOAD_MISSING, "STDIN is empty; send one JSON document")
    if len(document) > MAX_PAYLOAD_BYTES:
        raise _invalid(f"the payload has more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        return read_object(document.removeprefix(codecs.BOM_UTF8))
    except StrictJsonError as error:
        raise _invalid(f"the payload is {error}") from None


def job_id_of(raw: Mapping[str, object]) -> str | None:
    """Return the job's id if it is a valid one, so that the answer to a refused payload can name its job."""
    value = raw.get("job_id")
    try:
        parsed_id = uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return value if parsed_id and str(parsed_id) == value and parsed_id.version == _UUID_VERSION else None


def validated(raw: Mapping[str, object]) -> Payload:
    """Validate the payload against the contract.

    Raises:
        JobError: PAYLOAD_INVALID.
    """
    try:
        return Payload.model_validate(raw)
    except ValidationError as error:
        raise _invalid(_problems(error)) from None


def admitted(payload: Payload, settings: WorkerSettings) -> Context:
    """Check the job against the worker's own store and its policies.

    Raises:
        JobError: PAYLOAD_INVALID.
    """
    if not names_own_store(payload.storage, settings):
        raise _invalid("/storage: this worker serves another store")
    if payload.encryption is None and not settings.plaintext_allowed:
        raise _invalid("/encryption: is missing, and this worker takes plaintext only where ALLOW_PLAINTEXT says so")
    bounds = payload.portal_schema.schema_definition.pixel_bounds
    if bounds is not None and bounds.min_width_px * bounds.min_height_px > _MAX_OUTPUT_PIXELS:
        raise _invalid(f"/portal_schema/schema_definition: asks for more than {_MAX_OUTPUT_PIXELS} pixels")
    refused = refused_options(payload.options, payload.portal_schema.schema_definition)
    if refused:
        raise _invalid(
            "; ".join(f"/options/{name}: the portal's rules for this file do not allow it" for name in refused)
        )
    key = input_key(payload, settings)
    if key is not None and payload.input.artifact_url is not None:
        try:
            require_owned(key, payload.user_id, payload.job_id)
        except ValueError as error:
            raise _invalid(f"/input/artifact_url: {error}") from None
    return Context(payload, settings, _dispatched_at(payload, key))


def input_key(payload: Payload, settings: WorkerSettings) -> str | None:
    """The storage key of the upload, or of the first: its path, or what a URL into our own bucket names; else None.

    A URL that no policy permits has none: FETCH refuses it.
    """
    if payload.input.raw_path is not None:
        return payload.input.raw_path
    if payload.input.raw_paths is not None:
        return payload.input.raw_paths[0]
    try:
        return own_key(payload.input.artifact_url or "", origin_rules(settings))
    except OriginRefusedError:
        return None


def origin_rules(settings: WorkerSettings) -> OriginRules:
    """Which URLs this worker fetches."""
    return OriginRules(
        settings.spaces_endpoint,
        settings.spaces_bucket,
        settings.artifact_url_allowed_origins,
        https_only=settings.service_env == "prod",
    )


def names_own_store(named: StorageReference, settings: WorkerSettings) -> bool:
    """Whether a payload's `storage` is the worker's own, whatever its case, default port or trailing slash.

    An endpoint without a scheme is taken to mean ours.
    """
    scheme = settings.spaces_endpoint.partition("://")[0]
    endpoint = named.endpoint if "://" in named.endpoint else f"{scheme}://{named.endpoint}"
    try:
        return (
            named.bucket == settings.spaces_bucket
            and named.region.lower() == settings.spaces_region.lower()
            and store_origin(endpoint) == store_origin(settings.spaces_endpoint)
        )
    except OriginRefusedError:
        return False


def _dispatched_at(payload: Payload, key: str | None) -> dt.datetime:
    """The time in the artifacts' names: the payload's, else the upload's, so that a repeat writes the same keys."""
    if payload.dispatched_at is not None:
        return payload.dispatched_at
    if key is not None:
        upload = parse_key(key)
        if isinstance(upload, RawKey) and upload.at is not None:
            return upload.at
    return dt.datetime.now(tz=dt.UTC)


def _problems(error: ValidationError) -> str:
    found = [
        f"{_pointer(item['loc'])}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = [f"and {len(found) - _MAX_PROBLEMS} more"] if len(found) > _MAX_PROBLEMS else []
    return "; ".join(found[:_MAX_PROBLEMS] + more)


def _pointer(place: tuple[int | str, ...]) -> str:
    """A JSON pointer (RFC 6901); a name that we do not know comes from outside and is cut and made printable."""
    names = ["".join(c if c.isprintable() else "?" for c in str(part))[:_MAX_NAME_CHARS] for part in place]
    return pointer(names) or "payload"


def _invalid(message: str) -> JobError:
    return JobError(ErrorCode.PAYLOAD_INVALID, message)
