"""`internal/webhooks`, what the launcher reports, and `internal/reconcile`, one tick; and who may call them.

Source: docs/specification/http-api.md, docs/specification/executors.md.
"""

import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rythmiq.clock import Clock
from rythmiq.contracts.attempt import (
    RECONCILE_HEADER,
    SECRET_HEADER,
    TOKEN_PREFIX,
    ProgressAnswer,
    ProgressBody,
    TickAnswer,
    WebhookAnswer,
    WebhookBody,
    token_holds,
)
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway import Answer, HasGuard, Operation, Parameter, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Request, Response, json_response
from rythmiq.log import is_about

if TYPE_CHECKING:
    from rythmiq.services.reconcile import WorkLoop
    from rythmiq.services.settle import Webhooks

_SECRET = Parameter(SECRET_HEADER, "header", "The webhook secret, or the token of exactly this attempt.")

END = Operation(
    name="reportEnd",
    method="POST",
    path="/camber",
    summary="Report how an attempt ended.",
    access="webhook",
    body=WebhookBody,
    body_is_reported=True,
    parameters=(_SECRET,),
    answers={200: Answer("What became of it; `terminal` and `stale` changed nothing.", WebhookAnswer)},
    refusals=frozenset(
        {
            ProblemCode.NOT_FOUND,
            ProblemCode.JOB_PENDING,
            ProblemCode.ATTEMPT_UNKNOWN,
            ProblemCode.SETTLEMENT_BUSY,
            ProblemCode.PACKAGING_TROUBLE,
        }
    ),
)
PROGRESS = Operation(
    name="reportProgress",
    method="POST",
    path="/progress",
    summary="Report which stage an attempt has reached.",
    access="webhook",
    body=ProgressBody,
    body_is_reported=True,
    parameters=(_SECRET,),
    answers={200: Answer("Whether the attempt is the current one of a job in processing.", ProgressAnswer)},
)
WITHIN_S = 5.0
"""A tick's time for the store and the executor; the rest of the function's ten seconds is the database's."""
TICK = Operation(
    name="tick",
    method="POST",
    path="",
    summary="Reconcile what is overdue and dispatch what waits, within two seconds.",
    access="secret",
    parameters=(Parameter(RECONCILE_HEADER, "header", "The reconcile secret, which admits to nothing else."),),
    answers={200: Answer("What was done.", TickAnswer)},
)
WEBHOOKS, RECONCILE = (END, PROGRESS), (TICK,)


class SecretGuard:
    """Admits a program by one secret, or the one before it while it is being rotated.

    Args:
        secret: RECONCILE_SECRET, or WEBHOOK_SECRET.
        previous: the one before it; None or empty when there is none.
        header: where it is shown; what another header shows is not looked at.
    """

    def __init__(self, secret: str, previous: str | None, *, header: str = RECONCILE_HEADER) -> None:
        self._secrets = tuple(text for text in (secret, previous) if text)
        self._header = header

    def admit(self, request: Request, document: Mapping[str, Any] | None = None) -> None:
        """Compare with both secrets; see `Guard`."""
        if not self._admits(request.header(self._header) or "", document):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)

    def _admits(self, presented: str, document: Mapping[str, Any] | None) -> bool:
        del document
        given = presented.encode("utf-8", "surrogatepass")
        # All secrets are compared, so that the time taken reveals nothing.
        return any([hmac.compare_digest(given, secret.encode()) for secret in self._secrets])  # noqa: C419


class ReportGuard(SecretGuard):
    """Admits reports by the webhook secret, or by the token of exactly the job and attempt in the body.

    Args:
        secret: WEBHOOK_SECRET.
        previous: WEBHOOK_SECRET_PREVIOUS; tokens derived from it stay valid too, so that a rotation strands no job.
        clock: for the tokens' expiry.
    """

    def __init__(self, secret: str, previous: str | None, clock: Clock) -> None:
        super().__init__(secret, previous, header=SECRET_HEADER)
        self._clock = clock

    def _admits(self, presented: str, document: Mapping[str, Any] | None) -> bool:
        if super()._admits(presented, document):
            return True
        if document is None or not presented.startswith(TOKEN_PREFIX):
            return False
        job_id, attempt = document.get("job_id"), document.get("attempt")
        # True is an int, and not an attempt.
        if not isinstance(job_id, str) or not job_id.isascii() or type(attempt) is not int:
            return False
        now_s = self._clock.now().timestamp()
        return any([token_holds(presented, secret, job_id, attempt, now_s) for secret in self._secrets])  # noqa: C419


@dataclass(frozen=True, slots=True)
class WebhooksDependencies(HasGuard):
    """Dependencies of the handlers of `internal/webhooks`."""

    guard: ReportGuard
    webhooks: "Webhooks"


def webhooks(
    make_dependencies: Callable[[], WebhooksDependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[WebhooksDependencies]:
    """Return the function `internal/webhooks`."""
    routes = (Route[WebhooksDependencies](END, _end), Route[WebhooksDependencies](PROGRESS, _progress))
    return Application(
        "internal/webhooks",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _end(dependencies: WebhooksDependencies, call: Call) -> Response:
    is_about(call.body.job_id, call.body.attempt)
    return json_response(WebhookAnswer(outcome=dependencies.webhooks.receive(call.body)))


def _progress(dependencies: WebhooksDependencies, call: Call) -> Response:
    is_about(call.body.job_id, call.body.attempt)
    return json_response(ProgressAnswer(recorded=dependencies.webhooks.progress(call.body)))


@dataclass(frozen=True, slots=True)
class ReconcileDependencies(HasGuard):
    """Dependencies of the handlers of `internal/reconcile`."""

    guard: SecretGuard
    work: "WorkLoop"


def reconcile(
    make_dependencies: Callable[[], ReconcileDependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[ReconcileDependencies]:
    """Return the function `internal/reconcile`."""
    routes = (Route[ReconcileDependencies](TICK, _tick),)
    return Application(
        "internal/reconcile",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
        on_trigger=_on_trigger,
    )


def _on_trigger(dependencies: ReconcileDependencies) -> Response:
    """Run one tick for the platform's scheduler."""
    report = dependencies.work.tick(within_s=WITHIN_S)
    return json_response(TickAnswer(reconciled=report.reconciled, dispatched=report.dispatched, purged=report.purged))


def _tick(dependencies: ReconcileDependencies, _call: Call) -> Response:
    return _on_trigger(dependencies)
