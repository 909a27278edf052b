"""The tick: one bounded step that heals what was lost and starts what waits. Any number may run at once.

Source: docs/specification/executors.md.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rythmiq.clock import Clock
from rythmiq.contracts.errors import ErrorCode, ObjectMissingError, StoreError, failure
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.crypto.rqe1 import OVERHEAD_BYTES, DecryptionError
from rythmiq.log import log
from rythmiq.ports.database import Capacity, Database
from rythmiq.ports.errors import ExecutorUnclearError, UnavailableError
from rythmiq.ports.executor import Executor, ExecutorState
from rythmiq.ports.jobs import OverdueJob, Removal, StartedJob, TickWork
from rythmiq.ports.store import ObjectStore
from rythmiq.services.dispatch import SUBMIT_S, Dispatcher
from rythmiq.services.settle import Settlement

if TYPE_CHECKING:
    from collections.abc import Callable

    from rythmiq.contracts.webhook import WebhookBody

_Job = TypeVar("_Job", bound=StartedJob)

TICK_S = 2.0
"""After this a tick starts nothing more; what it asked of an executor ends within `SUBMIT_S` in all."""
SETTLE_IN_TICK_S = 10.0
"""What packaging may take in a tick, which may be part of somebody's GET."""
MOST_TICKS = 50
"""Of one call of POST /internal/reconcile."""
EXTEND_S = 60
"""For how long an executor's word that an attempt goes on is trusted, at most."""
_MAX_RESULT_BYTES = 1_000_000
_GRACE_S = 120.0
_GOES_ON: frozenset[ExecutorState] = frozenset({"pending", "running"})


@dataclass(frozen=True, slots=True)
class ReconcileTerms:
    """How long what is trusted.

    Attributes:
        capacity: how much an executor is given, and the lease.
        job_timeout_s: the launcher's own deadline.
        pending_max_s: how long an executor may keep an attempt waiting before it is given up.
    """

    capacity: Capacity
    job_timeout_s: float = 240.0
    pending_max_s: float = 900.0


@dataclass(frozen=True, slots=True)
class _Time:
    """Until when, on the monotonic clock.

    Attributes:
        start: something new is started.
        calls: the store and the executor are asked.
        settle: a settlement may go on.
    """

    start: float
    calls: float
    settle: float


@dataclass(frozen=True, slots=True)
class TickReport:
    """What ticks have done."""

    reconciled: int = 0
    dispatched: int = 0
    purged: dict[str, int] = field(default_factory=dict)


