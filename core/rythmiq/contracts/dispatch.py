"""The sealed dispatch object: what the API tells the launcher, and what the launcher makes of it for the worker.

It is the worker's payload (`contracts.payload`), with the data keys still wrapped, and with the place to call back. It
is stored at `raw/{user}/{job}/dispatch-a{n}.json.enc` as an RQE1 service object, so that no client can write one.

Source: docs/specification/executors.md, docs/specification/rqe1.md.
"""

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from rythmiq.contracts.choices import INTEGER
from rythmiq.contracts.keys import MAX_ATTEMPTS
from rythmiq.contracts.payload import InputReference, StorageReference, Uuid4

Kid = Annotated[int, Field(ge=1, le=65_535), INTEGER]
WrappedKeyText = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{54}==$")]
"""40 bytes as base64 with padding."""


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


class WrappedInput(_Wire):
    """The data key of one of several uploads, as the ring wrapped it."""

    kid: Kid
    wrapped_key: WrappedKeyText = Field(repr=False)


class WrappedEncryption(_Wire):
    """The job's data key as the ring wrapped it; `input_*` when the upload is sealed under another one (a master).

    `inputs` are those of several uploads, in the order of `input.raw_paths`.
    """

    kid: Kid
    wrapped_key: WrappedKeyText = Field(repr=False)
    input_kid: Kid | None = None
    input_wrapped_key: WrappedKeyText | None = Field(default=None, repr=False)
    inputs: tuple[WrappedInput, ...] | None = None


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
    encryption: WrappedEncryption | None
    callback: Callback
