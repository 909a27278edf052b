"""What the use cases need from outside: a database, an object store, an executor, a clock.

Rows are what the SQL functions answer (`infra/database/migrations`), as frozen models: no dict travels further. Every
function answers one JSON document with an `outcome`; expected refusals are outcomes, never exceptions.

The errors::

    UnavailableError             something outside does not answer now: 503 with Retry-After
    ├── DatabaseUnavailableError
    │   └── DatabaseNotReadyError  it answers, and an operator has to act: password, migrations, grants
    └── ExecutorUnclearError     nobody knows whether the submit was taken: reconciled later
    DatabaseFaultError           the database refused what it should have taken: a defect of ours
    ExecutorRejectedError        the executor refuses the job for good: EXECUTOR_REJECTED

An object store's errors are drawn in `contracts.store_errors`.

Source: SPEC 8, 11; ARCHITECTURE.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from rythmiq.contracts.api import JobStatus, LedgerKind
from rythmiq.contracts.errors import RythmiqError

SEALED_TYPE = "application/octet-stream"
"""The media type of everything that is sealed."""


class UnavailableError(RythmiqError):
    """A part outside does not answer now; the same call may succeed soon. The message holds no address or secret."""


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer."""


class DatabaseNotReadyError(DatabaseUnavailableError):
    """The database answers, and refuses for a reason that an operator has to mend; the message says which."""


class DatabaseFaultError(RythmiqError):
    """The database refused what it should have taken; the message has the SQLSTATE and no value."""


class ExecutorUnclearError(UnavailableError):
    """Nobody knows whether the executor took the job; look it up before submitting again."""


class ExecutorRejectedError(RythmiqError):
    """The executor refuses the job for good."""


class Clock(Protocol):
    """Time, so that tests can set it."""

    def now(self) -> dt.datetime:
        """The present instant, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


# --- rows ----------------------------------------------------------------------------------------------------------


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)


class Upload(_Row):
    """A row of `uploads`. `size_bytes` is the plaintext's; `kid` and `wrapped_key` are None for a plaintext upload."""

    job_id: str
    user_id: str
    raw_path: str
    mime_type: str
    size_bytes: int
    kid: int | None
    wrapped_key: str | None = Field(repr=False)
    created_at: dt.datetime


class UploadAnswer(_Row):
    """`upload_create` and `upload_get`; `too_many` when the user has 100 that no job claimed within a day."""

    outcome: Literal["created", "found", "claimed", "unknown", "too_many"]
    upload: Upload | None = None


class StartedJob(_Row):
    """A job whose attempt has been started in the database and now has to be given to the executor."""

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
    artifact_url: str | None
    mime_type: str | None
    original_filename: str | None
    options: dict[str, Any]
    kid: int | None
    wrapped_key: str | None = Field(repr=False)
    input_kid: int | None = None
    input_wrapped_key: str | None = Field(default=None, repr=False)


class OverdueJob(StartedJob):
    """A started job whose lease has passed, claimed by one tick. The executor's words are None before a submit."""

    executor: str | None
    executor_ref: str | None
    started_at: dt.datetime
    submitted_at: dt.datetime | None


class Removal(_Row):
    """Storage keys under which an attempt that never settled may have left something."""

    job_id: str
    keys: tuple[str, ...]


class TickWork(_Row):
    """What `jobs_tick` hands out: at most one job each to reconcile, dispatch and clear up after, and purges."""

    overdue: OverdueJob | None = None
    dispatch: StartedJob | None = None
    removal: Removal | None = None
    purged: dict[str, int] = Field(default_factory=dict)

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to do."""
        return self.overdue is None and self.dispatch is None and self.removal is None


class JobCreated(_Row):
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
        "too_many_jobs",
        "no_credit",
    ]
    job_id: str | None = None
    status: JobStatus | None = None
    started: StartedJob | None = None


class SettlingJob(_Row):
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


class SettlementClaim(_Row):
    """`job_claim_settlement`. `claim` is the token that `job_finish` must show."""

    outcome: Literal["claimed", "unknown", "foreign_keys", "terminal", "pending", "stale", "future", "busy"]
    claim: str | None = None
    job: SettlingJob | None = None


class Ended(_Row):
    """`job_finish` and `job_fail_attempt`; `work` is a tick's worth of what to do next."""

    outcome: Literal[
        "completed", "failed", "retrying", "unknown", "terminal", "pending", "stale", "future", "busy", "lost_claim"
    ]
    work: TickWork = Field(default_factory=TickWork)


