"""The reconciler: ends or prolongs attempts whose lease has passed, and does whatever the database hands out.

Of one attempt it looks at the result object, then asks the executor, then starts the next attempt. A tick is a bounded
step, of which any number may run at once: it dispatches started jobs, reconciles overdue ones, and clears up after dead
attempts.

Source: docs/specification/executors.md.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rythmiq.clock import Deadline
from rythmiq.contracts.errors import ErrorCode, ObjectMissingError, StoreError, failure
from rythmiq.contracts.keys import MOST_DELETED, dispatch_key, result_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto import OVERHEAD_BYTES, DecryptionError
from rythmiq.log import log
from rythmiq.ports import Executor, ExecutorState, ExecutorUnclearError, UnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import OverdueJob, Removal, StartedJob, TickWork
from rythmiq.services import Backends
from rythmiq.services.dispatch import SUBMIT_S, Dispatcher
from rythmiq.services.settle import Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rythmiq.contracts.attempt import WebhookBody

TICK_S = 2.0
"""After this a tick starts nothing more; calls of an executor end within `SUBMIT_S` in all."""
SETTLE_IN_TICK_S = 10.0
"""Time limit of packaging in a tick, which may be part of a GET."""
MOST_TICKS = 50
"""Of one call of POST /internal/reconcile."""
EXTEND_S = 60
"""Longest lease that is granted because the executor reports the attempt as running."""
_MAX_RESULT_BYTES = 1_000_000
_GRACE_S = 120.0
_JobT = TypeVar("_JobT", bound=StartedJob)
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
                return self._dispatcher.dispatch(job, timeout_s=_remaining_s(calls)).work
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
            return self._executor.find(job.job_id, job.attempt, timeout_s=_remaining_s(calls))
        except ExecutorUnclearError:
            if self._age_s(job) > self._policy.pending_max_s:  # as below; the fence stops what may run all the same
                return None
            raise

    def _state(self, job: OverdueJob, reference: str | None, calls: Deadline) -> ExecutorState:
        if reference is None:
            return "unknown"
        try:
            return self._executor.status(reference, timeout_s=_remaining_s(calls))
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
            return self._settlement.settle(body, timeout_s=_remaining_s(settle)).work
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
                key, max_bytes=_MAX_RESULT_BYTES + OVERHEAD_BYTES, timeout_s=_remaining_s(calls)
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
        self._store.delete_object(dispatch_key(job.user_id, job.job_id, job.attempt), timeout_s=_remaining_s(calls))
        if reference is not None and state in _GOES_ON and self._executor.capabilities.cancel:
            try:
                self._executor.cancel(reference, timeout_s=_remaining_s(calls))
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


def _remaining_s(deadline: Deadline) -> float:
    """Return the seconds that are left.

    Raises:
        UnavailableError: none are.
    """
    return deadline.require(UnavailableError, "the tick's time is up")


@dataclass(frozen=True, slots=True)
class TickReport:
    """Counts of what ticks have done."""

    reconciled: int = 0
    dispatched: int = 0
    purged: dict[str, int] = field(default_factory=dict)


class WorkLoop:
    """Runs ticks, and the work that other calls of the database hand out.

    Args:
        backends: the database that hands out what is due, and the store.
        dispatcher: gives started jobs to the executor.
        reconciler: ends overdue attempts.
        capacity: how much an executor is given.
    """

    def __init__(
        self, backends: Backends, *, dispatcher: Dispatcher, reconciler: Reconciler, capacity: Capacity
    ) -> None:
        self._database, self._store = backends.database, backends.store
        self._monotonic_s = backends.clock.monotonic_s
        self._dispatcher = dispatcher
        self._reconciler = reconciler
        self._capacity = capacity

    def tick(self, *, budget_s: float = TICK_S, most: int = MOST_TICKS, within_s: float = float("inf")) -> TickReport:
        """Reconcile and dispatch, again while something is due, until the budget or `most` ticks are spent.

        Args:
            budget_s: after this nothing new is started.
            most: how often the database is asked what is due.
            within_s: what all calls of the store and the executor have to fit in.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        start, end = self._after(budget_s), self._after(within_s)
        done, purged = Counter[str](), Counter[str]()
        for _ in range(most):
            work = self._database.jobs_tick(self._capacity)
            purged.update(work.purged)
            if work.is_nothing:
                break
            done.update(self._done(work, start, end))
            if start.left_s <= 0:
                break
        return TickReport(done["reconciled"], done["dispatched"], dict(purged))

    def follow(self, work: TickWork, *, budget_s: float = TICK_S) -> TickReport:
        """Do what a call of the database has handed out; trouble is logged and left to the next tick."""
        done = self._done(work, self._after(budget_s), self._after(float("inf")))
        return TickReport(done["reconciled"], done["dispatched"], dict(work.purged))

    def _done(self, first: TickWork, start: Deadline, end: Deadline) -> Counter[str]:
        """Do the work, and what comes of it, until `start` has passed; how many jobs were reconciled and dispatched."""
        done = Counter[str]()
        calls, settle = self._after(SUBMIT_S).within(end), self._after(SETTLE_IN_TICK_S).within(end)
        waiting = deque([first])
        while waiting:
            work = waiting.popleft()
            # An overdue job that is left out is due again in a minute: `jobs_tick` has moved its lease.
            if work.overdue is not None and start.left_s > 0:
                waiting.append(_safely(self._reconciler.reconcile, work.overdue, calls, settle))
                done["reconciled"] += 1
            if work.dispatch is not None and start.left_s > 0:
                waiting.append(_safely(self._dispatch, work.dispatch, calls, settle))
                done["dispatched"] += 1
            elif work.dispatch is not None:
                self._dispatcher.postpone(work.dispatch)
            self._clear_up(work.removals, start, calls)
            if work.erasing and start.left_s > 0:
                self._database.account_erase_step()
        return done

    def _dispatch(self, job: StartedJob, calls: Deadline, _settle: Deadline) -> TickWork:
        return self._dispatcher.dispatch(job, timeout_s=_remaining_s(calls)).work

    def _clear_up(self, removals: "Sequence[Removal]", start: Deadline, calls: Deadline) -> None:
        """Remove what nobody is to have any more; what is left out is handed out again in ten minutes."""
        try:
            for some in _by_call(removals):
                if start.left_s <= 0:
                    return
                self._store.delete_objects([key for one in some for key in one.keys], timeout_s=_remaining_s(calls))
                self._database.removals_done([one.job_id for one in some])
        except (StoreError, UnavailableError) as error:
            log("removal_trouble", level="warning", removals=len(removals), reason=str(error))

    def _after(self, seconds: float) -> Deadline:
        return Deadline.after(seconds, self._monotonic_s)


def _by_call(removals: "Sequence[Removal]") -> "Iterator[list[Removal]]":
    """Removals whose keys the store takes in one call, together."""
    some: list[Removal] = []
    for one in removals:
        if some and sum(len(each.keys) for each in (*some, one)) > MOST_DELETED:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _safely(
    step: "Callable[[_JobT, Deadline, Deadline], TickWork]", job: _JobT, calls: Deadline, settle: Deadline
) -> TickWork:
    """Take a step for one job; trouble leaves the job to a later tick and harms no other job."""
    try:
        return step(job, calls, settle)
    except (StoreError, UnavailableError, ProblemError) as error:
        log("tick_trouble", level="warning", job_id=job.job_id, attempt=job.attempt, reason=str(error))
    except Exception as error:  # noqa: BLE001  a defect met by one job must not stop the others
        log("tick_defect", level="error", job_id=job.job_id, attempt=job.attempt, reason=type(error).__name__)
    return TickWork()
