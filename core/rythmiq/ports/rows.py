"""Rows of uploads and accounts, and the base of every row (those of jobs are in `ports.jobs`)."""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rythmiq.contracts.choices import LedgerKind


class Row(BaseModel):
    """A row that an SQL function returns; columns of a newer database are ignored."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)


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
    """Result of `upload_create` and `upload_get`; `too_many` when 100 uploads of the last day are unclaimed."""

    outcome: Literal["created", "found", "claimed", "unknown", "too_many"]
    upload: Upload | None = None


class Entry(Row):
    """One ledger entry."""

    kind: LedgerKind
    amount: int
    job_id: str | None
    created_at: dt.datetime


class Account(Row):
    """Credits of one user. `balance` is the sum of the ledger; `reserved` counts its open reserves."""

    balance: int
    reserved: int
    entries: tuple[Entry, ...]
