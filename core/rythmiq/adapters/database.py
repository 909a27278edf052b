"""`ports.Database` over SQL functions, whichever way they are reached.

A `Transport` calls one function and gives back the one JSON document that it answers; here are the names, the arguments
and the rows. Reads of a user's own jobs go in their role and under their claims, so that row level security decides;
everything else goes as `service_role`, to functions that check ownership themselves.

Source: docs/specification/database.md; `infra/database/migrations`.
"""

from __future__ import annotations  # `ports.jobs` is deferred in functions (cold_start)

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from rythmiq.contracts.errors import SettingsError
from rythmiq.ports import (
    AccountErasedError,
    DatabaseFaultError,
    DatabaseNotReadyError,
    DatabaseUnavailableError,
    jobs,
)
from rythmiq.ports import database as rows

if TYPE_CHECKING:
    from rythmiq.contracts.choices import JobStatus
    from rythmiq.ports.database import (
        Account,
        Caller,
        Capacity,
        Erasure,
        Finish,
        NewJob,
        OperatorEvent,
        RateLimit,
        Upload,
        UploadAnswer,
        UploadDeletion,
    )
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

_Row = TypeVar("_Row", bound=BaseModel)
# Postgres cannot store NUL, and UTF-8 has no lone surrogates; JSON from outside may hold both.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


class Transport(Protocol):
    """Calls one SQL function: one round trip, one transaction."""

    def call(self, function: str, arguments: Mapping[str, object], caller: Caller | None = None) -> Any:
        """Call a function; return its JSON document, None for SQL's null.

        Args:
            function: its name in schema `public`.
            arguments: by name, as JSON would write them.
            caller: whose role and claims it runs under; `service_role` without one.

        Raises:
            DatabaseUnavailableError: it does not answer now.
            DatabaseNotReadyError: it answers, and refuses for a reason that an operator has to mend.
            DatabaseFaultError: it refuses these arguments, which no caller should be able to send.
        """


