"""GET /account and GET /health."""

import datetime as dt
from typing import Literal

from rythmiq.contracts.api.words import AnswerBody, LedgerKind
from rythmiq.contracts.choices import Uuid4


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


class AccountAnswer(AnswerBody):
    """200 of GET /account."""

    credits: Credits
    entries: tuple[LedgerEntry, ...]
    limits: AccountLimits


class HealthAnswer(AnswerBody):
    """200 of GET /health; what only a deep look knows is null in a shallow one."""

    status: Literal["ok"] = "ok"
    version: str
    database: Literal["ok"] | None = None
    schema_version: int | None = None
    last_tick_at: dt.datetime | None = None
