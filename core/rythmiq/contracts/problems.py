"""Every way in which an HTTP call can be refused: one catalogue of RFC 9457 problems, each with advice.

Source: docs/specification/http-api.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from rythmiq.contracts.errors import RythmiqError

PROBLEM_TYPE = "application/problem+json"


class ProblemCode(StrEnum):
    """Codes of `problem+json` answers."""

    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    BODY_TOO_LARGE = "BODY_TOO_LARGE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    MALFORMED_JSON = "MALFORMED_JSON"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    SIGN_IN_REQUIRED = "SIGN_IN_REQUIRED"
    ACCOUNT_ERASED = "ACCOUNT_ERASED"
    INVALID_FIELD = "INVALID_FIELD"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE"
    NOT_FOUND = "NOT_FOUND"
    PORTAL_UNKNOWN = "PORTAL_UNKNOWN"
    OBJECT_MISSING = "OBJECT_MISSING"
    UPLOAD_CLAIMED = "UPLOAD_CLAIMED"
    JOB_PROCESSING = "JOB_PROCESSING"
    JOB_PENDING = "JOB_PENDING"
    ATTEMPT_UNKNOWN = "ATTEMPT_UNKNOWN"
    SETTLEMENT_BUSY = "SETTLEMENT_BUSY"
    TOO_MANY_JOBS = "TOO_MANY_JOBS"
    TOO_MANY_UPLOADS = "TOO_MANY_UPLOADS"
    RATE_LIMITED = "RATE_LIMITED"
    DAILY_LIMIT = "DAILY_LIMIT"
    NO_CREDIT = "NO_CREDIT"
    PACKAGING_TROUBLE = "PACKAGING_TROUBLE"
    UNAVAILABLE = "UNAVAILABLE"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class ProblemEntry:
    """What the catalogue says of one code: its HTTP status, its title, and what to do about it."""

    code: ProblemCode
    status: int
    title: str
    advice: str


_ENTRIES = (
    ProblemEntry(
        ProblemCode.METHOD_NOT_ALLOWED, 405, "Method not allowed", "Use one of the methods that `Allow` names."
    ),
    ProblemEntry(
        ProblemCode.BODY_TOO_LARGE, 413, "Request body too large", "Send at most 1 MB; files go to the store."
    ),
    ProblemEntry(ProblemCode.UNSUPPORTED_MEDIA_TYPE, 415, "Unsupported media type", "Send JSON with its Content-Type."),
    ProblemEntry(ProblemCode.MALFORMED_JSON, 400, "Malformed JSON", "Send exactly one JSON object in UTF-8."),
    ProblemEntry(
        ProblemCode.UNAUTHENTICATED, 401, "Not authenticated", "Sign in again and send the fresh token or secret."
    ),
    ProblemEntry(
        ProblemCode.SIGN_IN_REQUIRED,
        403,
        "Guests cannot do this here",
        "Link an e-mail address to the guest's account, or sign in; then send the new token.",
    ),
    ProblemEntry(
        ProblemCode.ACCOUNT_ERASED,
        403,
        "The account has been erased",
        "Nothing of it is left, and it cannot come back; sign up again for a new one.",
    ),
    ProblemEntry(ProblemCode.INVALID_FIELD, 422, "Invalid field", "Correct the fields that `errors` points at."),
    ProblemEntry(
        ProblemCode.IDEMPOTENCY_MISMATCH,
        422,
        "Idempotency key used for another request",
        "Send a new Idempotency-Key with a new request.",
    ),
    ProblemEntry(ProblemCode.UPLOAD_TOO_LARGE, 413, "Upload too large", "Send a smaller file; `detail` has the limit."),
    ProblemEntry(ProblemCode.NOT_FOUND, 404, "Not found", "Check the path and the id, and whose it is."),
    ProblemEntry(
        ProblemCode.PORTAL_UNKNOWN,
        404,
        "Portal, slot or version unknown",
        "`errors` says which one, and what is near; GET {base}/api/portals lists all.",
    ),
    ProblemEntry(
        ProblemCode.OBJECT_MISSING, 409, "The upload is not in the store", "Upload the file, then create the job again."
    ),
    ProblemEntry(
        ProblemCode.UPLOAD_CLAIMED, 409, "The upload belongs to a job already", "Ask for a new upload for another job."
    ),
    ProblemEntry(
        ProblemCode.JOB_PROCESSING, 409, "The job is being processed", "Wait until it has ended, then delete it."
    ),
    ProblemEntry(ProblemCode.JOB_PENDING, 409, "The job has not started", "Send the webhook again after Retry-After."),
    ProblemEntry(
        ProblemCode.ATTEMPT_UNKNOWN, 409, "That attempt was never started", "Report for the attempt you were given."
    ),
    ProblemEntry(
        ProblemCode.SETTLEMENT_BUSY, 409, "Another delivery is settling the job", "Send it again after Retry-After."
    ),
    ProblemEntry(
        ProblemCode.TOO_MANY_JOBS, 429, "Too many active jobs", "Wait until one has ended; Retry-After says how long."
    ),
    ProblemEntry(
        ProblemCode.TOO_MANY_UPLOADS,
        429,
        "Too many uploads without a job",
        "Create jobs from the uploads there are, or sign one of them again by its job_id; they lapse after a day.",
    ),
    ProblemEntry(
        ProblemCode.RATE_LIMITED, 429, "Too many calls a minute", "Wait as long as Retry-After says, then go on slower."
    ),
    ProblemEntry(
        ProblemCode.DAILY_LIMIT,
        429,
        "Too many bytes for one day",
        "Upload the rest tomorrow; Retry-After says how long that is. A new day begins at midnight UTC.",
    ),
    ProblemEntry(ProblemCode.NO_CREDIT, 402, "No credit left", "Ask the operator for credits."),
    ProblemEntry(ProblemCode.PACKAGING_TROUBLE, 503, "The ZIP could not be stored", "Send it again after Retry-After."),
    ProblemEntry(ProblemCode.UNAVAILABLE, 503, "A part of the service does not answer", "Try again after Retry-After."),
    ProblemEntry(
        ProblemCode.NOT_CONFIGURED,
        503,
        "The function is not configured",
        "Tell the operator: the function's log names the variables.",
    ),
    ProblemEntry(ProblemCode.INTERNAL, 500, "Something unexpected went wrong", "Try again; report `request_id`."),
)

PROBLEMS: Mapping[ProblemCode, ProblemEntry] = MappingProxyType({entry.code: entry for entry in _ENTRIES})


class FieldCode(StrEnum):
    """What can be wrong with one field: the `code` of `errors[]`."""

    REQUIRED = "REQUIRED"
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    WRONG_TYPE = "WRONG_TYPE"
    WRONG_FORMAT = "WRONG_FORMAT"
    WRONG_LENGTH = "WRONG_LENGTH"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    NOT_ALLOWED = "NOT_ALLOWED"
    CONFLICT = "CONFLICT"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a JSON pointer (RFC 6901), a `FieldCode`, and a sentence that quotes no value.

    A pointer of a query parameter or a header is its name after a slash.
    """

    pointer: str
    code: str
    detail: str


class ProblemError(RythmiqError):
    """A call is refused with a code of the catalogue.

    Args:
        code: the catalogue's code.
        detail: one sentence for a person; the catalogue's advice when left out. No secret, no internal path.
        errors: the wrong fields, for INVALID_FIELD.
        retry_after_s: becomes the header Retry-After.
        headers: further headers, e.g. Allow.
    """

    def __init__(
        self,
        code: ProblemCode,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        entry = PROBLEMS[code]
        super().__init__(detail or entry.advice)
        self.code = code
        self.status = entry.status
        self.title = entry.title
        self.detail = detail or entry.advice
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