class SqlDatabase:
    """Implements `ports.Database`; each method is one call of the function that it is named after."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

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
        return self._row(
            rows.UploadAnswer,
            "upload_create",
            **upload.model_dump(),
            initial_credits=initial_credits,
            max_bytes_a_day=max_bytes_a_day,
            is_guest=is_guest,
            **_fields(rate),
        )

    def upload_get(self, user_id: str, job_id: str, *, rate: RateLimit | None = None) -> UploadAnswer:
        """Read one's own upload: found, claimed or unknown."""
        return self._row(rows.UploadAnswer, "upload_get", user_id=user_id, job_id=job_id, **_fields(rate))

    def upload_delete(self, user_id: str, job_id: str) -> UploadDeletion:
        """Delete the caller's upload that no job has claimed; return what to remove."""
        return self._row(rows.UploadDeletion, "upload_delete", user_id=user_id, job_id=job_id)

    def rule_names(self, portal: str, version: str | None) -> RuleNames:
        """What the rule book has beside these names."""
        return self._row(jobs.RuleNames, "rule_names", portal=portal, version=version)

    def job_create(self, job: NewJob, capacity: Capacity, *, rate: RateLimit | None = None) -> JobCreated:
        """Create a job, reserve its credit, claim its upload, and start whichever job is next if there is room."""
        return self._row(jobs.JobCreated, "job_create", **_fields(job), **_fields(capacity), **_fields(rate))

    def job_submitted(self, job_id: str, attempt: int, *, executor: str, executor_ref: str) -> bool:
        """Record the executor's reference of an attempt; False when the attempt is no longer the current one."""
        return bool(
            self._call("job_submitted", job_id=job_id, attempt=attempt, executor=executor, executor_ref=executor_ref)
        )

    def job_progress(self, job_id: str, attempt: int, stage: str) -> bool:
        """Set the stage of the current attempt of a processing job; False otherwise."""
        return bool(self._call("job_progress", job_id=job_id, attempt=attempt, stage=stage))

    def job_claim_settlement(
        self, job_id: str, attempt: int | None, *, user_id: str, document_id: str, claim_s: int = 60
    ) -> SettlementClaim:
        """Claim the right to settle a success. `user_id` and `document_id` are those of its artifact keys."""
        return self._row(
            jobs.SettlementClaim,
            "job_claim_settlement",
            job_id=job_id,
            attempt=attempt,
            user_id=user_id,
            document_id=document_id,
            claim_s=claim_s,
        )

    def job_release_settlement(self, job_id: str, claim: str) -> int:
        """Give a claim back after packaging trouble; how often packaging has failed by now."""
        return int(self._call("job_release_settlement", job_id=job_id, claim=claim))

    def job_finish(self, finish: Finish, capacity: Capacity) -> Ended:
        """Processing -> completed, settle the credit, append `cpu_usage` and `metrics`, write `documents`."""
        return self._row(jobs.Ended, "job_finish", **_fields(finish), **_fields(capacity))

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
        return self._row(
            jobs.Ended,
            "job_fail_attempt",
            job_id=job_id,
            attempt=attempt,
            error=error,
            metrics=metrics,
            retry=retry,
            claim=claim,
            max_failures=max_failures,
            **_fields(capacity),
        )

    def job_extend(self, job_id: str, attempt: int, *, lease_s: int) -> bool:
        """Trust the current attempt for longer."""
        return bool(self._call("job_extend", job_id=job_id, attempt=attempt, lease_s=lease_s))

    def jobs_tick(self, capacity: Capacity) -> TickWork:
        """Claim at most one overdue job, start at most one waiting job, purge a little."""
        return self._row(jobs.TickWork, "jobs_tick", **_fields(capacity))

    def account_erase_step(self, user_id: str | None = None) -> bool:
        """Go on with an erasure, this account's or the one that waits the longest; whether it is not at its end yet."""
        return self._call("account_erase_step", user_id=user_id) is False

    def removals_done(self, job_ids: Sequence[str]) -> int:
        """The keys of removals are gone; they are handed out once more, an hour later. How many that were."""
        return int(self._call("removals_done", job_ids=list(job_ids)))

    def job_get(self, caller: Caller, job_id: str) -> JobRow | None:
        """One of the caller's jobs; None also when it is another's or erased."""
        return self._row_or_none(jobs.JobRow, "job_get", caller, job_id=job_id)

    def jobs_list(
        self, caller: Caller, *, status: JobStatus | None, limit: int, before: tuple[dt.datetime, str] | None
    ) -> tuple[JobListRow, ...]:
        """The caller's jobs, newest first, after the keyset `(created_at, job_id)`."""
        before_at, before_id = before if before is not None else (None, None)
        return self._rows(
            jobs.JobListRow, "jobs_list", caller, status=status, limit=limit, before_at=before_at, before_id=before_id
        )

    def job_key(self, user_id: str, job_id: str) -> WrappedDataKey | None:
        """The wrapped data key of one's own job."""
        return self._row_or_none(jobs.WrappedDataKey, "job_key", user_id=user_id, job_id=job_id)

    def poll_enter(self, user_id: str, *, seconds: float, most: int) -> str | None:
        """Take one of the `most` places in which a user's polls wait, for `seconds` at most; None when none is free."""
        until = self._call("poll_enter", user_id=user_id, seconds=seconds, most=most)
        return None if until is None else str(until)

    def poll_leave(self, user_id: str, until: str) -> None:
        """Give back the place that `poll_enter` gave."""
        self._call("poll_leave", user_id=user_id, until=until)

    def job_delete(self, user_id: str, job_id: str, capacity: Capacity) -> Deletion:
        """Cancel a pending job with its refund; return what to remove of it, or of a terminal one."""
        return self._row(jobs.Deletion, "job_delete", user_id=user_id, job_id=job_id, **_fields(capacity))

    def job_erase(self, user_id: str, job_id: str) -> None:
        """Erase personal data of a terminal job; a tombstone stays for the ledger."""
        self._call("job_erase", user_id=user_id, job_id=job_id)

    def account(self, user_id: str, *, initial_credits: int | None, is_guest: bool = False) -> Account:
        """Credits and the latest ledger entries; grants `initial_credits` at the user's first call, None never."""
        return self._row(
            rows.Account, "account_open", user_id=user_id, initial_credits=initial_credits, is_guest=is_guest
        )

    def account_erase(self, user_id: str, *, actor: str | None = None) -> Erasure:
        """Erase an account and everything of it; `actor` is the operator who does, None its owner."""
        return self._row(rows.Erasure, "account_erase", user_id=user_id, actor=actor)

    def account_export(self, user_id: str, *, actor: str) -> dict[str, Any]:
        """Every row of an account, without data keys (an operator's call)."""
        return self._document("account_export", user_id=user_id, actor=actor)

    def operator_events(self, limit: int) -> tuple[OperatorEvent, ...]:
        """What operators did, newest first (an operator's call)."""
        return self._rows(rows.OperatorEvent, "operator_events_list", limit=limit)

    def credits_grant(self, user_id: str, amount: int, *, actor: str | None = None) -> Account:
        """Grant credits (an operator's call)."""
        name, by = _act("credits_grant", "operator_credits_grant", actor)
        return self._row(rows.Account, name, user_id=user_id, amount=amount, **by)

    def jobs_search(self, *, status: JobStatus | None, user_id: str | None, limit: int) -> tuple[OperatorJob, ...]:
        """Jobs of anybody, newest first (an operator's call)."""
        return self._rows(jobs.OperatorJob, "jobs_search", status=status, user_id=user_id, limit=limit)

    def job_inspect(self, job_id: str) -> OperatorJob | None:
        """One job of anybody (an operator's call)."""
        return self._row_or_none(jobs.OperatorJob, "job_inspect", job_id=job_id)

    def job_retry_now(
        self, job_id: str, attempt: int, *, error: Mapping[str, Any], capacity: Capacity, actor: str | None = None
    ) -> Ended:
        """Give an attempt up, if it runs, and make the next one due at once (an operator's call)."""
        name, by = _act("job_retry_now", "operator_job_retry", actor)
        return self._row(jobs.Ended, name, job_id=job_id, attempt=attempt, error=error, **_fields(capacity), **by)

    def job_end(self, job_id: str, *, error: Mapping[str, Any], capacity: Capacity, actor: str | None = None) -> Ended:
        """End a job as failed, with a refund, wherever it is on its way (an operator's call)."""
        name, by = _act("job_end", "operator_job_end", actor)
        return self._row(jobs.Ended, name, job_id=job_id, error=error, **_fields(capacity), **by)

    def metrics_snapshot(self) -> dict[str, Any]:
        """Counts and ages for Prometheus."""
        return self._document("metrics_snapshot")

    def health(self) -> dict[str, Any]:
        """Schema version and the time of the last tick."""
        return self._document("database_health")

    # --- inside ---------------------------------------------------------------------------------------------------

    def _call(self, function: str, caller: Caller | None = None, /, **arguments: object) -> Any:
        named = dict(zip(map("p_{}".format, arguments), map(storable, arguments.values()), strict=True))
        return self._transport.call(function, named, caller)

    def _row(self, model: type[_Row], function: str, caller: Caller | None = None, /, **arguments: object) -> _Row:
        return _read(model, function, self._call(function, caller, **arguments))

    def _row_or_none(
        self, model: type[_Row], function: str, caller: Caller | None = None, /, **arguments: object
    ) -> _Row | None:
        answer = self._call(function, caller, **arguments)
        return None if answer is None else _read(model, function, answer)

    def _rows(
        self, model: type[_Row], function: str, caller: Caller | None = None, /, **arguments: object
    ) -> tuple[_Row, ...]:
        answer = self._call(function, caller, **arguments)
        if not isinstance(answer, list):
            raise _strange(function)
        return tuple(_read(model, function, row) for row in answer)

    def _document(self, function: str, /, **arguments: object) -> dict[str, Any]:
        answer = self._call(function, **arguments)
        if not isinstance(answer, dict):
            raise _strange(function)
        return answer


