"""The tick: one bounded step that heals what was lost and starts what waits. Any number may run at once.

Source: SPEC 11, 16.
"""

from dataclasses import dataclass, field

from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import Capacity, Clock, Database, Executor, ObjectStore, TickWork
from rythmiq.services.dispatch import Dispatcher
from rythmiq.services.settle import Settlement

TICK_S = 2.0
"""After this a tick starts nothing more."""


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

    def tick(self, *, budget_s: float = TICK_S) -> TickReport:
        """Reconcile and dispatch until nothing is due or the budget is spent (POST /internal/reconcile).

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError

    def follow(self, work: TickWork, *, budget_s: float = TICK_S) -> TickReport:
        """Do what a call of the database has handed out; trouble is logged and left to the next tick."""
        raise NotImplementedError