class Reconciler:
    """The use case.

    Args:
        database: hands out what is due.
        store: where result objects are.
        ring: what opens them; None where plaintext is allowed.
        executor: asked where attempts stand.
        clock: for the time allowed.
        dispatcher: gives started jobs to the executor.
        settlement: settles from a result object as from a webhook.
        terms: how long what is trusted.
    """

    def __init__(  # noqa: PLR0913  a tick touches this many parts
        self,
        *,
        database: Database,
        store: ObjectStore,
        ring: KeyRing | None,
        executor: Executor,
        clock: Clock,
        dispatcher: Dispatcher,
        settlement: Settlement,
        terms: ReconcileTerms,
    ) -> None:
        self._database = database
        self._store = store
        self._ring = ring
        self._executor = executor
        self._clock = clock
        self._dispatcher = dispatcher
        self._settlement = settlement
        self._terms = terms

    def tick(self, *, budget_s: float = TICK_S, most: int = MOST_TICKS, within_s: float = float("inf")) -> TickReport:
        """Reconcile and dispatch, again while something is due, until the budget or `most` ticks are spent.

        Args:
            budget_s: after this nothing new is started.
            most: how often the database is asked what is due.
            within_s: what all calls of the store and the executor have to fit in.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        now_s = self._clock.monotonic_s()
        ends_at, all_end_at = now_s + budget_s, now_s + within_s
        done, purged = Counter[str](), Counter[str]()
        for _ in range(most):
            work = self._database.jobs_tick(self._terms.capacity)
            purged.update(work.purged)
            if work.is_nothing:
                break
            done.update(self._follow(work, ends_at, all_end_at))
            if self._clock.monotonic_s() >= ends_at:
                break
        return TickReport(done["reconciled"], done["dispatched"], dict(purged))

    def follow(self, work: TickWork, *, budget_s: float = TICK_S) -> TickReport:
        """Do what a call of the database has handed out; trouble is logged and left to the next tick."""
        done = self._follow(work, self._clock.monotonic_s() + budget_s)
        return TickReport(done["reconciled"], done["dispatched"], dict(work.purged))

    def _follow(self, first: TickWork, ends_at: float, all_end_at: float = float("inf")) -> Counter[str]:
        """Do the work, and what comes of it, while there is time to start anything."""
        done = Counter[str]()
        now_s = self._clock.monotonic_s()
        time = _Time(ends_at, min(now_s + SUBMIT_S, all_end_at), min(now_s + SETTLE_IN_TICK_S, all_end_at))
        waiting = deque([first])
        while waiting:
            work = waiting.popleft()
            # An overdue job that nobody gets to is due again in a minute: `jobs_tick` has moved its lease.
            if work.overdue is not None and self._clock.monotonic_s() < time.start:
                waiting.append(self._safely(self._reconcile, work.overdue, time))
                done["reconciled"] += 1
            if work.dispatch is not None and self._clock.monotonic_s() < time.start:
                waiting.append(self._safely(self._dispatch, work.dispatch, time))
                done["dispatched"] += 1
            elif work.dispatch is not None:
                self._dispatcher.postpone(work.dispatch)
            # What nobody gets to is handed out again in ten minutes.
            if work.removal is not None and self._clock.monotonic_s() < time.start:
                self._clear_up(work.removal, time)
        return done

    def _safely(self, step: "Callable[[_Job, _Time], TickWork]", job: "_Job", time: _Time) -> TickWork:
        """Take a step for one job; trouble leaves the job to a later tick and harms nobody else's."""
        try:
            return step(job, time)
        except (StoreError, UnavailableError, ProblemError) as error:
            log("tick_trouble", level="warning", job_id=job.job_id, attempt=job.attempt, reason=str(error))
        except Exception as error:  # noqa: BLE001  a defect met by one job must not stop the others
            log("tick_defect", level="error", job_id=job.job_id, attempt=job.attempt, reason=type(error).__name__)
        return TickWork()

    def _clear_up(self, removal: Removal, time: _Time) -> None:
        """Remove what an attempt that never settled may have left: nobody else would for months."""
        try:
            for key in removal.keys:
                self._store.delete_object(key, timeout_s=self._left_s(time.calls))
            self._database.removal_done(removal.job_id)
        except (StoreError, UnavailableError) as error:
            log("removal_trouble", level="warning", job_id=removal.job_id, reason=str(error))

    def _dispatch(self, job: StartedJob, time: _Time) -> TickWork:
        return self._dispatcher.dispatch(job, timeout_s=self._left_s(time.calls)).work

    def _reconcile(self, job: OverdueJob, time: _Time) -> TickWork:
        """Find out what became of an attempt whose lease has passed: result object, executor, next attempt."""
        settled = self._settled_from_result(job, time)
        if settled is not None:
            return settled
        # Another executor's reference says nothing to this one.
        reference = job.executor_ref if job.executor in {None, self._executor.name} else None
        if job.executor_ref is None:
            # The reply to a submit may have been lost: only what the executor does not know is submitted again.
            reference = self._found(job, time)
            if reference is None and self._age_s(job) <= self._terms.pending_max_s:
                return self._dispatch(job, time)
            if reference is not None:
                self._dispatcher.keep_reference(job, reference)
        state = self._state(job, reference, time)
        if state in _GOES_ON and not self._overlong(job, state):
            self._dispatcher.postpone(job, lease_s=min(EXTEND_S, self._terms.capacity.lease_s))
            return TickWork()
        # It may have ended between the two questions.
        settled = self._settled_from_result(job, time)
        return settled if settled is not None else self._abandon(job, reference, state, time)

    def _found(self, job: OverdueJob, time: _Time) -> str | None:
        try:
            return self._executor.find(job.job_id, job.attempt, timeout_s=self._left_s(time.calls))
        except ExecutorUnclearError:
            if self._age_s(job) > self._terms.pending_max_s:  # as below; the fence stops what may run all the same
                return None
            raise

    def _state(self, job: OverdueJob, reference: str | None, time: _Time) -> ExecutorState:
        if reference is None:
            return "unknown"
        try:
            return self._executor.status(reference, timeout_s=self._left_s(time.calls))
        except ExecutorUnclearError:
            if self._overlong(job, "running"):  # however long the executor is silent, the job has to end
                return "unknown"
            raise

    def _settled_from_result(self, job: OverdueJob, time: _Time) -> TickWork | None:
        """Settle from the attempt's result object; None when there is none that is the launcher's."""
        body = self._result_of(job, time)
        if body is None:
            return None
        try:
            return self._settlement.settle(body, timeout_s=self._left_s(time.settle)).work
        except ProblemError as error:
            if error.code is not ProblemCode.INVALID_FIELD:
                raise
            log("result_refused", level="error", job_id=job.job_id, attempt=job.attempt, reason="foreign keys")
            return None

    def _result_of(self, job: OverdueJob, time: _Time) -> "WebhookBody | None":
        from rythmiq.contracts.webhook import WebhookBody  # noqa: PLC0415  most ticks find nothing overdue

        key = result_key(job.user_id, job.job_id, job.attempt)
        try:
            data = self._store.fetch_object(
                key, max_bytes=_MAX_RESULT_BYTES + OVERHEAD_BYTES, timeout_s=self._left_s(time.calls)
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

    def _abandon(self, job: OverdueJob, reference: str | None, state: ExecutorState, time: _Time) -> TickWork:
        """Give an attempt up: first the fence, so that a late start finds nothing to do, then the next attempt."""
        self._store.delete_object(
            dispatch_key(job.user_id, job.job_id, job.attempt), timeout_s=self._left_s(time.calls)
        )
        if reference is not None and state in _GOES_ON and self._executor.capabilities.cancel:
            try:
                self._executor.cancel(reference, timeout_s=self._left_s(time.calls))
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
            capacity=self._terms.capacity,
        )
        log("attempt_abandoned", level="warning", job_id=job.job_id, attempt=job.attempt, outcome=ended.outcome)
        return ended.work

    def _overlong(self, job: OverdueJob, state: ExecutorState) -> bool:
        """Whether an attempt has had its time: to start, and when it runs also the launcher's own and a little more."""
        most_s = self._terms.pending_max_s
        if state == "running":
            most_s += self._terms.job_timeout_s + _GRACE_S
        return self._age_s(job) > most_s

    def _age_s(self, job: OverdueJob) -> float:
        return (self._clock.now() - job.started_at).total_seconds()

    def _left_s(self, ends_at: float) -> float:
        left_s = ends_at - self._clock.monotonic_s()
        if left_s <= 0:
            raise UnavailableError("the tick's time is up")
        return left_s
