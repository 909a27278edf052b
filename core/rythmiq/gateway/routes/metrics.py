"""`internal/metrics`.

Source: docs/specification/observability.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rythmiq.gateway.application import Application
from rythmiq.gateway.operators import require_token
from rythmiq.gateway.prometheus import MEDIA_TYPE, render
from rythmiq.gateway.response import Response
from rythmiq.gateway.routing import Answer, Call, Guards, Operation, Route

if TYPE_CHECKING:
    from rythmiq.ports.database import Database

SHOW = Operation(
    name="showMetrics",
    method="GET",
    path="",
    summary="Show the service's counts to Prometheus.",
    access="metrics",
    answers={200: Answer("Prometheus text.", schema={"type": "string"}, media_type="text/plain")},
)
OPERATIONS = (SHOW,)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the handlers work with."""

    database: "Database"
    token: str = field(repr=False)


def application(make_parts: Callable[[], Parts], allowed_origins: Callable[[], Collection[str]]) -> Application[Parts]:
    """The function."""
    routes: Sequence[Route[Parts]] = (Route(SHOW, _show),)
    return Application(
        "internal/metrics",
        routes,
        parts=make_parts,
        allowed_origins=allowed_origins,
        guards=Guards(machine=lambda parts, request, _body: require_token(request, parts.token)),
    )


def _show(parts: Parts, _call: Call) -> Response:
    return Response(200, render(parts.database.metrics_snapshot()), MEDIA_TYPE)
