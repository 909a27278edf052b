"""`api/portals`: the rule book, which changes only with a release.

Source: docs/specification/http-api.md, docs/specification/portals.md.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rythmiq.contracts.portal import Portal, PortalsAnswer
from rythmiq.contracts.problems import ProblemCode
from rythmiq.gateway import Answer, HasGuard, Operation, Parameter, Route
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response

CACHE = "public, max-age=300"
_IF_NONE_MATCH = Parameter("If-None-Match", "header", "The `ETag` of an earlier answer.")
_UNCHANGED = Answer("Nothing has changed.", media_type=None, headers=("ETag",))

LIST = Operation(
    name="listPortals",
    method="GET",
    path="",
    summary="List every portal with its slots and rules.",
    access="public",
    parameters=(_IF_NONE_MATCH,),
    answers={200: Answer("The rule book.", PortalsAnswer, headers=("ETag",)), 304: _UNCHANGED},
    asks_outside=False,
)
SHOW = Operation(
    name="showPortal",
    method="GET",
    path="/{portal}",
    summary="Show one portal.",
    access="public",
    parameters=(Parameter("portal", "path", "The portal's slug, or an alias such as `neet`."), _IF_NONE_MATCH),
    answers={200: Answer("The portal.", Portal, headers=("ETag",)), 304: _UNCHANGED},
    refusals=frozenset({ProblemCode.NOT_FOUND, ProblemCode.PORTAL_UNKNOWN}),
    asks_outside=False,
)
OPERATIONS = (LIST, SHOW)


def utc_today() -> dt.date:
    """Return the day in UTC, on which rules end."""
    return dt.datetime.now(tz=dt.UTC).date()


class Dependencies(HasGuard):
    """Dependencies of the handlers: documents, each built and hashed once a process and day.

    Args:
        everything: the whole rule book, as of a day.
        one: one portal of it, as of a day; raises ProblemError.
        today: the current day.
    """

    def __init__(
        self,
        everything: Callable[[dt.date], dict[str, Any]],
        one: Callable[[str, dt.date], dict[str, Any]],
        today: Callable[[], dt.date] = utc_today,
    ) -> None:
        self._everything = everything
        self._one = one
        self._today = today
        self._day: dt.date | None = None
        self._made: dict[str, tuple[Mapping[str, Any], str]] = {}

    def document(self, portal: str | None) -> tuple[Mapping[str, Any], str]:
        """Return a document and its entity tag; the whole rule book without a portal.

        Raises:
            ProblemError: PORTAL_UNKNOWN.
        """
        key, today = portal or "", self._today()
        if self._day != today:
            self._day, self._made = today, {}
        if key not in self._made:
            document = self._everything(today) if portal is None else self._one(portal, today)
            digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
            self._made[key] = document, f'"{digest[:32]}"'
        return self._made[key]


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/portals`."""
    routes: Sequence[Route[Dependencies]] = (Route(LIST, _show), Route(SHOW, _show))
    return Application("api/portals", routes, dependencies=make_dependencies, allowed_origins=allowed_origins)


def _show(dependencies: Dependencies, call: Call) -> Response:
    document, etag = dependencies.document(call.path.get("portal"))
    headers = {"ETag": etag, "Cache-Control": CACHE}
    if call.request.knows(etag):
        return Response(304, headers=headers)
    return Response(200, document, headers=headers)