def _fields(arguments: NewJob | Capacity | Finish | RateLimit | None) -> dict[str, object]:
    if arguments is None:
        return {}
    return {field.name: getattr(arguments, field.name) for field in fields(arguments)}


def _act(plain: str, recorded: str, actor: str | None) -> tuple[str, dict[str, object]]:
    """The function of an operator's act, and who does it: with an actor the one that writes the event too."""
    return (plain, {}) if actor is None else (recorded, {"actor": actor})


def storable(value: object) -> object:
    """A value as JSON would write it, and as Postgres can store it."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(_REPLACEMENT, value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(storable(key)): storable(entry) for key, entry in value.items()}
    if isinstance(value, Sequence):
        return [storable(entry) for entry in value]
    return value


def _read(model: type[_Row], function: str, answer: object) -> _Row:
    try:
        return model.model_validate(answer)
    except ValidationError:
        raise _strange(function) from None


def _strange(function: str) -> DatabaseFaultError:
    return DatabaseFaultError(f"{function} answered what this release does not know: do migrations and release differ?")


# Connection, resources, operator intervention, system; a failover's read-only server; and what a repeat may resolve:
# serialization failure, deadlock, lock not available.
_UNAVAILABLE = ("08", "53", "57", "58", "25006", "40", "55P03")
# Authorization, database, schema, undefined or forbidden objects; 22023 reports a missing role.
_ACCOUNT_ERASED = "RY403"  # of ours: `account_refuse_erased`
_NOT_READY = ("28", "3D", "3F", "0P", "42", "22023")
_ADVICE = {
    "28": "the database refuses the user or password",
    "3D": "there is no such database",
    "3F": "the migrations are missing: run `rythmiq migrate`",
    "42883": "a function is missing: run `rythmiq migrate`",
    "42P01": "a table is missing: run `rythmiq migrate`",
    "42703": "a column is missing: run `rythmiq migrate`",
    "42501": "a grant is missing",
    "22023": "a role is missing: anon, authenticated and service_role are needed",
}


_KEY_REFUSED = "RK001"
"""Our own: a ring holds another key than that of its kid's first use; the message names ring and kid."""


