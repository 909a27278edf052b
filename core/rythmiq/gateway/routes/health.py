"""`api/health`: shallow for everybody, deep with the operators' token.

The shallow check reports only that the function runs: it needs no configuration and calls nothing. The deep check
reports to an operator what is wrong.

Source: docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq import __version__
from rythmiq.contracts.bodies import HealthAnswer
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway import Answer, HasGuard, Operation, OperatorGuard, Parameter, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import RETRY_AFTER_S, Call, Response, json_response
from rythmiq.ports import DatabaseUnavailableError

if TYPE_CHECKING:
    from rythmiq.ports.database import Database

CACHE = "public, max-age=10"

SHOW = Operation(
    name="showHealth",
    method="GET",
    path="",
    summary="Say that the function runs; with the operators' token, that configuration and database are well too.",
    access="public",
    parameters=(Parameter("Authorization", "header", "`Bearer METRICS_TOKEN` for the deep look."),),
    answers={200: Answer("It is well.", HealthAnswer)},
    refusals=frozenset({ProblemCode.UNAUTHENTICATED}),
)
OPERATIONS = (SHOW,)


@dataclass(frozen=True, slots=True)
class Deep:
    """Dependencies of the deep check."""

    guard: OperatorGuard
    database: "Database"


@dataclass(frozen=True, slots=True)
class Dependencies(HasGuard):
    """Dependencies of the handlers; `deep` is called when a token is presented, and raises SettingsError."""

    deep: Callable[[], Deep]


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/health`."""
    routes: Sequence[Route[Dependencies]] = (Route(SHOW, _show),)
    return Application("api/health", routes, dependencies=make_dependencies, allowed_origins=allowed_origins)


def _show(dependencies: Dependencies, call: Call) -> Response:
    headers = {"Vary": "Origin, Authorization"}
    if call.request.header("authorization") is None:
        return json_response(HealthAnswer(version=__version__), headers=headers | {"Cache-Control": CACHE})
    deep = dependencies.deep()
    deep.guard.admit(call.request)
    try:
        found = deep.database.health()
    except DatabaseUnavailableError as error:
        raise ProblemError(ProblemCode.UNAVAILABLE, str(error), retry_after_s=RETRY_AFTER_S) from None
    well = HealthAnswer(
        version=__version__,
        database="ok",
        schema_version=found.get("schema_version"),
        last_tick_at=found.get("last_tick_at"),
    )
    return json_response(well, headers=headers)
