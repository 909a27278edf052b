"""Rows of accounts."""

import datetime as dt

from rythmiq.contracts.api.words import LedgerKind
from rythmiq.ports.row import Row


class Entry(Row):
    """One entry of the ledger."""

    kind: LedgerKind
    amount: int
    job_id: str | None
    created_at: dt.datetime


class Account(Row):
    """Credits of one user. `balance` is the sum of the ledger; `reserved` counts its open reserves."""

    balance: int
    reserved: int
    entries: tuple[Entry, ...]
