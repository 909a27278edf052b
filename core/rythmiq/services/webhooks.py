"""Reports of the launcher: how an attempt ended, and which stage it has reached.

Source: docs/specification/executors.md.
"""

from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.webhook import ProgressBody, WebhookBody
from rythmiq.ports.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from rythmiq.services.settle import Settlement
    from rythmiq.services.work import WorkLoop


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
