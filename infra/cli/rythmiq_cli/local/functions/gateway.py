"""The front door of the local cloud: HTTP on loopback, the platform's event, the function in its own process.

Paths are `/{package}/{function}[/...]`, and those of package `api` also at the root (`/jobs/...`), as behind App
Platform; `/` alone leads to the page. What the function did not answer, the platform answers: 404 unknown, 413 over
1 MB in, 502 not initialized, ended in mid-call or over 1 MB out, 503 no instance free, 504 too slow. A function that is
called without HTTP (the platform's trigger) gets an event without `http`.

Source: facts of the platform in docs/local-cloud.md. The status codes of 502 to 504 are DigitalOcean's documented or
observed ones; the words are ours. What a client may bring about, 404 and 413, is a problem as the functions' own are.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import PROBLEM_TYPE, PROBLEMS, ProblemCode
from rythmiq_cli.local.functions.event import Answer, answer_of, event_of, platform_answer
from rythmiq_cli.local.functions.pool import FunctionPool, PoolBusyError
from rythmiq_cli.local.functions.process import FunctionError, FunctionNotInitializedError, FunctionTimeoutError
from rythmiq_cli.local.http_server import LoopbackServer

MAX_BODY_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
_TEND_EVERY_S = 0.1
_ROOT_PACKAGE = "api"
_PAGE = "api/app"
_JOB_ID = re.compile(UUID4_PATTERN.strip("^$"))

_FAILURES: Mapping[type[FunctionError], tuple[HTTPStatus, str]] = {
    FunctionTimeoutError: (HTTPStatus.GATEWAY_TIMEOUT, "The function exceeded its time limit."),
    PoolBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "The function is too busy."),
    FunctionNotInitializedError: (HTTPStatus.BAD_GATEWAY, "The function did not initialize properly."),
    FunctionError: (HTTPStatus.BAD_GATEWAY, "There was an error processing your request."),
}

Log = Callable[[Mapping[str, Any]], None]


class _Request(Request):
    max_content_length = MAX_BODY_BYTES + 1  # a chunked body is cut there


class GatewayServer(LoopbackServer):
    """Listens on 127.0.0.1 from its construction on, and serves functions from `serve` to `close`.

    Args:
        port: 0 picks a free one.
        log: called with each request: method, path without query, status, milliseconds, request id.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int = 0, log: Log = lambda _event: None) -> None:
        super().__init__(port, _Request.application(self._logged_answer))
        self._pools: dict[str, FunctionPool] = {}
        self._log = log
        self._closing = threading.Event()
        self._tending = threading.Thread(target=self._tend, name="function pools", daemon=True)

    def serve(self, pools: Iterable[FunctionPool]) -> None:
        """Begin to serve; one pool a function."""
        self._pools = {pool.function.path: pool for pool in pools}
        self._tending.start()
        self.start()

    def close(self) -> None:
        """Stop serving and end every function; a call that is under way is cut off."""
        self._closing.set()
        for pool in self._pools.values():
            pool.close()
        super().close()
        if self._tending.is_alive():
            self._tending.join()

    def trigger(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a function as the platform's scheduler does: an event without `http`.

        Raises:
            FunctionError: one of its kinds.
        """
        return self._pools[path].invoke(dict(body or {}))

    def _logged_answer(self, request: Request) -> Response:
        began_s = time.monotonic()
        request_id = uuid.uuid4().hex
        path = str(request.environ["RAW_URI"]).partition("?")[0]
        answer = self._answer(request, path, request_id)
        answer.headers.setdefault("X-Request-Id", request_id)
        job = _JOB_ID.search(path)
        self._log(
            {
                "event": "request",
                "job_id": job[0] if job else None,
                "method": request.method,
                "path": path,
                "status": answer.status_code,
                "wall_ms": int((time.monotonic() - began_s) * 1000),
                "request_id": request_id,
            }
        )
        return answer

    def _answer(self, request: Request, path: str, request_id: str) -> Response:
        pool, rest = self._route(path)
        if path == "/" and _PAGE in self._pools:
            return Answer(status=HTTPStatus.FOUND, headers={"Location": f"/{_PAGE}"})
        if pool is None:
            return _refusal(ProblemCode.NOT_FOUND, request_id)
        body = _body(request)
        if body is None:
            return _refusal(ProblemCode.BODY_TOO_LARGE, request_id)
        try:
            result = pool.invoke(event_of(request, body, rest, request_id))
        except FunctionError as error:
            self._log({"event": "function_failed", "reason": str(error), "request_id": request_id})
            status, words = next(answer for kind, answer in _FAILURES.items() if isinstance(error, kind))
            return platform_answer(status, words, request_id)
        if len(json.dumps(result, ensure_ascii=False).encode()) > MAX_RESULT_BYTES:
            return platform_answer(HTTPStatus.BAD_GATEWAY, "The function's result is too large.", request_id)
        return answer_of(result, request_id)

    def _route(self, target: str) -> tuple[FunctionPool | None, str]:
        parts = target.split("/")[1:]
        for head in (parts[:2], [_ROOT_PACKAGE, *parts[:1]]):
            pool = self._pools.get("/".join(head))
            if pool is not None:
                taken = 2 if head == parts[:2] else 1
                return pool, "".join(f"/{part}" for part in parts[taken:])
        return None, ""

    def _tend(self) -> None:
        while not self._closing.wait(_TEND_EVERY_S):
            for pool in self._pools.values():
                pool.tend()


def _body(request: Request) -> bytes | None:
    """Read the body; None when it is too large.

    Raises:
        BadRequest: it did not arrive whole, or its length is not a number.
    """
    if not request.environ.get("CONTENT_LENGTH", "0").isdecimal():
        raise BadRequest
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        return None
    return body if len(body) <= MAX_BODY_BYTES else None


def _refusal(code: ProblemCode, request_id: str) -> Answer:
    """A problem as the functions' own are: what the platform writes is not known."""
    entry = PROBLEMS[code]
    problem = {
        "type": "about:blank",
        "title": entry.title,
        "status": entry.status,
        "code": entry.code.value,
        "detail": entry.advice,
        "errors": [],
        "request_id": request_id,
    }
    headers = {"Content-Type": PROBLEM_TYPE, "Cache-Control": "no-store"}
    return Answer(json.dumps(problem), entry.status, headers)
