"""Does what the database hands out: dispatches started jobs, reconciles overdue ones, clears up after dead attempts.

One tick is a bounded step; any number may run at once.

Source: docs/specification/executors.md.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rythmiq.clock import Deadline
from rythmiq.contracts.errors import StoreError
from rythmiq.contracts.keys import MOST_DELETED
from rythmiq.contracts.problems import ProblemError
from rythmiq.log import log
from rythmiq.ports import UnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import Removal, StartedJob, TickWork
from rythmiq.services import Backends
from rythmiq.services.dispatch import SUBMIT_S, Dispatcher
from rythmiq.services.reconcile import Reconciler, remaining_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_JobT = TypeVar("_JobT", bound=StartedJob)

TICK_S = 2.0
"""After this a tick starts nothing more; calls of an executor end within `SUBMIT_S` in all."""
SETTLE_IN_TICK_S = 10.0
"""Time limit of packaging in a tick, which may be part of a GET."""
MOST_TICKS = 50
"""Of one call of POST /internal/reconcile."""


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
        return self._dispatcher.dispatch(job, timeout_s=remaining_s(calls)).work

    def _clear_up(self, removals: "Sequence[Removal]", start: Deadline, calls: Deadline) -> None:
        """Remove what nobody is to have any more; what is left out is handed out again in ten minutes."""
        try:
            for some in _by_call(removals):
                if start.left_s <= 0:
                    return
                self._store.delete_objects([key for one in some for key in one.keys], timeout_s=remaining_s(calls))
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
