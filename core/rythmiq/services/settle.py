"""Reports of the launcher: settles the end of an attempt as exactly one terminal state, and records progress.

The order of checks is unknown job, foreign keys, terminal, pending, stale or future attempt. The database decides under
the lock of the job's row, so that of any number of deliveries one settles.

Source: docs/specification/executors.md.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rythmiq.clock import Deadline
from rythmiq.contracts.attempt import ProgressBody, WebhookBody
from rythmiq.contracts.errors import ErrorCode, failure, may_repeat
from rythmiq.contracts.problems import FieldCode, FieldError, ProblemCode, ProblemError
from rythmiq.contracts.result import Failure, Success
from rythmiq.log import log
from rythmiq.ports.database import Capacity, Database, Finish
from rythmiq.ports.jobs import Ended, SettlingJob, TickWork
from rythmiq.services import Backends

if TYPE_CHECKING:
    from collections.abc import Callable

    from rythmiq.services.output import Packed
    from rythmiq.services.reconcile import WorkLoop

SETTLE_S = 20.0
"""Time limit of packaging: within a function's own and the launcher's (65 s)."""
PENDING_RETRY_S = 2
BUSY_RETRY_S = 5
PACKAGING_RETRY_S = 5
DEATHS = 3
"""How many failed packagings of a job, at least, end it without another try."""
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Settled:
    """Outcome of a report; `terminal` and `stale` changed nothing. `work` is to be done next."""

    outcome: Literal["completed", "failed", "retrying", "terminal", "stale"]
    work: TickWork = field(default_factory=TickWork)


class Settlement:
    """Settles attempts.

    Args:
        backends: where the transition is made, and where the worker's objects are and the ZIP goes.
        capacity: attempts, and what may start next.
        max_failures_a_day: how many failures of one user's input are refunded in a day (UTC); None for all.
    """

    def __init__(self, backends: Backends, capacity: Capacity, *, max_failures_a_day: int | None = None) -> None:
        self._backends, self._database = backends, backends.database
        self._capacity = capacity
        self._max_failures_a_day = max_failures_a_day

    def settle(self, body: WebhookBody, *, timeout_s: float = SETTLE_S) -> Settled:
        """Settle what `body` reports; whoever reports must have been authenticated.

        Args:
            body: the report.
            timeout_s: bounds the calls of the store together.

        Raises:
            ProblemError: NOT_FOUND, INVALID_FIELD (keys), JOB_PENDING, ATTEMPT_UNKNOWN, SETTLEMENT_BUSY,
                PACKAGING_TROUBLE.
            DatabaseUnavailableError: the database does not answer.
        """
        if isinstance(body.result, Success):
            settled = self._succeed(body, body.result, timeout_s)
        else:
            settled = self._fail(body, body.result)
        log("attempt_settled", job_id=body.job_id, attempt=body.attempt, outcome=settled.outcome)
        return settled

    def _fail(self, body: WebhookBody, failure: Failure) -> Settled:
        error = failure.error
        transient = error.detail is not None and error.detail.get("transient") is True
        again = error.code is not ErrorCode.INTERNAL_ERROR or may_repeat(error.code, error.detail)
        return self._ended(
            body.job_id,
            self._database.job_fail_attempt(
                body.job_id,
                body.attempt,
                error=error.model_dump(mode="json"),
                metrics=failure.metrics.model_dump(mode="json") if failure.metrics else None,
                retry=(error.retryable or transient) and again,
                capacity=self._capacity,
                max_failures=self._max_failures_a_day,
            ),
        )

    def _succeed(self, body: WebhookBody, success: Success, timeout_s: float) -> Settled:
        # Foreign keys are claimed under a nil user: the database then tells an unknown job from foreign keys.
        user_id, document_id = success.artifacts.owner(body.job_id) or (_NOBODY, _NOBODY)
        claimed = self._database.job_claim_settlement(
            body.job_id, body.attempt, user_id=user_id, document_id=document_id
        )
        if claimed.outcome in {"terminal", "stale"}:
            return Settled(claimed.outcome)
        if claimed.job is None or claimed.claim is None:
            raise _refusal(claimed.outcome)
        if claimed.job.packaging_failures >= max(DEATHS, self._capacity.max_attempts):
            return self._give_up(claimed.job, claimed.claim, claimed.job.packaging_failures)
        try:
            packed = self._packed(claimed.job, success, timeout_s)
        except Exception as error:  # noqa: BLE001  whatever it is, the job must end: it is packaging trouble
            return self._trouble(claimed.job, claimed.claim, error)
        artifacts = success.artifacts.model_dump(exclude_none=True) | {"output_path": packed.path}
        hashes = success.hashes.model_dump(exclude_none=True) if success.hashes is not None else {}
        return self._ended(
            body.job_id,
            self._database.job_finish(
                Finish(
                    job_id=claimed.job.job_id,
                    attempt=claimed.job.attempt,
                    claim=claimed.claim,
                    quality_score=success.quality_score,
                    warnings=success.warnings,
                    advice=[advice.model_dump(mode="json") for advice in success.advice],
                    artifacts=artifacts,
                    metrics=success.metrics.model_dump(mode="json"),
                    receipt=success.receipt.model_dump(mode="json"),
                    conforms=success.receipt.conforms,
                    hashes=hashes | {"output": packed.sha256},
                ),
                self._capacity,
            ),
        )

    def _packed(self, job: SettlingJob, success: Success, timeout_s: float) -> "Packed":
        from rythmiq.services.output import Packer  # noqa: PLC0415  only a success needs the page and zipfile

        backends = self._backends
        key = backends.open_key(job.kid, job.wrapped_key, job.user_id)
        return Packer(backends.store, key, Deadline.after(timeout_s, backends.clock.monotonic_s)).pack(job, success)

    def _trouble(self, job: SettlingJob, claim: str, error: Exception) -> Settled:
        from rythmiq.services.output import PackagingError  # noqa: PLC0415  ditto

        known = isinstance(error, PackagingError)
        log(
            "packaging_trouble",
            level="warning" if known else "error",
            job_id=job.job_id,
            attempt=job.attempt,
            reason=str(error) if known else type(error).__name__,
            failures=job.packaging_failures + 1,
        )
        if job.packaging_failures + 1 < self._capacity.max_attempts:
            self._database.job_release_settlement(job.job_id, claim)
            raise ProblemError(ProblemCode.PACKAGING_TROUBLE, retry_after_s=PACKAGING_RETRY_S)
        return self._give_up(job, claim, job.packaging_failures + 1)

    def _give_up(self, job: SettlingJob, claim: str, failures: int) -> Settled:
        return self._ended(
            job.job_id,
            self._database.job_fail_attempt(
                job.job_id,
                job.attempt,
                error=failure(ErrorCode.PACKAGING_FAILED, "the ZIP could not be built or stored", failures=failures),
                metrics=None,
                retry=False,
                capacity=self._capacity,
                claim=claim,
            ),
        )

    def _ended(self, job_id: str, ended: Ended) -> Settled:
        """What became of it; once that stands, the attempt's order and result are nobody's any more."""
        if ended.outcome in {"completed", "failed", "retrying", "terminal", "stale"}:
            self._backends.clear_up(job_id, ended)
            return Settled(ended.outcome, ended.work)
        raise _refusal(ended.outcome)


def _refusal(outcome: str) -> ProblemError:
    """Return the problem of a report that the database refused."""
    if outcome == "unknown":
        return ProblemError(ProblemCode.NOT_FOUND, "There is no such job.")
    if outcome == "foreign_keys":
        wrong = FieldError("/result/artifacts", FieldCode.NOT_ALLOWED, "These keys are not this job's.")
        return ProblemError(ProblemCode.INVALID_FIELD, errors=[wrong])
    if outcome == "pending":
        return ProblemError(ProblemCode.JOB_PENDING, retry_after_s=PENDING_RETRY_S)
    if outcome == "future":
        return ProblemError(ProblemCode.ATTEMPT_UNKNOWN)
    return ProblemError(ProblemCode.SETTLEMENT_BUSY, retry_after_s=BUSY_RETRY_S)


class Webhooks:
    """The use cases.

    Args:
        database: where stages are kept.
        settlement: what ends attempts.
        work: makes what goes on with the next job; called when there is one.
    """

    def __init__(self, *, database: Database, settlement: "Settlement", work: "Callable[[], WorkLoop]") -> None:
        self._database = database
        self._settlement = settlement
        self._work = work

    def receive(self, body: WebhookBody) -> Literal["completed", "failed", "retrying", "terminal", "stale"]:
        """Settle an attempt and start what is next; every answer is a 200.

        Raises:
            ProblemError: as `Settlement.settle`.
            DatabaseUnavailableError: the database does not answer.
        """
        settled = self._settlement.settle(body)
        if not settled.work.is_nothing:
            self._work().follow(settled.work)
        return settled.outcome

    def progress(self, body: ProgressBody) -> bool:
        """Keep an attempt's stage; False when it is not the current attempt of a processing job (also a 200).

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        return self._database.job_progress(body.job_id, body.attempt, body.stage)
