"""`internal/webhooks`: what the launcher reports.

Source: docs/specification/executors.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.problems import ProblemCode
from rythmiq.contracts.webhook import SECRET_HEADER, ProgressAnswer, ProgressBody, WebhookAnswer, WebhookBody
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response, json_response
from rythmiq.gateway.operations import Answer, HasGuard, Operation, Parameter, Route
from rythmiq.log import is_about

if TYPE_CHECKING:
    from rythmiq.gateway.guards import ReportGuard
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
OPERATIONS = (END, PROGRESS)


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """What the handlers use."""

    guard: "ReportGuard"
    webhooks: "Webhooks"


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """The function."""
    routes: Sequence[Route[Dependencies]] = (Route(END, _end), Route(PROGRESS, _progress))
    return Application(
        "internal/webhooks",
        routes,
        dependencies=make_dependencies,
        allowed_origins=allowed_origins,
    )


def _end(dependencies: Dependencies, call: Call) -> Response:
    is_about(call.body.job_id, call.body.attempt)
    return json_response(WebhookAnswer(outcome=dependencies.webhooks.receive(call.body)))


def _progress(dependencies: Dependencies, call: Call) -> Response:
    is_about(call.body.job_id, call.body.attempt)
    return json_response(ProgressAnswer(recorded=dependencies.webhooks.progress(call.body)))