def database_error(
    sqlstate: str, *, message: str = "", constraint: str = ""
) -> DatabaseUnavailableError | DatabaseFaultError | AccountErasedError | SettingsError:
    """The error to raise for an SQLSTATE (PostgreSQL, appendix A), the same for both transports.

    Only messages that cannot hold a value are repeated: those of syntax and access rules. A constraint's message quotes
    the row, so only the constraint's name is kept.

    Args:
        sqlstate: five characters.
        message: the server's primary message.
        constraint: the name of the constraint that refused a row, if one did.
    """
    if sqlstate == _KEY_REFUSED:
        return SettingsError(f"{message}: `rythmiq keys list` compares the ring with what the database keeps")
    if sqlstate == _ACCOUNT_ERASED:
        return AccountErasedError("the account has been erased")
    if sqlstate.startswith(_NOT_READY):
        advice = next((text for code, text in _ADVICE.items() if sqlstate.startswith(code)), "the database refuses")
        detail = f": {message}" if message and sqlstate.startswith("42") else ""
        return DatabaseNotReadyError(f"{advice} ({sqlstate}{detail})")
    if sqlstate.startswith(_UNAVAILABLE):
        return DatabaseUnavailableError(f"the database does not answer now ({sqlstate})")
    return DatabaseFaultError(f"the database refused a call ({', '.join(filter(None, (sqlstate, constraint)))})")
