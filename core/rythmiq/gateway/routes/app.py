"""`api/app`: the page, its files and configuration, and what programs read instead of it.

Source: docs/specification/page.md, docs/specification/http-api.md.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.application import Application
from rythmiq.gateway.http import Call, Response
from rythmiq.gateway.operations import Answer, HasGuard, Operation, Parameter, Route

if TYPE_CHECKING:
    from rythmiq.gateway.page import PageConfig, PageFiles

CACHE = "public, max-age=300"
_HTML = {200: Answer("The document.", schema={"type": "string"}, media_type="text/html")}
_NOT_THERE = frozenset({ProblemCode.NOT_FOUND})

PAGE = Operation(
    name="showPage",
    method="GET",
    path="",
    summary="Show the page.",
    access="public",
    answers=_HTML,
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
CONFIG = Operation(
    name="showPageConfig",
    method="GET",
    path="/config.json",
    summary="Show what the page has to know about this deployment.",
    access="public",
    answers={200: Answer("Addresses and public keys.", schema={"type": "object"})},
    asks_outside=False,
)
OPERATIONS = (PAGE, OPENAPI, CONFIG)

# Files of the page, which are no calls of an API and not in OpenAPI.
OPERATOR = Operation("showOperatorPage", "GET", "/operator", "Show the operator's view.", "public", _HTML)
REFERENCE = Operation("showReference", "GET", "/docs", "Show the reference of this API.", "public", _HTML)
WORKER = Operation("showServiceWorker", "GET", "/sw.js", "Send the service worker.", "public", _HTML)
FILE = Operation(
    name="sendFile",
    method="GET",
    path="/a/{tree}/{file}",
    summary="Send a file of the page.",
    access="public",
    parameters=(Parameter("tree", "path", "The hash of all files."), Parameter("file", "path", "Its name.")),
    answers={200: Answer("The file.", schema={"type": "string"}, media_type="text/plain")},
    refusals=_NOT_THERE,
    asks_outside=False,
)

_WITHOUT_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Rythmiq One</title>
<h1>Rythmiq One</h1>
<p>This deployment was built without its page. What the API takes and answers is described in
  <a href="app/openapi.json">openapi.json</a> (OpenAPI 3.1); the portals that it knows are in
  <a href="portals">its rule book</a>.</p>
</html>
"""


class Dependencies(HasGuard):
    """Dependencies of the handlers: the page's files and configuration, and the OpenAPI document, built once a process.

    Args:
        make_openapi: builds the document.
        files: of the page.
        config: of this deployment.
    """

    def __init__(
        self,
        make_openapi: Callable[[], Mapping[str, Any]],
        files: "PageFiles",
        config: "PageConfig",
    ) -> None:
        self._make_openapi = make_openapi
        self._openapi: Mapping[str, Any] | None = None
        self.files = files
        self.config = config

    def openapi(self) -> Mapping[str, Any]:
        """Return the document."""
        if self._openapi is None:
            self._openapi = self._make_openapi()
        return self._openapi


def application(
    make_dependencies: Callable[[], Dependencies], allowed_origins: Callable[[], Collection[str]]
) -> Application[Dependencies]:
    """Return the function `api/app`."""
    routes: Sequence[Route[Dependencies]] = (
        Route(PAGE, _document),
        Route(OPERATOR, _document),
        Route(REFERENCE, _document),
        Route(OPENAPI, _openapi),
        Route(CONFIG, _config),
        Route(WORKER, _worker),
        Route(FILE, _file),
    )
    return Application("api/app", routes, dependencies=make_dependencies, allowed_origins=allowed_origins)


def _document(dependencies: Dependencies, call: Call) -> Response:
    from rythmiq.gateway.page import DOCUMENTS, document_headers, etag_of  # noqa: PLC0415  OpenAPI does without the page

    path = call.request.path
    if not path and call.request.has_slash:  # `app/`, from where nothing would be found
        return Response(308, headers={"Location": "../app"})
    html = dependencies.files.document(DOCUMENTS[path], "" if path else "app/", dependencies.config)
    if html is None and path:
        raise ProblemError(ProblemCode.NOT_FOUND)
    html = html or _WITHOUT_PAGE
    headers = {**document_headers(dependencies.config, html), "Cache-Control": "no-cache", "ETag": etag_of(html)}
    if call.request.knows(headers["ETag"]):
        return Response(304, headers=headers)
    return Response(200, html, "text/html; charset=utf-8", headers)


def _file(dependencies: Dependencies, call: Call) -> Response:
    return _sent(dependencies, call, call.path["file"], is_current=call.path["tree"] == dependencies.files.tree)


def _worker(dependencies: Dependencies, call: Call) -> Response:
    answer = _sent(dependencies, call, "sw.js", is_current=False)
    # Resolved against the worker's own address, so that its scope is the page's wherever that is.
    return Response(200, answer.body, answer.media_type, {**answer.headers, "Service-Worker-Allowed": "../app"})


def _sent(dependencies: Dependencies, call: Call, name: str, *, is_current: bool) -> Response:
    from rythmiq.gateway.page import FOREVER  # noqa: PLC0415  see above

    accepts_gzip = "gzip" in (call.request.header("accept-encoding") or "")
    found = dependencies.files.file(name, gzipped=accepts_gzip)
    if found is None:
        raise ProblemError(ProblemCode.NOT_FOUND)
    content, media_type, is_gzip = found
    headers = {"Cache-Control": FOREVER if is_current else "no-cache"}
    if is_gzip:
        headers |= {"Content-Encoding": "gzip", "Vary": "Origin, Accept-Encoding"}
    return Response(200, content, media_type, headers)


def _config(dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, dependencies.config.document())


def _openapi(dependencies: Dependencies, _call: Call) -> Response:
    return Response(200, dependencies.openapi(), headers={"Cache-Control": CACHE})
