"""What the launcher may say to us, and who may say it.

Source: SPEC 7, 16.
"""

from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.webhook import ProgressBody, WebhookBody
from rythmiq.ports import Clock, Database

if TYPE_CHECKING:
    from collections.abc import Callable

    from rythmiq.services.reconcile import Reconciler
    from rythmiq.services.settle import Settlement


class WebhookAuth:
    """Knows the webhook secret, its predecessor while it is being changed, and the tokens derived from both.

    Args:
        secret: WEBHOOK_SECRET.
        previous: WEBHOOK_SECRET_PREVIOUS.
        clock: for the tokens' expiry.
    """

    def __init__(self, *, secret: str, previous: str | None, clock: Clock) -> None:
        self._secrets = tuple(text for text in (secret, previous) if text)
        self._clock = clock

    def require(self, shown: str | None, body: bytes) -> None:
        """Let a report in: X-Webhook-Secret is a secret, or the token of exactly the job and attempt in the body.

        To be asked before the body is judged (401 goes before 400 and 422): a body that is no JSON has no token.

        Raises:
            ProblemError: UNAUTHENTICATED.
        """
        raise NotImplementedError

    def require_secret(self, shown: str | None) -> None:
        """Let an operator in (POST /internal/reconcile): only a secret will do.

        Raises:
            ProblemError: UNAUTHENTICATED.
        """
        raise NotImplementedError


class Webhooks:
    """The use cases.

    Args:
        database: where stages are kept.
        settlement: what ends attempts.
        reconciler: makes what goes on with the next job, when there is one.
    """

    def __init__(self, *, database: Database, settlement: "Settlement", reconciler: "Callable[[], Reconciler]") -> None:
        self._database = database
        self._settlement = settlement
        self._reconciler = reconciler

    def receive(self, body: WebhookBody) -> Literal["completed", "failed", "retrying", "terminal", "stale"]:
        """Settle an attempt and start what is next; every answer is a 200.

        Raises:
            ProblemError: as `Settlement.settle`.
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError

    def progress(self, body: ProgressBody) -> bool:
        """Keep an attempt's stage; False when it is not the current attempt of a processing job (also a 200).

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        return self._database.job_progress(body.job_id, body.attempt, body.stage)
