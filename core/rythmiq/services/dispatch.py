"""From a job that the database has started to one that the executor has: seal, store, submit.

Source: SPEC 6, 7, 11, 16.
"""

from dataclasses import dataclass, field
from typing import Literal

from rythmiq.contracts.payload import StorageReference
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import Capacity, Clock, Database, Executor, ObjectStore, StartedJob, TickWork

SUBMIT_S = 5.0
"""What a submit may take in all inside somebody's call."""


@dataclass(frozen=True, slots=True)
class DispatchTerms:
    """What goes into every dispatch object.

    Attributes:
        storage: the store as the worker is to know it.
        callback_url: the absolute URL of `/internal/webhooks/camber`.
        webhook_secret: what tokens are derived from.
        capacity: how much an executor is given.
    """

    storage: StorageReference
    callback_url: str
    webhook_secret: str = field(repr=False)
    capacity: Capacity = field(default_factory=Capacity)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What came of a dispatch: `later` leaves it to the reconciler. `work` is there when the job has ended."""

    outcome: Literal["submitted", "rejected", "later"]
    work: TickWork = field(default_factory=TickWork)


class Dispatcher:
    """Gives started jobs to the executor.

    Args:
        database: told what became of it.
        store: where dispatch objects go.
        ring: what seals them; None where plaintext is allowed.
        executor: what starts the launcher.
        clock: for the time allowed and the token's expiry.
        terms: what goes into every dispatch object.
    """

    def __init__(  # noqa: PLR0913  a dispatch touches this many parts
        self,
        *,
        database: Database,
        store: ObjectStore,
        ring: KeyRing | None,
        executor: Executor,
        clock: Clock,
        terms: DispatchTerms,
    ) -> None:
        self._database = database
        self._store = store
        self._ring = ring
        self._executor = executor
        self._clock = clock
        self._terms = terms

    def dispatch(self, started: StartedJob, *, timeout_s: float = SUBMIT_S) -> Dispatched:
        """Seal, store and submit one attempt, within `timeout_s` in all; trouble is left to the reconciler."""
        raise NotImplementedError
