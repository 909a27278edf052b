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
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import PROBLEM_TYPE, PROBLEMS, ProblemCode
from rythmiq_cli.local.functions.event import WebAnswer, WebRequest, answer_of, event_of, platform_answer
from rythmiq_cli.local.functions.pool import FunctionPool, PoolBusyError
from rythmiq_cli.local.functions.process import FunctionError, FunctionNotInitializedError, FunctionTimeoutError

MAX_BODY_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
_DRAINED_BYTES = 64 * 1024 * 1024
_TEND_EVERY_S = 0.1
_ROOT_PACKAGE = "api"
_PAGE = "api/app"
_JOB_ID = re.compile(UUID4_PATTERN.strip("^$"))
_WITHOUT_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})

_FAILURES: Mapping[type[FunctionError], tuple[HTTPStatus, str]] = {
    FunctionTimeoutError: (HTTPStatus.GATEWAY_TIMEOUT, "The function exceeded its time limit."),
    PoolBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "The function is too busy."),
    FunctionNotInitializedError: (HTTPStatus.BAD_GATEWAY, "The function did not initialize properly."),
    FunctionError: (HTTPStatus.BAD_GATEWAY, "There was an error processing your request."),
}

Log = Callable[[Mapping[str, Any]], None]


class GatewayServer:
    """Listens on 127.0.0.1 from its making, and serves functions from `start` to `close`.

    Args:
        port: 0 picks a free one.
        log: is told each request: method, path without query, status, milliseconds, request id.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int = 0, log: Log = lambda _event: None) -> None:
        self._pools: dict[str, FunctionPool] = {}
        self._log = log
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.gateway = self
        self._threads: list[threading.Thread] = []
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self, pools: Iterable[FunctionPool]) -> None:
        """Begin to serve; one pool a function."""
        self._pools = {pool.function.path: pool for pool in pools}
        self._threads = [
            threading.Thread(
                target=self._server.serve_forever, name="gateway", kwargs={"poll_interval": 0.05}, daemon=True
            ),
            threading.Thread(target=self._tend, name="function pools", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop serving and end every function; a call that is on its way is cut off."""
        self._closing.set()
        for pool in self._pools.values():
            pool.close()
        started = [thread for thread in self._threads if thread.is_alive()]
        if started:
            self._server.shutdown()
        self._server.server_close()
        for thread in started:
            thread.join()

    def trigger(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call a function as the platform's scheduler does: an event without `http`.

        Raises:
            FunctionError: one of its kinds.
        """
        return self._pools[path].invoke(dict(body or {}))

    def answer(self, request: WebRequest) -> WebAnswer:
        """Answer one request; `request.path` is a path of the server."""
        pool, rest = self._route(request.path)
        if request.path == "/" and _PAGE in self._pools:
            return WebAnswer(HTTPStatus.FOUND, (("Location", f"/{_PAGE}"),))
        if pool is None:
            return _refusal(ProblemCode.NOT_FOUND, request.request_id)
        if len(request.body) > MAX_BODY_BYTES:
            return _refusal(ProblemCode.BODY_TOO_LARGE, request.request_id)
        try:
            result = pool.invoke(event_of(replace(request, path=rest)))
        except FunctionError as error:
            self._log({"event": "function_failed", "reason": str(error), "request_id": request.request_id})
            status, words = next(answer for kind, answer in _FAILURES.items() if isinstance(error, kind))
            return platform_answer(status, words, request.request_id)
        if len(json.dumps(result, ensure_ascii=False).encode()) > MAX_RESULT_BYTES:
            return platform_answer(HTTPStatus.BAD_GATEWAY, "The function's result is too large.", request.request_id)
        return answer_of(result, request.request_id)

    def logged(self, request: WebRequest, status: int, wall_ms: int) -> None:
        """Tell the log of one request; the function's own line of it knows a webhook's job, too."""
        job = _JOB_ID.search(request.path)
        self._log(
            {
                "event": "request",
                "job_id": job[0] if job else None,
                "method": request.method,
                "path": request.path,
                "status": status,
                "wall_ms": wall_ms,
                "request_id": request.request_id,
            }
        )

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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True
    gateway: GatewayServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nobody's fault."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # the socket, whatever it is


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "rythmiq-local"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 75
    server: _Server

    def parse_request(self) -> bool:
        """Dispatch every method to one place."""
        if not super().parse_request():
            return False
        setattr(self, f"do_{self.command}", self._serve)
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's own name
        """The gateway logs, without queries."""

    def _serve(self) -> None:
        began_s = time.monotonic()
        body = self._body()
        if body is None:
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        parts = urlsplit(self.path)
        request = WebRequest(
            method=self.command,
            path=parts.path,
            query=parts.query,
            headers=tuple(self.headers.items()),
            body=body,
            client=str(self.client_address[0]),
            request_id=uuid.uuid4().hex,
        )
        answer = self.server.gateway.answer(request)
        self._send(answer, request.request_id)
        self.server.gateway.logged(request, answer.status, int((time.monotonic() - began_s) * 1000))

    def _body(self) -> bytes | None:
        """The body; of one that is too large, one byte more than is allowed, while the rest is read and dropped.

        None when it did not come whole.
        """
        body, read_bytes = bytearray(), 0
        for piece in self._pieces():
            if not piece:
                return None
            read_bytes += len(piece)
            body += piece[: MAX_BODY_BYTES + 1 - len(body)]
            if read_bytes > _DRAINED_BYTES:
                self.close_connection = True
                break
        return bytes(body)

    def _pieces(self) -> Iterator[bytes]:
        """The body as it comes; an empty piece when the client has gone, or speaks no HTTP."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            yield from self._counted(self.headers.get("Content-Length", "0"), 10)
            return
        while (size := self.rfile.readline(1_024).partition(b";")[0].strip()) != b"0":
            yield from self._counted(size.decode("latin-1") or "-", 16)
            self.rfile.readline(3)
        while self.rfile.readline(1_024).strip():
            continue

    def _counted(self, announced: str, base: int) -> Iterator[bytes]:
        try:
            left = int(announced, base)
        except ValueError:
            left = -1
        if left < 0:
            yield b""
        while left > 0:
            piece = self.rfile.read(min(left, 1 << 16))
            left = left - len(piece) if piece else 0
            yield piece

    def _send(self, answer: WebAnswer, request_id: str) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if not any(name.lower() == "x-request-id" for name, _ in answer.headers):
            self.send_header("X-Request-Id", request_id)
        if answer.status not in _WITHOUT_BODY:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()


def _refusal(code: ProblemCode, request_id: str) -> WebAnswer:
    """A problem in our own words: the platform's are not known, and a client of ours reads ours."""
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
    headers = (("Content-Type", PROBLEM_TYPE), ("Cache-Control", "no-store"))
    return WebAnswer(entry.status, headers, json.dumps(problem).encode())
