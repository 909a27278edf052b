"""What the API and the launcher exchange about one attempt: the sealed dispatch object, its reports, and their token.

The dispatch object is the worker's payload (`contracts.payload`), the data keys of this one job among it, with the URL
to call back. It is stored at `raw/{user}/{job}/dispatch-a{n}.json.enc` as an RQE1 service object under `DISPATCH_KEYS`,
so that no client can read or write one. Reports go to `/internal/webhooks/camber` and `/internal/webhooks/progress`.

The derived token is `v2.<exp>.<hex HMAC-SHA256(key, "{job_id}|{attempt}|{exp}")>` under a key that is derived from the
webhook secret for tokens alone: it is worth something for one attempt of one job only, and the secret itself never
leaves the API.

Source: docs/specification/executors.md, docs/specification/worker.md.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from rythmiq.contracts.choices import INTEGER
from rythmiq.contracts.errors import Stage
from rythmiq.contracts.hkdf import hkdf_sha256
from rythmiq.contracts.keys import MAX_ATTEMPTS
from rythmiq.contracts.payload import InputReference, StorageReference, Uuid4
from rythmiq.contracts.result import Result

Kid = Annotated[int, Field(ge=1, le=65_535), INTEGER]
WrappedKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{54}==$")]
"""40 bytes as base64 with padding."""
DataKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""32 bytes as base64 with padding."""


def _is_absent(value: object) -> bool:
    return value is None


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)


class Callback(_Wire):
    """Where the launcher reports, and the derived token it shows there (header X-Webhook-Secret)."""

    url: Annotated[str, Field(max_length=2_000, pattern=r"^https?://")]
    token: str = Field(repr=False)

    @property
    def progress_url(self) -> str:
        """Where stages are reported: beside the webhook."""
        return self.url.rsplit("/", 1)[0] + "/progress"


class DataKeys(_Wire):
    """The payload's `encryption` as JSON has it: the job's data key, and kid and wrapped key for headers, in base64.

    `input_data_key` opens a master, `input_data_keys` several uploads in the order of `input.raw_paths`.
    """

    kid: Kid
    wrapped_key: WrappedKeyText = Field(repr=False)
    data_key: DataKeyText = Field(repr=False)
    input_data_key: DataKeyText | None = Field(default=None, repr=False, exclude_if=_is_absent)
    input_data_keys: tuple[DataKeyText, ...] | None = Field(default=None, repr=False, exclude_if=_is_absent)


class Dispatch(_Wire):
    """One attempt of one job."""

    v: Annotated[int, Field(ge=1), INTEGER] = 1
    job_id: Uuid4
    user_id: Uuid4
    attempt: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS), INTEGER]
    dispatched_at: dt.datetime
    document_id: Uuid4
    portal_schema: dict[str, Any]
    input: InputReference
    storage: StorageReference
    options: dict[str, Any] = Field(default_factory=dict, repr=False)
    encryption: DataKeys | None
    callback: Callback


SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105  a header's name
RECONCILE_HEADER = "X-Reconcile-Secret"
TOKEN_PREFIX = "v2."  # noqa: S105  how every token begins
MAX_STRING_CHARS = 500
TOKEN_TTL_S = 24 * 60 * 60
_TOKEN_INFO = b"rythmiq attempt token v1"
_TOKEN = re.compile(r"v2\.(?P<expires_at_s>[1-9][0-9]{0,11})\.(?P<mac>[0-9a-f]{64})")

Attempt = Annotated[int, Field(ge=1, le=MAX_ATTEMPTS), INTEGER]


class WebhookBody(_Wire):
    """The end of one attempt; also what the sealed result object holds. No string of it is over 500 characters."""

    camber_job_id: str | None = None
    job_id: Uuid4
    attempt: Attempt | None = None
    status: Literal["success", "failed"]
    result: Result

    @model_validator(mode="before")
    @classmethod
    def _no_string_is_long(cls, document: object) -> object:
        if long := list(_long_strings(document, ())):
            message = f"has more than {MAX_STRING_CHARS} characters"
            raise PydanticCustomError("WRONG_LENGTH", message, {"fields": tuple(long[:50])})
        return document

    @model_validator(mode="after")
    def _result_agrees(self) -> Self:
        if self.result.status != self.status:
            raise ValueError("status and result.status disagree")
        if self.result.job_id is not None and self.result.job_id != self.job_id:
            raise ValueError("job_id and result.job_id disagree")
        return self


class ProgressBody(_Wire):
    """Which stage an attempt has reached; best effort."""

    job_id: Uuid4
    attempt: Attempt
    stage: Stage


def _long_strings(value: object, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Where strings are that are too long; a name that is too long counts too."""
    if isinstance(value, str):
        if len(value) > MAX_STRING_CHARS:
            yield place
    elif isinstance(value, dict):
        for name, inner in value.items():
            if len(name) > MAX_STRING_CHARS:
                yield place
            yield from _long_strings(inner, (*place, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _long_strings(inner, (*place, number))


class WebhookAnswer(_Wire):
    """200 of `/internal/webhooks/camber`: what became of the report; `terminal` and `stale` changed nothing."""

    outcome: Literal["completed", "failed", "retrying", "terminal", "stale"]


class ProgressAnswer(_Wire):
    """200 of `/internal/webhooks/progress`: False when it is not the current attempt of a processing job."""

    recorded: bool


class TickAnswer(_Wire):
    """200 of POST /internal/reconcile: how many jobs were reconciled and dispatched, and which rows purged."""

    reconciled: int
    dispatched: int
    purged: dict[str, int]


def derive_token(secret: str, job_id: str, attempt: int, expires_at_s: int) -> str:
    """Make the token that exactly this attempt of this job may show until `expires_at_s` (Unix time)."""
    return f"{TOKEN_PREFIX}{expires_at_s}.{_mac(secret, job_id, attempt, expires_at_s)}"


def token_holds(token: str, secret: str, job_id: str, attempt: int, now_s: float) -> bool:
    """Whether a derived token is this attempt's and has not expired; compared in constant time."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return False
    expires_at_s = int(match["expires_at_s"])
    return (
        hmac.compare_digest(match["mac"].encode(), _mac(secret, job_id, attempt, expires_at_s).encode())
        and now_s < expires_at_s
    )


def _mac(secret: str, job_id: str, attempt: int, expires_at_s: int) -> str:
    key = hkdf_sha256(secret.encode(), salt=b"", info=_TOKEN_INFO, length=32)
    return hmac.new(key, f"{job_id}|{attempt}|{expires_at_s}".encode(), hashlib.sha256).hexdigest()
