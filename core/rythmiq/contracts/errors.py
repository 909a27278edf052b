"""The one catalogue of failures: code, stage, whether a repeat may help, and what to do about it.

The exceptions that carry them, and those of an object store or of any HTTP call that is bounded::

    RythmiqError
    ├── SettingsError        a process that must not start (names, never values)
    └── JobError             one job ends `failed` with a code of the catalogue

    StoreError                    transient: whether the same call may succeed soon
    ├── ObjectMissingError        404
    ├── AccessDeniedError         401, 403
    ├── PreconditionFailedError   412
    ├── ObjectTooLargeError       announced or counted above the bound
    ├── TruncatedObjectError      the body ended before its announced length: transient
    ├── AddressRefusedError       the policy refuses the resolved address
    ├── StoreTimeoutError         the deadline passed: transient
    ├── StoreUnavailableError     5xx, 429, reset: transient; untrusted certificate: not
    │   └── StoreUnreachableError refused, unknown host: not transient, unless it is our own store's
    └── UnexpectedAnswerError     any other status, redirects among them; what is not HTTP

Source: docs/specification/worker.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

Stage = Literal["init", "fetch", "decode", "quality", "enhance", "ocr", "schema", "upload", "dispatch", "package"]
DetailValue = str | int | float | bool | None


class ErrorCode(StrEnum):
    """Every way in which a job can fail."""

    PAYLOAD_MISSING = "PAYLOAD_MISSING"
    PAYLOAD_INVALID = "PAYLOAD_INVALID"
    FETCH_FAILED = "FETCH_FAILED"
    FETCH_TIMEOUT = "FETCH_TIMEOUT"
    DECODE_FAILED = "DECODE_FAILED"
    OCR_FAILED = "OCR_FAILED"
    OCR_TIMEOUT = "OCR_TIMEOUT"
    SCHEMA_FAILED = "SCHEMA_FAILED"
    SIZE_EXCEEDED = "SIZE_EXCEEDED"
    UPLOAD_FAILED = "UPLOAD_FAILED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    EXECUTOR_REJECTED = "EXECUTOR_REJECTED"
    EXECUTOR_LOST = "EXECUTOR_LOST"
    EXECUTOR_CANCELLED = "EXECUTOR_CANCELLED"
    PACKAGING_FAILED = "PACKAGING_FAILED"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """Entry of one code.

    Attributes:
        code: the wire word.
        stage: where it arises; None for INTERNAL_ERROR, which any stage may raise.
        retryable: whether the same job may succeed when it is run again.
        when: one clause that completes "happens when".
        advice: one sentence for the person whose file it is, or for the operator.
        worker: whether the worker itself emits it.
    """

    code: ErrorCode
    stage: Stage | None
    retryable: bool
    when: str
    advice: str
    worker: bool = True


_ENTRIES = (
    CatalogueEntry(
        ErrorCode.PAYLOAD_MISSING,
        "init",
        retryable=False,
        when="STDIN holds nothing but white space",
        advice="Send exactly one JSON document on STDIN.",
    ),
    CatalogueEntry(
        ErrorCode.PAYLOAD_INVALID,
        "init",
        retryable=False,
        when="the payload is not one JSON document that fits the contract, or names another user's or job's objects",
        advice="Correct the fields that `message` names; a rule in `schema_definition` that we do not know is refused.",
    ),
    CatalogueEntry(
        ErrorCode.FETCH_FAILED,
        "fetch",
        retryable=False,
        when="the upload cannot be had: missing, refused, reset, cut short, too large, or from an origin not allowed",
        advice="Upload the file again; when `detail.transient` is true, a repeat of the same job may do.",
    ),
    CatalogueEntry(
        ErrorCode.FETCH_TIMEOUT,
        "fetch",
        retryable=True,
        when="the download takes longer than FETCH_TIMEOUT_S in all",
        advice="Run the job again; if it lasts, look at the store's latency.",
    ),
    CatalogueEntry(
        ErrorCode.DECODE_FAILED,
        "decode",
        retryable=False,
        when="the file is not an image or PDF that we read, is damaged, too large in pixels, or does not decrypt",
        advice="Open the file on your phone; if it shows, share or save it as JPEG and upload that.",
    ),
    CatalogueEntry(
        ErrorCode.OCR_FAILED,
        "ocr",
        retryable=False,
        when="the text engine ends with an error or crashes on this picture",
        advice="Take the picture again in better light; if it lasts, report the job id.",
    ),
    CatalogueEntry(
        ErrorCode.OCR_TIMEOUT,
        "ocr",
        retryable=True,
        when="the text engine takes longer than OCR_TIMEOUT_S and is killed",
        advice="Run the job again; if it lasts, crop the picture to the page.",
    ),
    CatalogueEntry(
        ErrorCode.SCHEMA_FAILED,
        "schema",
        retryable=False,
        when="the picture cannot be resized or encoded, or a hard rule of the portal cannot be met",
        advice="Read which clause failed in `message`, then crop or retake the picture.",
    ),
    CatalogueEntry(
        ErrorCode.SIZE_EXCEEDED,
        "schema",
        retryable=False,
        when="no encoding at the wanted pixels is small enough for max_kb",
        advice="Use a plainer picture (less noise, plain background); `detail` has the smallest size we reached.",
    ),
    CatalogueEntry(
        ErrorCode.UPLOAD_FAILED,
        "upload",
        retryable=True,
        when="the store refuses or drops a result",
        advice="Run the job again; if it lasts, check the store and its credentials with `rythmiq doctor`.",
    ),
    CatalogueEntry(
        ErrorCode.INTERNAL_ERROR,
        None,
        retryable=True,
        when="anything else goes wrong, or the worker dies, is killed, hangs or prints garbage",
        advice="Run the job again; if it lasts, report the job id. Where `detail.reason` is `hang` or `memory`, the "
        "file is too much for the worker: save it as a plain JPEG and upload that.",
    ),
    CatalogueEntry(
        ErrorCode.EXECUTOR_REJECTED,
        "dispatch",
        retryable=False,
        when="the executor refuses the job",
        advice="Nothing was charged. Upload the file again; the operator finds the executor's answer in the log under "
        "the job id.",
        worker=False,
    ),
    CatalogueEntry(
        ErrorCode.EXECUTOR_LOST,
        "dispatch",
        retryable=True,
        when="the executor no longer knows the job",
        advice="Nothing was charged. Upload the file again.",
        worker=False,
    ),
    CatalogueEntry(
        ErrorCode.EXECUTOR_CANCELLED,
        "dispatch",
        retryable=True,
        when="the job was cancelled at the executor or by its owner",
        advice="Nothing was charged. Upload the file again if it was not you.",
        worker=False,
    ),
    CatalogueEntry(
        ErrorCode.PACKAGING_FAILED,
        "package",
        retryable=True,
        when="the ZIP cannot be built or stored",
        advice="Nothing was charged. Upload the file again.",
        worker=False,
    ),
)

CATALOGUE: Mapping[ErrorCode, CatalogueEntry] = MappingProxyType({entry.code: entry for entry in _ENTRIES})


_SAME_AGAIN = frozenset({"hang", "memory"})


def may_repeat(code: ErrorCode, detail: Mapping[str, object] | None) -> bool:
    """Return whether the same job may succeed when it is run again.

    The catalogue says so by code; only a worker that hung or ran out of memory (INTERNAL_ERROR with `reason` `hang` or
    `memory`) would do so again on the same bytes.
    """
    reason = detail.get("reason") if detail is not None else None
    return CATALOGUE[code].retryable and not (code is ErrorCode.INTERNAL_ERROR and reason in _SAME_AGAIN)


def failure(code: ErrorCode, message: str, **detail: DetailValue) -> dict[str, object]:
    """Return the error of a job that fails outside the worker, as `jobs.error_details` keeps it.

    Args:
        code: one that has a stage of its own.
        message: one sentence for a person.
        detail: small facts for a program.
    """
    entry = CATALOGUE[code]
    return {
        "code": code.value,
        "stage": entry.stage,
        "message": message,
        "retryable": entry.retryable,
        "detail": detail or None,
    }


class RythmiqError(Exception):
    """Root of everything we raise on purpose."""


class SettingsError(RythmiqError):
    """The environment cannot be used; the message names each variable and no value."""


class JobError(RythmiqError):
    """One job fails with a code of the catalogue.

    Args:
        code: the catalogue's code.
        message: one sentence for a person; no path, key, secret or recognised text.
        detail: small facts for a program.
        stage: where it arose; needed for INTERNAL_ERROR only, else the catalogue knows.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        detail: Mapping[str, DetailValue] | None = None,
        stage: Stage | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = dict(detail) if detail is not None else None
        self.stage: Stage = stage or CATALOGUE[code].stage or "init"

    @property
    def retryable(self) -> bool:
        """Whether the same job may succeed when it is run again."""
        return may_repeat(self.code, self.detail)


class StoreError(Exception):
    """Something outside did not give what was asked; the message holds no URL, key or credential."""

    transient = False


class ObjectMissingError(StoreError):
    """There is no such object."""


class AccessDeniedError(StoreError):
    """The signature, the expiry or the policy does not allow it."""


class PreconditionFailedError(StoreError):
    """A condition of the request does not hold: the object is there already."""


class ObjectTooLargeError(StoreError):
    """The object is larger than the caller takes."""


class TruncatedObjectError(StoreError):
    """The connection ended before the whole body came."""

    transient = True


class AddressRefusedError(StoreError):
    """The host resolves to an address that must not be reached."""


class StoreTimeoutError(StoreError):
    """The whole call took longer than its deadline."""

    transient = True


class StoreUnavailableError(StoreError):
    """The server is down, overloaded or cut the connection."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class StoreUnreachableError(StoreUnavailableError):
    """The host has no address, or none that takes a connection; of our own store that passes, of others it need not."""

    def __init__(self) -> None:
        super().__init__("the host is unknown or refused the connection", transient=False)


class UnexpectedAnswerError(StoreError):
    """The server answered what the call does not allow for."""
