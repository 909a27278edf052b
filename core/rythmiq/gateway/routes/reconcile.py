"""`internal/reconcile`: one tick, for an operator, pg_cron or the platform's scheduler.

Source: docs/specification/http-api.md, docs/specification/executors.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.webhook import SECRET_HEADER, TickAnswer
from rythmiq.gateway.application import Application
from rythmiq.gateway.response import Response, answer
from rythmiq.gateway.routing import Answer, Call, Guards, Operation, Parameter, Route

if TYPE_CHECKING:
    from rythmiq.services.reconcile import Reconciler
    from rythmiq.services.webhooks import WebhookAuth

WITHIN_S = 5.0
"""What a tick may ask of the store and the executor: the function has ten seconds, the rest is the database's."""
TICK = Operation(
    name="tick",
    method="POST",
    path="",
    summary="Reconcile what is overdue and dispatch what waits, within two seconds.",
    access="secret",
    parameters=(Parameter(SECRET_HEADER, "header", "The webhook secret."),),
    answers={200: Answer("What was done.", TickAnswer)},
)
OPERATIONS = (TICK,)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the handlers work with."""

    auth: "WebhookAuth"
    reconciler: "Reconciler"


def application(make_parts: Callable[[], Parts], allowed_origins: Callable[[], Collection[str]]) -> Application[Parts]:
    """The function."""
    routes: Sequence[Route[Parts]] = (Route(TICK, _tick),)
    return Application(
        "internal/reconcile",
        routes,
        parts=make_parts,
        allowed_origins=allowed_origins,
        guards=Guards(machine=lambda parts, request, _body: parts.auth.require_secret(request.header(SECRET_HEADER))),
        on_trigger=_on_trigger,
    )


def _on_trigger(parts: Parts) -> Response:
    """Do what the scheduler asks for."""
    report = parts.reconciler.tick(within_s=WITHIN_S)
    return answer(TickAnswer(reconciled=report.reconciled, dispatched=report.dispatched, purged=report.purged))


def _tick(parts: Parts, _call: Call) -> Response:
    return _on_trigger(parts)
