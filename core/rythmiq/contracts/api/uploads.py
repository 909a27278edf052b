"""POST /uploads."""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rythmiq.contracts.api.words import MEDIA_TYPE, AnswerBody, RequestBody, Text, fields_error
from rythmiq.contracts.choices import Uuid4


class UploadRequest(RequestBody):
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
                raise fields_error("CONFLICT", "is not to be given beside job_id", given)
        elif missing := [name for name, value in new.items() if value is None]:
            raise fields_error("REQUIRED", "is needed, unless job_id is given alone", missing)
        return self


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
