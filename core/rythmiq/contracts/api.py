"""The bodies of the HTTP API: what clients send and what they are answered.

Requests refuse unknown fields; answers are what OpenAPI says they are.

Source: SPEC 4, 16.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from rythmiq.contracts.choices import Crop, OcrLanguage, Uuid4

JobStatus = Literal["pending", "processing", "completed", "failed"]
LedgerKind = Literal["grant", "reserve", "settle", "refund"]
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MEDIA_TYPE = r"^[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,128}$"
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"

Text = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\x00]*$")]
"""What a person wrote; a NUL is nobody's, and the database takes none."""


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", hide_input_in_errors=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


def _fields_error(code: str, message: str, fields: Sequence[str]) -> PydanticCustomError:
    """One message about several fields of a model; `code` is a `FieldCode`."""
    return PydanticCustomError(code, message, {"fields": tuple(fields)})


class UploadRequest(_Request):
    """POST /uploads: a new upload (`filename`, `mime_type`, `size_bytes`), or one's own signed again (`job_id`)."""

    filename: Text | None = Field(default=None, description="as the person calls the file")
    mime_type: Annotated[str, Field(pattern=MEDIA_TYPE)] | None = Field(default=None, description="of the plaintext")
    size_bytes: Annotated[int, Field(ge=1)] | None = Field(default=None, description="of the plaintext")
    encrypted: bool = Field(default=True, description="false only where the operator allows plaintext")
    job_id: Uuid4 | None = Field(default=None, description="alone: sign one's own unclaimed upload again")

    @model_validator(mode="after")
    def _new_or_again(self) -> Self:
        new = {name: getattr(self, name) for name in ("filename", "mime_type", "size_bytes")}
        if self.job_id is not None:
            given = [name for name, value in new.items() if value is not None]
            if given:
                raise _fields_error("CONFLICT", "is not to be given beside job_id", given)
        elif missing := [name for name, value in new.items() if value is None]:
            raise _fields_error("REQUIRED", "is needed, unless job_id is given alone", missing)
        return self


class JobOptions(_Request):
    """What the owner chose; see the worker's `options`."""

    crop: Crop | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    ocr_language: OcrLanguage | None = None


class JobRequest(_Request):
    """POST /jobs."""

    portal: Annotated[str, Field(pattern=SLUG, max_length=64, description="a portal of the rule book")]
    slot: Annotated[str, Field(pattern=SLUG, max_length=64)] | None = Field(
        default=None, description="one of its slots; may be left out when it has one"
    )
    portal_version: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="of the rules; the latest when left out"
    )
    raw_path: Annotated[str, Field(min_length=1, max_length=1_024)] | None = Field(
        default=None, description="of one's own upload, or of a master of one's own"
    )
    artifact_url: Annotated[str, Field(min_length=1, max_length=4_096)] | None = Field(
        default=None, description="in place of raw_path: where the file can be fetched, from an allowed origin"
    )
    mime_type: Annotated[str, Field(pattern=MEDIA_TYPE)] | None = Field(default=None, description="of the file")
    original_filename: Text | None = Field(default=None, description="what names the document, by the slot's pattern")
    options: JobOptions = Field(
        default_factory=JobOptions, description="`crop` (shares of the upright picture), `rotate`"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("raw_path", "artifact_url") if getattr(self, name) is not None]
        if len(given) != 1:
            code, message = ("CONFLICT", "are two sources") if given else ("REQUIRED", "one of the two is needed")
            raise _fields_error(code, message, given or ["raw_path", "artifact_url"])
        return self


class SignedUpload(_Answer):
    """How to upload: send `headers` with a PUT, `fields` before the file with a POST."""

    method: Literal["PUT", "POST"]
    url: str
    headers: dict[str, str]
    fields: dict[str, str]


class UploadKey(_Answer):
    """The key under which the client seals: base64 with padding."""

    format: Literal["RQE1"] = "RQE1"
    kid: int
    data_key: str
    wrapped_key: str


class UploadAnswer(_Answer):
    """201 of POST /uploads."""

    job_id: Uuid4
    raw_path: str
    upload: SignedUpload
    expires_at: dt.datetime
    encryption: UploadKey | None


class JobLinks(_Answer):
    """Links as plain strings; the presigned ones are there when the object is."""

    self: str
    preview: str | None = None
    document: str | None = None
    output: str | None = None


class JobAccepted(_Answer):
    """202 of POST /jobs, also for a replay."""

    job_id: Uuid4
    status: JobStatus
    links: JobLinks


class JobKey(_Answer):
    """The key that opens the job's objects: base64 with padding."""

    kid: int
    data_key: str


class JobView(_Answer):
    """200 of GET /jobs/{id}."""

    job_id: Uuid4
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    portal_version: str
    document_id: Uuid4 | None
    quality_score: float | None
    warnings: tuple[str, ...]
    error: dict[str, Any] | None
    metrics: dict[str, Any] | None
    receipt: dict[str, Any] | None
    conforms: bool | None
    artifacts: dict[str, str] | None
    links: JobLinks
    encryption: JobKey | None
    queue_position: int | None
    expected_start_at: dt.datetime | None
    created_at: dt.datetime
    expires_at: dt.datetime | None


class JobItem(_Answer):
    """One line of GET /jobs: no keys, no receipts."""

    job_id: Uuid4
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    portal_version: str
    quality_score: float | None
    conforms: bool | None
    error_code: str | None
    created_at: dt.datetime
    links: JobLinks


class JobPage(_Answer):
    """200 of GET /jobs."""

    jobs: tuple[JobItem, ...]
    next_cursor: str | None


class Credits(_Answer):
    """What may still be spent, and what open jobs hold."""

    available: int
    reserved: int


class LedgerEntry(_Answer):
    """One entry of the ledger."""

    kind: LedgerKind
    amount: int
    job_id: Uuid4 | None
    created_at: dt.datetime


class AccountLimits(_Answer):
    """What the account may do at once."""

    max_active_jobs: int


class AccountAnswer(_Answer):
    """200 of GET /account."""

    credits: Credits
    entries: tuple[LedgerEntry, ...]
    limits: AccountLimits


class HealthAnswer(_Answer):
    """200 of GET /health; what only a deep look knows is null in a shallow one."""

    status: Literal["ok"] = "ok"
    version: str
    database: Literal["ok"] | None = None
    schema_version: int | None = None
    last_tick_at: dt.datetime | None = None


class ProblemField(_Answer):
    """One wrong field of a problem."""

    pointer: str
    code: str
    detail: str


class Problem(_Answer):
    """RFC 9457 problem details, as every refused call answers."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[ProblemField, ...] = ()
    request_id: str | None = None
