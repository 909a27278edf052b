"""What the bodies are made of: words, what refuses unknown fields, and an error about several fields at once."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

JobStatus = Literal["pending", "processing", "completed", "failed"]
LedgerKind = Literal["grant", "reserve", "settle", "refund"]
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


def fields_error(code: str, message: str, fields: Sequence[str]) -> PydanticCustomError:
    """One message about several fields of a model; `code` is a `FieldCode`."""
    return PydanticCustomError(code, message, {"fields": tuple(fields)})
