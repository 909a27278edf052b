"""What the launcher may say to us, and who may say it.

Source: docs/specification/executors.md.
"""

import hmac
import json
from typing import TYPE_CHECKING, Literal

from rythmiq.clock import Clock
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.contracts.webhook import ProgressBody, WebhookBody, token_holds
from rythmiq.ports.database import Database

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
        if not self._is_secret(shown) and not self._is_token(shown, body):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)

    def require_secret(self, shown: str | None) -> None:
        """Let an operator in (POST /internal/reconcile): only a secret will do.

        Raises:
            ProblemError: UNAUTHENTICATED.
        """
        if not self._is_secret(shown):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)

    def _is_secret(self, shown: str | None) -> bool:
        given = (shown or "").encode("utf-8", "surrogatepass")
        # Every secret is compared, so that the time taken does not tell which one it was not.
        return any([hmac.compare_digest(given, secret.encode()) for secret in self._secrets])  # noqa: C419

    def _is_token(self, shown: str | None, body: bytes) -> bool:
        if not shown or not shown.startswith("v1."):
            return False
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            return False
        job_id, attempt = (said.get("job_id"), said.get("attempt")) if isinstance(said, dict) else (None, None)
        # True is an int, and no attempt.
        if not isinstance(job_id, str) or not job_id.isascii() or type(attempt) is not int:
            return False
        now_s = self._clock.now().timestamp()
        return any([token_holds(shown, secret, job_id, attempt, now_s) for secret in self._secrets])  # noqa: C419


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
        settled = self._settlement.settle(body)
        if not settled.work.is_nothing:
            self._reconciler().follow(settled.work)
        return settled.outcome

    def progress(self, body: ProgressBody) -> bool:
        """Keep an attempt's stage; False when it is not the current attempt of a processing job (also a 200).

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        return self._database.job_progress(body.job_id, body.attempt, body.stage)