class JobRow(_Row):
    """What the owner may see of a job (RLS), from `job_get` and `jobs_list`."""

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
    error: dict[str, Any] | None
    metrics: dict[str, Any] | None
    receipt: dict[str, Any] | None
    conforms: bool | None
    artifacts: dict[str, str] | None
    sealed: bool
    queue_position: int | None
    expected_start_at: dt.datetime | None
    overdue: bool
    row_version: int
    created_at: dt.datetime
    expires_at: dt.datetime | None


class JobListRow(_Row):
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


class WrappedDataKey(_Row):
    """`job_key`: the job's data key as the ring wrapped it; both None for a plaintext job."""

    kid: int | None
    wrapped_key: str | None = Field(repr=False)


class Deletion(_Row):
    """`job_delete`. `keys` are the storage keys to remove before `job_erase`."""

    outcome: Literal["cancelled", "erasable", "processing", "gone", "unknown"]
    keys: tuple[str, ...] = ()
    work: TickWork = Field(default_factory=TickWork)


class Entry(_Row):
    """One entry of the ledger."""

    kind: LedgerKind
    amount: int
    job_id: str | None
    created_at: dt.datetime


class Account(_Row):
    """Credits of one user. `balance` is the sum of the ledger; `reserved` counts its open reserves."""

    balance: int
    reserved: int
    entries: tuple[Entry, ...]


class OperatorJob(_Row):
    """What an operator sees of a job."""

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


# --- the database --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the gateway verified it; reads run in their role and under their claims, so that RLS decides."""

    user_id: str
    token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much an executor is given, and for how long an attempt is trusted without a sign."""

    max_inflight: int = 4
    lease_s: int = 300
    max_attempts: int = 3


@dataclass(frozen=True, slots=True)
class NewJob:
    """The arguments of `job_create`.

    Attributes:
        job_id: used when the source is not an upload, which has its own.
        object_bytes: what HEAD said of `raw_path`; None when there is no object, or none was asked for.
        kid: of a fresh data key, used when the source is not an upload; None for plaintext.
        idempotency_key: of the caller; None when there was none.
        request_hash: SHA-256 in hex of the request's canonical JSON.
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
    options: Mapping[str, Any]
    kid: int | None
    wrapped_key: str | None = field(repr=False)
    idempotency_key: str | None
    request_hash: str
    max_active_jobs: int
    initial_credits: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The arguments of `job_finish`: what the worker's success says, and where the ZIP stands."""

    job_id: str
    attempt: int
    claim: str
    quality_score: float
    warnings: Sequence[str]
    artifacts: Mapping[str, str]
    metrics: Mapping[str, Any]
    receipt: Mapping[str, Any]
    conforms: bool


class Database(Protocol):
    """All state, behind SQL functions; every call is one round trip and one transaction.

    Raises, each method: DatabaseUnavailableError.
    """

    def upload_create(self, upload: Upload, *, initial_credits: int) -> UploadAnswer:
        """Write an upload; grants `initial_credits` at the user's first call."""

    def upload_get(self, user_id: str, job_id: str) -> UploadAnswer:
        """Read one's own upload: found, claimed or unknown."""

    def job_create(self, job: NewJob, capacity: Capacity) -> JobCreated:
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
    ) -> Ended:
        """End an attempt: the next one when `retry` and attempts are left, else processing -> failed with a refund."""

    def job_extend(self, job_id: str, attempt: int, *, lease_s: int) -> bool:
        """Trust the current attempt for longer."""

    def jobs_tick(self, capacity: Capacity) -> TickWork:
        """Claim at most one overdue job, start at most one waiting job, hand out what is left over, purge a little."""

    def removal_done(self, job_id: str) -> bool:
        """The keys of a removal are gone; they are handed out once more, an hour later."""

    def job_get(self, caller: Caller, job_id: str) -> JobRow | None:
        """One of the caller's jobs; None also when it is another's or erased."""

    def jobs_list(
        self, caller: Caller, *, status: JobStatus | None, limit: int, before: tuple[dt.datetime, str] | None
    ) -> tuple[JobListRow, ...]:
        """The caller's jobs, newest first, after the keyset `(created_at, job_id)`."""

    def job_key(self, user_id: str, job_id: str) -> WrappedDataKey | None:
        """The wrapped data key of one's own job."""

    def job_delete(self, user_id: str, job_id: str, capacity: Capacity) -> Deletion:
        """Cancel a pending job with its refund, or say what to remove of a terminal one."""

    def job_erase(self, user_id: str, job_id: str) -> None:
        """Erase personal data of a terminal job; a tombstone stays for the ledger."""

    def account(self, user_id: str, *, initial_credits: int | None) -> Account:
        """Credits and the latest ledger entries; grants `initial_credits` at the user's first call, None never."""

    def credits_grant(self, user_id: str, amount: int) -> Account:
        """Grant credits (an operator's call)."""

    def jobs_search(self, *, status: JobStatus | None, user_id: str | None, limit: int) -> tuple[OperatorJob, ...]:
        """Jobs of anybody, newest first (an operator's call)."""

    def job_inspect(self, job_id: str) -> OperatorJob | None:
        """One job of anybody (an operator's call)."""

    def job_retry_now(self, job_id: str, attempt: int, *, error: Mapping[str, Any], capacity: Capacity) -> Ended:
        """Give an attempt up, if it runs, and make the next one due at once (an operator's call)."""

    def job_end(self, job_id: str, *, error: Mapping[str, Any], capacity: Capacity) -> Ended:
        """End a job as failed, with a refund, wherever it is on its way (an operator's call)."""

    def metrics_snapshot(self) -> dict[str, Any]:
        """Counts and ages for Prometheus."""

    def health(self) -> dict[str, Any]:
        """Schema version and the time of the last tick."""


