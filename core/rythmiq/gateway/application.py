"""One function: an event in, a response out, whatever happens in between.

The order in which a call is refused: 413 for its size, 404 for its path, 405 for its method, 503 for the configuration;
then 415, 400, 401, 422 for users, and 401, 415, 400, 422 for programs, which are authenticated before their body is
validated; then what the use case refuses.

Source: docs/specification/http-api.md.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic

from pydantic import ValidationError

from rythmiq.contracts import StrictJsonError, read_object
from rythmiq.contracts.errors import SettingsError, StoreError
from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway import DependenciesT, Operation, Route
from rythmiq.gateway.http import (
    RETRY_AFTER_S,
    Call,
    Request,
    Response,
    UnsendableError,
    common_headers,
    preflight,
    problem_response,
    read_event,
    write_result,
)
from rythmiq.gateway.validation import refusal_of
from rythmiq.log import log
from rythmiq.log import request as log_of_request
from rythmiq.ports import AccountErasedError, UnavailableError

_FRAMES = 3
_UUID = UUID4_PATTERN.strip("^$")
_JOB_ID = re.compile(_UUID)
_PLACEHOLDERS = {
    "{job_id}": _UUID,
    "{portal}": r"[a-z0-9]+(?:-[a-z0-9]+)*",
    "{tree}": r"[0-9a-f]{16}",
    "{file}": r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*",
}


class Application(Generic[DependenciesT]):
    """A function of the platform.

    Args:
        name: `{package}/{function}`, for the log.
        routes: its operations and their handlers.
        dependencies: makes what the handlers use, once a process; raises SettingsError.
        allowed_origins: of CORS; never raises, so that a page can read a refusal too.
        on_trigger: handles a call of the platform's scheduler; without it that is a GET of the function's path.
    """

    def __init__(
        self,
        name: str,
        routes: Sequence[Route[DependenciesT]],
        *,
        dependencies: Callable[[], DependenciesT],
        allowed_origins: Callable[[], Collection[str]] = tuple,
        on_trigger: Callable[[DependenciesT], Response] | None = None,
    ) -> None:
        self._name = name
        self._dependencies = dependencies
        self._allowed_origins = allowed_origins
        self._on_trigger = on_trigger
        self._by_path: dict[str, dict[str, Route[DependenciesT]]] = {}
        for route in routes:
            self._by_path.setdefault(route.operation.path, {})[route.operation.method] = route
        self._patterns = {path: re.compile(_pattern(path)) for path in self._by_path if "{" in path}

    def __call__(self, event: object, context: object = None) -> dict[str, Any]:
        """Answer one event; only what ends the process is raised."""
        began_s = time.monotonic()
        request = read_event(event, context)
        job = _JOB_ID.search(request.path)
        with log_of_request(request.request_id, job[0] if job else None):
            try:
                handle = self._handler(request)
                result = write_result(self._completed(request, handle()))
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001  a library's SystemExit or cancellation must not end us
                refusal = problem_response(self._refusal(error), request.request_id)
                result = write_result(self._completed(request, refusal))
            log(
                "call",
                function=self._name,
                method=request.method,
                status=result["statusCode"],
                ms=round((time.monotonic() - began_s) * 1000, 1),
            )
        return result

    def _handler(self, request: Request) -> Callable[[], Response]:
        """Return what answers a call, once everything is checked that does not need the use case."""
        if request.is_trigger and self._on_trigger is not None:
            return partial(self._on_trigger, self._dependencies())
        request.require_size()
        routes, path = self._find(request.path)
        if request.method == "OPTIONS":
            return partial(preflight, _methods(routes))
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise ProblemError(ProblemCode.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(_methods(routes))})
        data = request.body()
        dependencies = self._dependencies()
        call = _admitted(dependencies, route.operation, Call(request, path), data)
        return partial(route.handle, dependencies, call)

    def _find(self, path: str) -> tuple[Mapping[str, Route[DependenciesT]], Mapping[str, str]]:
        """Return the routes of a path by method, and the values of its placeholders.

        Raises:
            ProblemError: NOT_FOUND.
        """
        if (exact := self._by_path.get(path)) is not None:
            return exact, {}
        for template, pattern in self._patterns.items():
            if match := pattern.fullmatch(path):
                return self._by_path[template], match.groupdict()
        raise ProblemError(ProblemCode.NOT_FOUND)

    def _completed(self, request: Request, response: Response) -> Response:
        """Add the headers of every response; HEAD has no body."""
        headers = {**common_headers(request, self._allowed_origins()), **request.told, **response.headers}
        body = None if request.method == "HEAD" else response.body
        return Response(response.status, body, response.media_type, headers)

    def _refusal(self, error: BaseException) -> ProblemError:
        """Return the problem that an exception becomes, and log what an operator has to know."""
        if isinstance(error, ProblemError):
            return error
        if isinstance(error, SettingsError):
            for problem in str(error).split("; "):  # a line each: a line's text is cut
                log("not_configured", level="error", function=self._name, reason=problem)
            return ProblemError(ProblemCode.NOT_CONFIGURED)  # which variables is nobody's business but the operator's
        if isinstance(error, AccountErasedError):
            return ProblemError(ProblemCode.ACCOUNT_ERASED)
        if isinstance(error, UnavailableError | StoreError):
            log("unavailable", level="warning", function=self._name, error=type(error).__name__, reason=str(error))
            return ProblemError(ProblemCode.UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        if isinstance(error, UnsendableError):
            log("answer_unsendable", level="error", function=self._name, reason=str(error))
        else:
            log("crash", level="error", function=self._name, error=type(error).__name__, at=_traceback_of(error))
        return ProblemError(ProblemCode.INTERNAL)


def _admitted(dependencies: DependenciesT, operation: Operation, call: Call, data: bytes) -> Call:
    """Authenticate the caller and validate the body, in the order that the kind of caller has."""
    document, is_report = None, operation.body_is_reported
    if operation.body is not None:
        if not is_report:
            call.request.require_json_type()
        try:
            document = read_object(data, for_strict_models=not is_report)
        except StrictJsonError:
            if not is_report:
                raise ProblemError(ProblemCode.MALFORMED_JSON) from None
    caller = None
    if operation.access != "public":
        caller = dependencies.guard.admit(call.request, document)
    if operation.body is None:
        return Call(call.request, call.path, caller)
    call.request.require_json_type(optional=is_report)
    if document is None:
        raise ProblemError(ProblemCode.MALFORMED_JSON)
    try:
        body = operation.body.model_validate(document, strict=not is_report)
    except ValidationError as error:
        raise refusal_of(error, document) from None
    return Call(call.request, call.path, caller, body)


def _methods(routes: Mapping[str, object]) -> Iterator[str]:
    """Yield what `Allow` names: a path's methods, HEAD where there is GET, and OPTIONS."""
    for method in routes:
        yield method
        if method == "GET":
            yield "HEAD"
    yield "OPTIONS"


def _pattern(path: str) -> str:
    pattern = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
    for placeholder, rule in _PLACEHOLDERS.items():
        pattern = pattern.replace(placeholder, f"(?P<{placeholder.strip('{}')}>{rule})")
    return pattern


def _traceback_of(error: BaseException) -> str:
    """Return where it was raised: files and lines, never the exception's message, which may quote anything."""
    import traceback  # noqa: PLC0415  a cold start does without it

    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
