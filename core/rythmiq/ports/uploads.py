"""Rows of uploads."""

import datetime as dt
from typing import Literal

from pydantic import Field

from rythmiq.ports.row import Row


class Upload(Row):
    """A row of `uploads`. `size_bytes` is the plaintext's; `kid` and `wrapped_key` are None for a plaintext upload."""

    job_id: str
    user_id: str
    raw_path: str
    mime_type: str
    size_bytes: int
    kid: int | None
    wrapped_key: str | None = Field(repr=False)
    created_at: dt.datetime


class UploadAnswer(Row):
    """`upload_create` and `upload_get`; `too_many` when the user has 100 that no job claimed within a day."""

    outcome: Literal["created", "found", "claimed", "unknown", "too_many"]
    upload: Upload | None = None
