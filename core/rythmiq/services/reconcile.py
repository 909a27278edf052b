"""Reconciles one attempt whose lease has passed: result object, executor, next attempt.

Source: docs/specification/executors.md.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.clock import Deadline
from rythmiq.contracts.errors import ErrorCode, ObjectMissingError, failure
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto import OVERHEAD_BYTES, DecryptionError
from rythmiq.log import log
from rythmiq.ports import Executor, ExecutorState, ExecutorUnclearError, UnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import OverdueJob, TickWork
from rythmiq.services import Backends
from rythmiq.services.dispatch import Dispatcher
from rythmiq.services.settle import Settlement

if TYPE_CHECKING:
    from rythmiq.contracts.attempt import WebhookBody

EXTEND_S = 60
"""Longest lease that is granted because the executor reports the attempt as running."""
_MAX_RESULT_BYTES = 1_000_000
_GRACE_S = 120.0
_GOES_ON: frozenset[ExecutorState] = frozenset({"pending", "running"})


@dataclass(frozen=True, slots=True)
class ReconcilePolicy:
    """How long an attempt is trusted without a sign.

    Attributes:
        capacity: how much an executor is given, and the lease.
        job_timeout_s: the launcher's own deadline.
        pending_max_s: how long an executor may keep an attempt waiting before it is given up.
    """

    capacity: Capacity
    job_timeout_s: float = 240.0
    pending_max_s: float = 900.0


class Reconciler:
    """Finds out what became of an overdue attempt, and ends it or trusts it for longer.

    Args:
        backends: where result objects are, what opens them, and the clock.
        executor: knows how attempts stand.
        dispatcher: gives an attempt to the executor again.
        settlement: settles from a result object as from a webhook.
        policy: how long an attempt is trusted.
    """

    def __init__(
        self,
        backends: Backends,
        executor: Executor,
        *,
        dispatcher: Dispatcher,
        settlement: Settlement,
        policy: ReconcilePolicy,
    ) -> None:
        self._database, self._store, self._ring = backends.database, backends.store, backends.dispatch_ring
        self._clock = backends.clock
        self._executor = executor
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._policy = policy

    def reconcile(self, job: OverdueJob, calls: Deadline, settle: Deadline) -> TickWork:
        """Find out what became of an attempt whose lease has passed; what to do next.

        Args:
            job: the overdue job, claimed by this tick.
            calls: bounds the calls of the store and the executor.
            settle: bounds a settlement.

        Raises:
            StoreError, UnavailableError, ProblemError: the job is left to a later tick.
        """
        settled = self._settled_from_result(job, calls, settle)
        if settled is not None:
            return settled
        # Another executor's reference means nothing to this one.
        reference = job.executor_ref if job.executor in {None, self._executor.name} else None
        if job.executor_ref is None:
            # The reply to a submit may have been lost: only what the executor does not know is submitted again.
            reference = self._found(job, calls)
            if reference is None and self._age_s(job) <= self._policy.pending_max_s:
                return self._dispatcher.dispatch(job, timeout_s=remaining_s(calls)).work
            if reference is not None:
                self._dispatcher.keep_reference(job, reference)
        state = self._state(job, reference, calls)
        if state in _GOES_ON and not self._overlong(job, state):
            self._dispatcher.postpone(job, lease_s=min(EXTEND_S, self._policy.capacity.lease_s))
            return TickWork()
        # It may have ended between the two questions.
        settled = self._settled_from_result(job, calls, settle)
        return settled if settled is not None else self._abandon(job, reference, state, calls)

    def _found(self, job: OverdueJob, calls: Deadline) -> str | None:
        try:
            return self._executor.find(job.job_id, job.attempt, timeout_s=remaining_s(calls))
        except ExecutorUnclearError:
            if self._age_s(job) > self._policy.pending_max_s:  # as below; the fence stops what may run all the same
                return None
            raise

    def _state(self, job: OverdueJob, reference: str | None, calls: Deadline) -> ExecutorState:
        if reference is None:
            return "unknown"
        try:
            return self._executor.status(reference, timeout_s=remaining_s(calls))
        except ExecutorUnclearError:
            if self._overlong(job, "running"):  # however long the executor is silent, the job has to end
                return "unknown"
            raise

    def _settled_from_result(self, job: OverdueJob, calls: Deadline, settle: Deadline) -> TickWork | None:
        """Settle from the attempt's result object; None when there is none that is the launcher's."""
        body = self._result_of(job, calls)
        if body is None:
            return None
        try:
            return self._settlement.settle(body, timeout_s=remaining_s(settle)).work
        except ProblemError as error:
            if error.code is not ProblemCode.INVALID_FIELD:
                raise
            log("result_refused", level="error", job_id=job.job_id, attempt=job.attempt, reason="foreign keys")
            return None

    def _result_of(self, job: OverdueJob, calls: Deadline) -> "WebhookBody | None":
        from rythmiq.contracts.attempt import WebhookBody  # noqa: PLC0415  most ticks find nothing overdue

        key = result_key(job.user_id, job.job_id, job.attempt)
        try:
            data = self._store.fetch_object(
                key, max_bytes=_MAX_RESULT_BYTES + OVERHEAD_BYTES, timeout_s=remaining_s(calls)
            )
        except ObjectMissingError:
            return None
        try:
            body = WebhookBody.model_validate_json(
                data if self._ring is None else self._ring.open_service(data, storage_key=key)
            )
        except (DecryptionError, ValueError) as error:  # pydantic's is a ValueError
            reason = error.reason if isinstance(error, DecryptionError) else "not a report"
            log("result_refused", level="error", job_id=job.job_id, attempt=job.attempt, reason=reason)
            return None
        if (body.job_id, body.attempt) != (job.job_id, job.attempt):
            log("result_refused", level="error", job_id=job.job_id, attempt=job.attempt, reason="another attempt's")
            return None
        return body

    def _abandon(self, job: OverdueJob, reference: str | None, state: ExecutorState, calls: Deadline) -> TickWork:
        """Give an attempt up: first the fence, so that a late start finds nothing to do, then the next attempt."""
        self._store.delete_object(dispatch_key(job.user_id, job.job_id, job.attempt), timeout_s=remaining_s(calls))
        if reference is not None and state in _GOES_ON and self._executor.capabilities.cancel:
            try:
                self._executor.cancel(reference, timeout_s=remaining_s(calls))
            except UnavailableError:
                log("cancel_unclear", level="warning", job_id=job.job_id, attempt=job.attempt)
        cancelled = state == "cancelled"
        ended = self._database.job_fail_attempt(
            job.job_id,
            job.attempt,
            error=failure(
                ErrorCode.EXECUTOR_CANCELLED if cancelled else ErrorCode.EXECUTOR_LOST,
                "the executor cancelled the job" if cancelled else "the executor lost the job, or kept it too long",
                state=state,
            ),
            metrics=None,
            retry=True,
            capacity=self._policy.capacity,
        )
        log("attempt_abandoned", level="warning", job_id=job.job_id, attempt=job.attempt, outcome=ended.outcome)
        return ended.work

    def _overlong(self, job: OverdueJob, state: ExecutorState) -> bool:
        """Return whether an attempt has used up the time to start and, once it runs, the launcher's and a margin."""
        most_s = self._policy.pending_max_s
        if state == "running":
            most_s += self._policy.job_timeout_s + _GRACE_S
        return self._age_s(job) > most_s

    def _age_s(self, job: OverdueJob) -> float:
        return (self._clock.now() - job.started_at).total_seconds()


def remaining_s(deadline: Deadline) -> float:
    """Return the seconds that are left.

    Raises:
        UnavailableError: none are.
    """
    return deadline.require(UnavailableError, "the tick's time is up")
