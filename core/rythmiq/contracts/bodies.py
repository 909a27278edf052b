"""Bodies of the HTTP API but for jobs (`contracts.job_bodies`): uploads, account, health, and problem details.

Requests refuse unknown fields; answers are what OpenAPI says they are.

Source: docs/specification/http-api.md.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from rythmiq.contracts.choices import LedgerKind, Uuid4

SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MEDIA_TYPE = r"^[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,128}$"
IDEMPOTENCY_KEY = r"^[\x21-\x7e]{1,255}$"

Text = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"^[^\x00]*$")]
"""What a person wrote; a NUL is nobody's, and the database takes none."""


class RequestBody(BaseModel):
    """What a client sends; a field that we do not know is refused."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", hide_input_in_errors=True)


class AnswerBody(BaseModel):
    """What a client is answered."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


def one_of(*alternatives: tuple[str, ...]) -> list[Any]:
    """Return JSON Schema's `oneOf` of fields: all of one alternative are given, and none of the others."""
    given: dict[str, Any] = {"not": {"type": "null"}}
    absent: dict[str, Any] = {"type": "null"}
    names = [name for alternative in alternatives for name in alternative]
    return [
        {
            "required": [*alternative],
            "properties": {name: given if name in alternative else absent for name in names},
        }
        for alternative in alternatives
    ]


def fields_error(code: str, message: str, fields: Sequence[str]) -> PydanticCustomError:
    """One message about several fields of a model; `code` is a `FieldCode`."""
    return PydanticCustomError(code, message, {"fields": tuple(fields)})


class ProblemField(AnswerBody):
    """One wrong field of a problem."""

    pointer: str
    code: str
    detail: str


class Problem(AnswerBody):
    """RFC 9457 problem details, as every refused call answers."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[ProblemField, ...] = ()
    request_id: str | None = None


class Credits(AnswerBody):
    """What may still be spent, and what open jobs hold."""

    available: int
    reserved: int


class LedgerEntry(AnswerBody):
    """One entry of the ledger."""

    kind: LedgerKind
    amount: int
    job_id: Uuid4 | None
    created_at: dt.datetime


class AccountLimits(AnswerBody):
    """What the account may do at once."""

    max_active_jobs: int
    max_upload_bytes: int = Field(description="of a file before it is sealed, and of all files of a job")
    max_pages: int = Field(description="of a file, and uploads of a job")


class AccountAnswer(AnswerBody):
    """200 of GET /account."""

    credits: Credits
    entries: tuple[LedgerEntry, ...]
    limits: AccountLimits


class AccountErased(AnswerBody):
    """202 of DELETE /account: the receipt. `objects` are storage keys, whether a file ever came to each or not."""

    receipt_id: Uuid4
    jobs: int
    uploads: int
    objects: int


class HealthAnswer(AnswerBody):
    """200 of GET /health; what only a deep look knows is null in a shallow one."""

    status: Literal["ok"] = "ok"
    version: str
    database: Literal["ok"] | None = None
    schema_version: int | None = None
    last_tick_at: dt.datetime | None = None


class UploadRequest(RequestBody):
    """POST /uploads: a new upload (`filename`, `mime_type`, `size_bytes`), or one's own signed again (`job_id`)."""

    model_config = ConfigDict(json_schema_extra={"oneOf": one_of(("filename", "mime_type", "size_bytes"), ("job_id",))})

    filename: Text | None = Field(default=None, description="as the person calls the file")
    mime_type: Annotated[str, Field(pattern=MEDIA_TYPE)] | None = Field(default=None, description="of the plaintext")
    size_bytes: Annotated[int, Field(ge=1, strict=True)] | None = Field(default=None, description="of the plaintext")
    encrypted: bool = Field(default=True, description="true by default; false only where the operator allows plaintext")
    job_id: Uuid4 | None = Field(default=None, description="alone: sign one's own unclaimed upload again")


class SignedUpload(AnswerBody):
    """How to upload: send `headers` with a PUT, `fields` before the file with a POST."""

    method: Literal["PUT", "POST"]
    url: str
    headers: dict[str, str]
    fields: dict[str, str]


class UploadKey(AnswerBody):
    """The key under which the client seals: base64 with padding."""

    format: Literal["RQE1"] = "RQE1"
    kid: int
    data_key: str
    wrapped_key: str


class UploadAnswer(AnswerBody):
    """201 of POST /uploads."""

    job_id: Uuid4
    raw_path: str
    upload: SignedUpload
    expires_at: dt.datetime
    encryption: UploadKey | None
