"""What the worker reads on STDIN.

Unknown fields are ignored, so that a newer API can talk to an older worker; `schema_definition` alone refuses them.

Source: SPEC 5, 6, 16.
"""

import base64
import binascii
import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rythmiq.contracts.choices import Crop, OcrLanguage, Uuid4
from rythmiq.contracts.keys import format_timestamp, parse_key
from rythmiq.contracts.portal import SchemaDefinition

__all__ = [
    "Crop",
    "DataKey",
    "Encryption",
    "InputReference",
    "Options",
    "Payload",
    "PortalSchema",
    "StorageReference",
    "Uuid4",
    "WrappedKey",
    "require_owned",
    "validate_artifact_source",
]


def validate_artifact_source(artifact_url: str | None, raw_path: str | None) -> Literal["url", "path"]:
    """Say which one of the two sources a payload names.

    Raises:
        ValueError: both or neither is given (PAYLOAD_INVALID).
    """
    if bool(artifact_url) == bool(raw_path):
        raise ValueError("give exactly one of artifact_url and raw_path")
    return "url" if artifact_url else "path"


def _key_bytes(length: int) -> BeforeValidator:
    """Read base64 with padding into exactly `length` bytes; the message never shows the value."""

    def read(value: object) -> bytes:
        if not isinstance(value, str):
            raise ValueError("is not a base64 string")  # noqa: TRY004  pydantic reports a ValueError, not a TypeError
        try:
            decoded = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not base64") from None
        if len(decoded) != length:
            raise ValueError(f"is not {length} bytes")
        return decoded

    return BeforeValidator(read)


DataKey = Annotated[bytes, _key_bytes(32)]
WrappedKey = Annotated[bytes, _key_bytes(40)]


class _Lenient(BaseModel):
    # hide_input: a validation message must never quote a key or a name.
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)


class PortalSchema(_Lenient):
    """The rules of one slot, with the names they go by."""

    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True
    )

    id: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=200)]
    version: Annotated[str, Field(max_length=100)]
    schema_definition: SchemaDefinition
    portal: Annotated[str, Field(max_length=64)] | None = None
    slot: Annotated[str, Field(max_length=64)] | None = None


class InputReference(_Lenient):
    """Where the upload is and what its owner called it."""

    artifact_url: Annotated[str, Field(max_length=4_096)] | None = None
    raw_path: Annotated[str, Field(max_length=1_024)] | None = None
    mime_type: Annotated[str, Field(max_length=200)] | None = None
    original_filename: Annotated[str, Field(max_length=1_000)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        validate_artifact_source(self.artifact_url, self.raw_path)
        return self


class StorageReference(_Lenient):
    """The store that holds the job's objects; it must be the worker's own."""

    bucket: str
    region: str
    endpoint: str


class Options(_Lenient):
    """What the owner chose: a turn clockwise (applied first), then a crop of the turned picture, and a language.

    The language is that of the text, and goes before the slot's own.
    """

    crop: Crop | None = None
    rotate: Literal[0, 90, 180, 270] = 0
    ocr_language: OcrLanguage | None = None


class Encryption(_Lenient):
    """The job's data key as the launcher unwrapped it, and what goes into every header the worker writes.

    `input_data_key` opens the upload when that was sealed under another key (a master of an earlier job).
    """

    kid: Annotated[int, Field(ge=1, le=65_535)]
    wrapped_key: WrappedKey = Field(repr=False)
    data_key: DataKey = Field(repr=False)
    input_data_key: DataKey | None = Field(default=None, repr=False)


class Payload(_Lenient):
    """One job."""

    job_id: Uuid4
    user_id: Uuid4
    portal_schema: PortalSchema
    input: InputReference
    storage: StorageReference
    v: Annotated[int, Field(ge=1)] = 1
    attempt: Annotated[int, Field(ge=1, le=1_000)] = 1
    dispatched_at: dt.datetime | None = None
    document_id: Uuid4 | None = None
    options: Options = Field(default_factory=Options)
    encryption: Encryption | None = None

    @model_validator(mode="after")
    def _input_is_the_owners(self) -> Self:
        if self.dispatched_at is not None:
            format_timestamp(self.dispatched_at)  # it becomes part of file names
        if self.input.raw_path is not None:
            require_owned(self.input.raw_path, self.user_id, self.job_id)
        return self


def require_owned(key_text: str, user_id: str, job_id: str) -> None:
    """Refuse a storage key that is not this user's and this job's upload (a master of the same user excepted).

    Raises:
        ValueError: the key is outside the grammar or belongs to somebody else (PAYLOAD_INVALID).
    """
    key = parse_key(key_text)
    if key.user_id != user_id:
        raise ValueError("the key belongs to another user")
    if key.kind == "master":
        return
    if key.kind != "raw" or key.job_id != job_id or key.is_dispatch:
        raise ValueError("the key is not an upload of this job")
