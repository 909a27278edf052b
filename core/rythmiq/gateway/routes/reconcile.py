"""`internal/reconcile`: one tick, for an operator, pg_cron or the platform's scheduler.

Source: docs/specification/http-api.md, docs/specification/executors.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.webhook import SECRET_HEADER, TickAnswer
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response, json_response
from rythmiq.gateway.operations import Answer, HasGuard, Operation, Parameter, Route

if TYPE_CHECKING:
    from rythmiq.gateway.guards import SecretGuard
    from rythmiq.services.work import WorkLoop

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
class Dependencies(HasGuard):
    """What the handlers use."""

    guard: "SecretGuard"
    work: "WorkLoop"


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """The function."""
    routes: Sequence[Route[Dependencies]] = (Route(TICK, _tick),)
    return Application(
        "internal/reconcile",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
        on_trigger=_on_trigger,
    )


def _on_trigger(dependencies: Dependencies) -> Response:
    """Do what the scheduler asks for."""
    report = dependencies.work.tick(within_s=WITHIN_S)
    return json_response(TickAnswer(reconciled=report.reconciled, dispatched=report.dispatched, purged=report.purged))


def _tick(dependencies: Dependencies, _call: Call) -> Response:
    return _on_trigger(dependencies)
