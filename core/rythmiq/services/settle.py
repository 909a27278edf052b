"""The end of an attempt: from what the launcher reports to exactly one terminal state, ZIP and settlement.

Source: SPEC 7, 16.
"""

from dataclasses import dataclass, field
from typing import Literal

from rythmiq.contracts.webhook import WebhookBody
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import Capacity, Database, ObjectStore, TickWork


@dataclass(frozen=True, slots=True)
class Settled:
    """What a report came to; `terminal` and `stale` changed nothing. `work` is what to do next."""

    outcome: Literal["completed", "failed", "retrying", "terminal", "stale"]
    work: TickWork = field(default_factory=TickWork)


class Settlement:
    """Settles attempts.

    Args:
        database: where the transition is made.
        store: where the worker's objects are, and the ZIP goes.
        ring: what unwraps the job's key; None where plaintext is allowed.
        capacity: attempts, and what may start next.
    """

    def __init__(self, *, database: Database, store: ObjectStore, ring: KeyRing | None, capacity: Capacity) -> None:
        self._database = database
        self._store = store
        self._ring = ring
        self._capacity = capacity

    def settle(self, body: WebhookBody) -> Settled:
        """Settle what `body` reports; whoever reports must have been authenticated.

        Raises:
            ProblemError: NOT_FOUND, INVALID_FIELD (keys), JOB_PENDING, ATTEMPT_UNKNOWN, SETTLEMENT_BUSY,
                PACKAGING_TROUBLE.
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError
