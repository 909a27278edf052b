"""The database port: its calls, their arguments, and the rows of uploads and accounts."""

from __future__ import annotations  # rows of jobs are imported by who reads them

import datetime as dt  # noqa: TC003  pydantic reads it
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from rythmiq.contracts.choices import LedgerKind  # noqa: TC001  ditto

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rythmiq.contracts.choices import JobStatus
    from rythmiq.ports.jobs import (
        Deletion,
        Ended,
        JobCreated,
        JobListRow,
        JobRow,
        OperatorJob,
        RuleNames,
        SettlementClaim,
        TickWork,
        WrappedDataKey,
    )


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
    """Result of `upload_create` and `upload_get`; `too_many` when 100 uploads of the last day are unclaimed.

    `rate` is what is left of the user's calls, as `post_admit` says it; None where nothing limits them.
    """

    outcome: Literal["created", "found", "claimed", "unknown", "too_many", "daily_limit", "rate_limited"]
    upload: Upload | None = None
    rate: dict[str, int] | None = None


class UploadDeletion(Row):
    """Result of `upload_delete`: `keys` are to be removed; `gone` was deleted before, and is swept for two hours."""

    outcome: Literal["deleted", "gone", "claimed", "unknown"]
    keys: tuple[str, ...] = ()


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


class Erasure(Row):
    """Result of `account_erase`: the receipt of `erased`; `gone` was erased before."""

    outcome: Literal["erased", "gone"]
    receipt_id: str | None = None
    jobs: int = 0
    uploads: int = 0
    objects: int = 0


class OperatorEvent(Row):
    """What an operator did: `act` is its kind (`credits.grant`), `actor` who the command says it was."""

    id: int
    act: str
    actor: str | None
    database_role: str
    user_id: str | None
    job_id: str | None
    details: dict[str, Any]
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated user; reads run in their role and under their claims, so that RLS decides.

    A guest is who Supabase calls anonymous: signed in by nothing but the device.
    """

    user_id: str
    token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    is_guest: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """Limits of an executor: attempts in flight, the lease of one, and attempts a job."""

    max_inflight: int = 4
    lease_s: int = 300
    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A user's bucket of POST calls: how many it holds, and how many it gets a minute."""

    rate_burst: int = 60
    rate_per_minute: int = 60


class RateSink(Protocol):
    """Learns what is left of a user's calls."""

    def __call__(self, limit: RateLimit, rate: Mapping[str, int] | None, /) -> None:
        """Take the limit, and what the database says of it."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """The arguments of `job_create`.

    Attributes:
        job_id: used when the source is not an upload, which has its own.
        object_bytes: size of the object at `raw_path`; None when there is none, or it was not looked up.
        kid: of a fresh data key, used when the source is not an upload; None for plaintext.
        idempotency_key: of the caller; None when there was none.
        request_hash: HMACs in hex of the request, one a key with spaces between; the job keeps the first.
        raw_paths: several uploads, in place of `raw_path`.
        objects_bytes: size of each of their objects.
    """

    user_id: str
    job_id: str
    document_id: str
    raw_path: str | None
    artifact_url: str | None
    object_bytes: int | None
    portal: str
    slot: str | None
    portal_version: str | None
    mime_type: str | None
    original_filename: str | None
    options: Mapping[str, Any] = field(repr=False)
    kid: int | None
    wrapped_key: str | None = field(repr=False)
    idempotency_key: str | None
    request_hash: str
    max_active_jobs: int
    initial_credits: int
    raw_paths: Sequence[str] | None = None
    objects_bytes: Sequence[int | None] | None = None
    is_guest: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """The arguments of `job_finish`: the worker's result, and the keys of its artifacts."""

    job_id: str
    attempt: int
    claim: str
    quality_score: float
    warnings: Sequence[str]
    advice: Sequence[Mapping[str, Any]]
    artifacts: Mapping[str, str]
    metrics: Mapping[str, Any]
    receipt: Mapping[str, Any]
    conforms: bool
    hashes: Mapping[str, str] | None = None


