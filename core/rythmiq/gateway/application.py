"""One function: event in, answer out, whatever happens in between.

The order in which a call can be refused: unknown path 404, method 405, size 413, configuration 503; then 415, 400, 401,
422 for users, and 401, 415, 400, 422 for machines, whose secret counts before their words; then what the use case says.

Source: docs/specification/http-api.md.
"""

import re
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic

from rythmiq.contracts.errors import SettingsError
from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.contracts.store_errors import StoreError
from rythmiq.gateway.cors import cors_headers, preflight
from rythmiq.gateway.event import UnsendableError, read_event, write_answer
from rythmiq.gateway.json_body import read_object, require_json_type, validated
from rythmiq.gateway.problems import RETRY_AFTER_S, problem_response
from rythmiq.gateway.request import Request
from rythmiq.gateway.response import NO_STORE, Response
from rythmiq.gateway.routing import Call, Guards, PartsT, Route, Router, methods_of
from rythmiq.log import log
from rythmiq.log import request as log_of_request
from rythmiq.ports.errors import UnavailableError

_FRAMES = 3
_JOB_ID = re.compile(UUID4_PATTERN.strip("^$"))


class Application(Generic[PartsT]):
    """A function of the platform.

    Args:
        name: `{package}/{function}`, for the log.
        routes: what it answers.
        guards: how it lets callers in.
        parts: what the handlers work with, made once a process; raises SettingsError.
        allowed_origins: of CORS; never raises, so that a page can read a refusal too.
        on_trigger: what the platform's scheduler starts; without it such a call is read as GET of the function's path.
    """

    def __init__(  # noqa: PLR0913  a function is this much
        self,
        name: str,
        routes: Sequence[Route[PartsT]],
        *,
        parts: Callable[[], PartsT],
        guards: Guards[PartsT] | None = None,
        allowed_origins: Callable[[], Collection[str]] = tuple,
        on_trigger: Callable[[PartsT], Response] | None = None,
    ) -> None:
        self._name = name
        self._router = Router(routes)
        self._guards = guards or Guards()
        self._parts = parts
        self._allowed_origins = allowed_origins
        self._on_trigger = on_trigger

    def __call__(self, event: object, context: object = None) -> dict[str, Any]:
        """Answer one event."""
        began_s = time.monotonic()
        request = read_event(event, context)
        job = _JOB_ID.search(request.path)
        with log_of_request(request.request_id, job[0] if job else None):
            response = self._checked(request, self._guarded(request))
            log(
                "call",
                function=self._name,
                method=request.method,
                status=response["statusCode"],
                ms=round((time.monotonic() - began_s) * 1000, 1),
            )
        return response

    def _checked(self, request: Request, response: Response) -> dict[str, Any]:
        try:
            return write_answer(self._finished(request, response))
        except UnsendableError as error:
            log("answer_unsendable", level="error", function=self._name, reason=str(error))
            refusal = problem_response(ProblemError(ProblemCode.INTERNAL), request.request_id)
            return write_answer(self._finished(request, refusal))

    def _finished(self, request: Request, response: Response) -> Response:
        """Add what every answer carries; HEAD has no body."""
        headers = {
            "Cache-Control": NO_STORE,
            "X-Content-Type-Options": "nosniff",
            "X-Request-Id": request.request_id,
            **cors_headers(request, self._allowed_origins()),
            **response.headers,
        }
        body = None if request.method == "HEAD" else response.body
        return Response(response.status, body, response.media_type, headers)

    def _guarded(self, request: Request) -> Response:
        """Whatever goes wrong becomes a problem; only what ends the process passes."""
        try:
            return self._answer(request)
        except ProblemError as error:
            refusal = error
        except SettingsError as error:
            log("not_configured", level="error", function=self._name, reason=str(error))
            refusal = ProblemError(ProblemCode.NOT_CONFIGURED, str(error))
        except (UnavailableError, StoreError) as error:
            log("unavailable", level="warning", function=self._name, error=type(error).__name__, reason=str(error))
            refusal = ProblemError(ProblemCode.UNAVAILABLE, retry_after_s=RETRY_AFTER_S)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  a library's SystemExit or cancellation is no reason to die
            log("crash", level="error", function=self._name, error=type(error).__name__, at=_place(error))
            refusal = ProblemError(ProblemCode.INTERNAL)
        return problem_response(refusal, request.request_id)

    def _answer(self, request: Request) -> Response:
        if request.is_trigger and self._on_trigger is not None:
            return self._on_trigger(self._parts())
        routes, path = self._router.find(request)
        if request.method == "OPTIONS":
            return preflight(methods_of(routes))
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise ProblemError(ProblemCode.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods_of(routes))})
        data = request.body()
        parts = self._parts()
        return route.handle(parts, self._admitted(parts, route, Call(request, path), data))

    def _admitted(self, parts: PartsT, route: Route[PartsT], call: Call, data: bytes) -> Call:
        """Check who calls and what is said, in the order that is theirs."""
        operation, request = route.operation, call.request
        caller = None
        if operation.body_is_reported:
            self._let_machine_in(parts, request, data)
        document = None
        if operation.body is not None:
            require_json_type(request, optional=operation.body_is_reported)
            document = read_object(data)
        if operation.access == "user" and self._guards.user is not None:
            caller = self._guards.user(parts, request)
        elif operation.access not in {"public", "user"} and not operation.body_is_reported:
            self._let_machine_in(parts, request, data)
        if operation.body is None or document is None:
            return Call(request, call.path, caller)
        body = validated(operation.body, data, document, strict=not operation.body_is_reported)
        return Call(request, call.path, caller, body)

    def _let_machine_in(self, parts: PartsT, request: Request, data: bytes) -> None:
        if self._guards.machine is None:
            raise AssertionError("a route for machines needs their guard")
        self._guards.machine(parts, request, data)


def _place(error: BaseException) -> str:
    """Where it was raised: files and lines, never an exception's words, which may quote anything."""
    import traceback  # noqa: PLC0415  a cold start does without it

    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
