"""Rows of jobs, as the service, their owner and an operator see them."""

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from rythmiq.contracts.choices import JobStatus
from rythmiq.ports.database import Row


class WrappedDataKey(Row):
    """A data key as the ring wrapped it; both None of what is plaintext."""

    kid: int | None
    wrapped_key: str | None = Field(repr=False)


class StartedJob(Row):
    """A job whose attempt has been started in the database and now has to be given to the executor.

    Of several uploads `raw_path` is None, `raw_paths` are their keys and `inputs` their data keys, in the same order.
    """

    job_id: str
    user_id: str
    attempt: int
    document_id: str
    created_at: dt.datetime
    dispatched_at: dt.datetime
    portal: str
    slot: str
    portal_version: str
    portal_name: str
    schema_definition: dict[str, Any]
    raw_path: str | None
    raw_paths: tuple[str, ...] | None = None
    artifact_url: str | None
    mime_type: str | None
    original_filename: str | None
    options: dict[str, Any] = Field(repr=False)
    kid: int | None
    wrapped_key: str | None = Field(repr=False)
    input_kid: int | None = None
    input_wrapped_key: str | None = Field(default=None, repr=False)
    inputs: tuple[WrappedDataKey, ...] | None = None


class OverdueJob(StartedJob):
    """A started job whose lease has passed, claimed by one tick. The executor's words are None before a submit."""

    executor: str | None
    executor_ref: str | None
    started_at: dt.datetime
    submitted_at: dt.datetime | None


class Removal(Row):
    """Storage keys under which something may still stand that nobody is to have any more."""

    job_id: str
    keys: tuple[str, ...]


class TickWork(Row):
    """Result of `jobs_tick`: at most one job each to reconcile and to dispatch, what to remove, and purge counts.

    `erasing` says that an account's erasure goes on, a step at each `account_erase_step`.
    """

    overdue: OverdueJob | None = None
    dispatch: StartedJob | None = None
    removals: tuple[Removal, ...] = ()
    purged: dict[str, int] = Field(default_factory=dict)
    erasing: bool = False

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to do."""
        return self.overdue is None and self.dispatch is None and not (self.removals or self.erasing)


class RefusedOption(Row):
    """An option that the slot's rules do not allow, and the source of the rule, as its `sources` have it."""

    option: str
    source: dict[str, Any] | None = None


class JobCreated(Row):
    """`job_create`. `started` is the job to dispatch now, perhaps another, older one; None when none may start."""

    outcome: Literal[
        "created",
        "replayed",
        "idempotency_mismatch",
        "upload_claimed",
        "upload_unknown",
        "object_missing",
        "too_large",
        "portal_unknown",
        "slot_required",
        "option_refused",
        "several_refused",
        "mixed_encryption",
        "too_many_jobs",
        "no_credit",
        "rate_limited",
    ]
    job_id: str | None = None
    status: JobStatus | None = None
    started: StartedJob | None = None
    refused: tuple[RefusedOption, ...] = ()
    rate: dict[str, int] | None = None


class RuleNames(Row):
    """`rule_names`: every portal and alias; of the portal asked for its versions, and the slots of the one asked for.

    Both are empty where there is none; without a version the slots are the current ones.
    """

    portals: tuple[str, ...]
    versions: tuple[str, ...]
    slots: tuple[str, ...]


class SettlingJob(Row):
    """A job whose settlement this caller has claimed."""

    job_id: str
    user_id: str
    attempt: int
    document_id: str
    created_at: dt.datetime
    dispatched_at: dt.datetime
    portal: str
    slot: str
    kid: int | None
    wrapped_key: str | None = Field(repr=False)
    packaging_failures: int
    artifact_names_sealed: bool = True


class SettlementClaim(Row):
    """`job_claim_settlement`. `claim` is the token that `job_finish` must show."""

    outcome: Literal["claimed", "unknown", "foreign_keys", "terminal", "pending", "stale", "future", "busy"]
    claim: str | None = None
    job: SettlingJob | None = None


class Ended(Row):
    """`job_finish` and `job_fail_attempt`; `work` is a tick's worth of what to do next.

    `user_id` and `attempt` say whose attempt this has settled; None when it has settled none.
    """

    outcome: Literal[
        "completed", "failed", "retrying", "unknown", "terminal", "pending", "stale", "future", "busy", "lost_claim"
    ]
    user_id: str | None = None
    attempt: int | None = None
    work: TickWork = Field(default_factory=TickWork)


class JobRow(Row):
    """A job as its owner may read it (RLS), from `job_get` and `jobs_list`."""

    job_id: str
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    portal_version: str
    document_id: str | None
    quality_score: float | None
    warnings: tuple[str, ...]
    advice: tuple[dict[str, Any], ...] = ()
    error: dict[str, Any] | None
    metrics: dict[str, Any] | None
    receipt: dict[str, Any] | None
    conforms: bool | None
    artifacts: dict[str, str] | None
    hashes: dict[str, str] | None = None
    sealed: bool
    charged: bool = False
    queue_position: int | None
    expected_start_at: dt.datetime | None
    overdue: bool
    row_version: int
    created_at: dt.datetime
    expires_at: dt.datetime | None


class JobListRow(Row):
    """One line of `jobs_list`."""

    job_id: str
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    portal_version: str
    quality_score: float | None
    conforms: bool | None
    error_code: str | None
    created_at: dt.datetime


class Deletion(Row):
    """`job_delete`. `keys` are the storage keys to remove: of `erasable` before `job_erase`, of `cancelled` at once."""

    outcome: Literal["cancelled", "erasable", "processing", "gone", "unknown"]
    keys: tuple[str, ...] = ()
    work: TickWork = Field(default_factory=TickWork)


class OperatorJob(Row):
    """A job as an operator reads it."""

    job_id: str
    user_id: str
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    executor: str | None
    executor_ref: str | None
    lease_until: dt.datetime | None
    error_details: dict[str, Any] | None
    created_at: dt.datetime