class Database(Protocol):
    """All state, behind SQL functions; every call is one round trip and one transaction.

    Raises, each method: DatabaseUnavailableError; with a user, AccountErasedError.
    """

    def upload_create(
        self,
        upload: Upload,
        *,
        initial_credits: int,
        rate: RateLimit | None = None,
        max_bytes_a_day: int | None = None,
        is_guest: bool = False,
    ) -> UploadAnswer:
        """Write an upload, within the limits; grants `initial_credits` at the user's first call."""

    def upload_get(self, user_id: str, job_id: str, *, rate: RateLimit | None = None) -> UploadAnswer:
        """Read one's own upload: found, claimed or unknown."""

    def upload_delete(self, user_id: str, job_id: str) -> UploadDeletion:
        """Delete the caller's upload that no job has claimed; return what to remove."""

    def rule_names(self, portal: str, version: str | None) -> RuleNames:
        """What the rule book has beside these names."""

    def job_create(self, job: NewJob, capacity: Capacity, *, rate: RateLimit | None = None) -> JobCreated:
        """Create a job, reserve its credit, claim its upload, and start whichever job is next if there is room."""

    def job_submitted(self, job_id: str, attempt: int, *, executor: str, executor_ref: str) -> bool:
        """Keep the executor's word for an attempt; False when the attempt is no longer the current one."""

    def job_progress(self, job_id: str, attempt: int, stage: str) -> bool:
        """Set the stage of the current attempt of a processing job; False otherwise."""

    def job_claim_settlement(
        self, job_id: str, attempt: int | None, *, user_id: str, document_id: str, claim_s: int = 60
    ) -> SettlementClaim:
        """Claim the right to settle a success. `user_id` and `document_id` are those of its artifact keys."""

    def job_release_settlement(self, job_id: str, claim: str) -> int:
        """Give a claim back after packaging trouble; how often packaging has failed by now."""

    def job_finish(self, finish: Finish, capacity: Capacity) -> Ended:
        """Processing -> completed, settle the credit, append `cpu_usage` and `metrics`, write `documents`."""

    def job_fail_attempt(  # noqa: PLR0913  a failure is this much
        self,
        job_id: str,
        attempt: int | None,
        *,
        error: Mapping[str, Any],
        metrics: Mapping[str, Any] | None,
        retry: bool,
        capacity: Capacity,
        claim: str | None = None,
        max_failures: int | None = None,
    ) -> Ended:
        """End an attempt: the next one when `retry` and attempts are left, else processing -> failed with a refund.

        From the failure on that is one more of its user's input than `max_failures` today, the credit is spent.
        """

    def job_extend(self, job_id: str, attempt: int, *, lease_s: int) -> bool:
        """Trust the current attempt for longer."""

    def jobs_tick(self, capacity: Capacity) -> TickWork:
        """Claim at most one overdue job, start at most one waiting job, hand out what is left over, purge a little."""

    def account_erase_step(self, user_id: str | None = None) -> bool:
        """Go on with an erasure, this account's or the one that waits the longest; whether it is not at its end yet."""

    def removals_done(self, job_ids: Sequence[str]) -> int:
        """The keys of removals are gone; they are handed out once more, an hour later. How many that were."""

    def job_get(self, caller: Caller, job_id: str) -> JobRow | None:
        """One of the caller's jobs; None also when it is another's or erased."""

    def jobs_list(
        self, caller: Caller, *, status: JobStatus | None, limit: int, before: tuple[dt.datetime, str] | None
    ) -> tuple[JobListRow, ...]:
        """The caller's jobs, newest first, after the keyset `(created_at, job_id)`."""

    def job_key(self, user_id: str, job_id: str) -> WrappedDataKey | None:
        """The wrapped data key of one's own job."""

    def poll_enter(self, user_id: str, *, seconds: float, most: int) -> str | None:
        """Take one of the `most` places in which a user's polls wait, for `seconds` at most; None when none is free."""

    def poll_leave(self, user_id: str, until: str) -> None:
        """Give back the place that `poll_enter` gave."""

    def job_delete(self, user_id: str, job_id: str, capacity: Capacity) -> Deletion:
        """Cancel a pending job with its refund; return what to remove of it, or of a terminal one."""

    def job_erase(self, user_id: str, job_id: str) -> None:
        """Erase personal data of a terminal job; a tombstone stays for the ledger."""

    def account(self, user_id: str, *, initial_credits: int | None, is_guest: bool = False) -> Account:
        """Credits and the latest ledger entries; grants `initial_credits` at the user's first call, None never."""

    def account_erase(self, user_id: str, *, actor: str | None = None) -> Erasure:
        """Erase an account and everything of it; `actor` is the operator who does, None its owner.

        The `actor` of this and the calls below is written into `operator_events`, in the same transaction.
        """

    def account_export(self, user_id: str, *, actor: str) -> dict[str, Any]:
        """Every row of an account, without data keys (an operator's call)."""

    def operator_events(self, limit: int) -> tuple[OperatorEvent, ...]:
        """What operators did, newest first (an operator's call)."""

    def credits_grant(self, user_id: str, amount: int, *, actor: str | None = None) -> Account:
        """Grant credits (an operator's call)."""

    def jobs_search(self, *, status: JobStatus | None, user_id: str | None, limit: int) -> tuple[OperatorJob, ...]:
        """Jobs of anybody, newest first (an operator's call)."""

    def job_inspect(self, job_id: str) -> OperatorJob | None:
        """One job of anybody (an operator's call)."""

    def job_retry_now(
        self, job_id: str, attempt: int, *, error: Mapping[str, Any], capacity: Capacity, actor: str | None = None
    ) -> Ended:
        """Give an attempt up, if it runs, and make the next one due at once (an operator's call)."""

    def job_end(self, job_id: str, *, error: Mapping[str, Any], capacity: Capacity, actor: str | None = None) -> Ended:
        """End a job as failed, with a refund, wherever it is on its way (an operator's call)."""

    def metrics_snapshot(self) -> dict[str, Any]:
        """Counts and ages for Prometheus."""

    def health(self) -> dict[str, Any]:
        """Schema version and the time of the last tick."""