# --- the object store ----------------------------------------------------------------------------------------------


class ObjectStore(Protocol):
    """The direct calls that use cases make (SPEC 3). `timeout_s` bounds a call as a whole, its repeats included.

    Raises, each method: StoreError, one of its kinds (`contracts.store_errors`).
    """

    def fetch_object(self, key: str, *, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """An object's bytes."""

    def upload_object(
        self, key: str, data: bytes, *, content_type: str = SEALED_TYPE, timeout_s: float | None = None
    ) -> None:
        """Store an object, over what stands there."""

    def object_exists(self, key: str, *, timeout_s: float | None = None) -> int | None:
        """An object's size in bytes, or None."""

    def delete_object(self, key: str, *, timeout_s: float | None = None) -> None:
        """Delete an object; one that is not there is deleted already."""


class PresignedUpload(Protocol):
    """What a client needs to upload one object: send `headers` with a PUT, `fields` before the file with a POST."""

    @property
    def method(self) -> Literal["PUT", "POST"]:
        """The HTTP method."""

    @property
    def url(self) -> str:
        """Where to."""

    @property
    def headers(self) -> dict[str, str]:
        """What a PUT sends."""

    @property
    def fields(self) -> dict[str, str]:
        """What a POST sends before the file."""

    @property
    def expires_at(self) -> dt.datetime:
        """Until when the signature holds."""


class SigningStore(ObjectStore, Protocol):
    """A store that also signs URLs for clients; signing calls nobody.

    Raises, each method: InvalidKeyError; ValueError when an expiry or a size is out of range.
    """

    def generate_upload_url(  # noqa: PLR0913  the terms of an upload are this many
        self,
        key: str,
        *,
        size_bytes: int,
        content_type: str = SEALED_TYPE,
        method: Literal["put", "post"] = "put",
        expires_s: int = ...,
        min_bytes: int | None = None,
    ) -> PresignedUpload:
        """Sign the upload of one object."""

    def generate_download_url(self, key: str, *, expires_s: int = ...) -> str:
        """Sign the download of one object."""

    def generate_output_download_url(self, key: str, *, filename: str, expires_s: int = ...) -> str:
        """Sign the download of a ZIP that a browser saves as `filename`."""


# --- the executor --------------------------------------------------------------------------------------------------

ExecutorState = Literal["pending", "running", "succeeded", "failed", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class Order:
    """What an executor is asked to start: `rythmiq-launch {user_id} {job_id} {attempt}`, and nothing secret."""

    user_id: str
    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ExecutorCapabilities:
    """What an executor can do beside submit, status and find."""

    cancel: bool
    idempotent_submit: bool
    logs: bool


class Executor(Protocol):
    """What starts the launcher.

    Raises, each method: ExecutorUnclearError when it does not answer.
    """

    @property
    def name(self) -> Literal["local", "camber", "kubernetes", "hold"]:
        """How `jobs.executor` calls it."""

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """What it can do."""

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Start one attempt; the executor's reference for it. Raises ExecutorRejectedError."""

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Where an attempt stands; `unknown` when the executor does not know it."""

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The reference of an attempt that may have been submitted."""

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop an attempt; False when it cannot be stopped."""

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """The last lines that an attempt wrote."""
