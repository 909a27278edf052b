"""`api/app`: the page, and what programs read instead of it.

Source: docs/specification/http-api.md, docs/specification/commands.md.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response
from rythmiq.gateway.operations import Answer, HasGuard, Operation, Route

CACHE = "public, max-age=300"

PAGE = Operation(
    name="showPage",
    method="GET",
    path="",
    summary="Show the page.",
    access="public",
    answers={200: Answer("The page.", schema={"type": "string"}, media_type="text/html")},
    asks_outside=False,
)
OPENAPI = Operation(
    name="showOpenApi",
    method="GET",
    path="/openapi.json",
    summary="Show this document.",
    access="public",
    answers={200: Answer("OpenAPI 3.1.", schema={"type": "object"})},
    asks_outside=False,
)
OPERATIONS = (PAGE, OPENAPI)

_HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rythmiq One</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; }
</style>
<h1>Rythmiq One</h1>
<p>From a phone photo to a file that fits the portal to the byte, with a receipt that proves it.</p>
<p>This is the service's API. What it takes and answers is described in
  <a href="app/openapi.json">openapi.json</a> (OpenAPI 3.1); the portals that it knows are in
  <a href="portals">its rule book</a>.</p>
</html>
"""
_HEADERS = {
    "Cache-Control": CACHE,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class Dependencies(HasGuard):
    """Dependencies of the handlers: the OpenAPI document, built once a process."""

    def __init__(self, make_openapi: Callable[[], Mapping[str, Any]]) -> None:
        self._make_openapi = make_openapi
        self._openapi: Mapping[str, Any] | None = None

    def openapi(self) -> Mapping[str, Any]:
        """Return the document."""
        if self._openapi is None:
            self._openapi = self._make_openapi()
        return self._openapi


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/app`."""
    routes: Sequence[Route[Dependencies]] = (Route(PAGE, _page), Route(OPENAPI, _openapi))
    return Application("api/app", routes, dependencies=make_dependencies, allowed_origins=allowed_origins)


def _page(_dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, _HTML, "text/html; charset=utf-8", _HEADERS)


def _openapi(dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, dependencies.openapi(), headers={"Cache-Control": CACHE})
