"""The HTTP gateway of the local cloud: requests become the platform's events, results become HTTP answers.

Paths are `/{package}/{function}[/...]`, and those of package `api` also at the root (`/jobs/...`), as behind App
Platform; `/` alone leads to the page. What the function did not answer, the platform answers: 404 unknown, 413 over
1 MB in, 502 not initialized, ended in mid-call or over 1 MB out, 503 no instance free, 504 too slow. A function that is
called without HTTP (the platform's trigger) gets an event without `http`.

Binary bodies arrive as base64; JSON arrives as text here, and functions honour the flag either way. An invalid result,
or an `error` at its top, is refused in the platform's form `{"code", "error"}`. The status codes of 502 to 504 are
DigitalOcean's documented or observed ones; the words are ours. What a client may bring about, 404 and 413, is a problem
as the functions' own are.

Source: docs/local-cloud.md; apache/openwhisk `WebActions.scala`; DigitalOcean's parameters and responses reference.
"""

import base64
import binascii
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import PROBLEM_TYPE, PROBLEMS, ProblemCode
from rythmiq_cli.local import LoopbackServer
from rythmiq_cli.local.functions import FunctionError, FunctionNotInitializedError, FunctionTimeoutError
from rythmiq_cli.local.functions.pool import FunctionPool, PoolBusyError

MAX_BODY_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
_MAINTAIN_EVERY_S = 0.1
_ROOT_PACKAGE = "api"
_PAGE = "api/app"
_JOB_ID = re.compile(UUID4_PATTERN.strip("^$"))

_FAILURES: Mapping[type[FunctionError], tuple[HTTPStatus, str]] = {
    FunctionTimeoutError: (HTTPStatus.GATEWAY_TIMEOUT, "The function exceeded its time limit."),
    PoolBusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "The function is too busy."),
    FunctionNotInitializedError: (HTTPStatus.BAD_GATEWAY, "The function did not initialize properly."),
    FunctionError: (HTTPStatus.BAD_GATEWAY, "There was an error processing your request."),
}

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_TEXTUAL = frozenset(
    {"application/javascript", "application/xml", "application/x-www-form-urlencoded", "image/svg+xml"}
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")

Log = Callable[[Mapping[str, Any]], None]


class Answer(Response):
    """An answer with a Content-Type only where one was given."""

    default_mimetype = None


class _Request(Request):
    max_content_length = MAX_BODY_BYTES + 1  # a chunked body is cut there


class GatewayServer(LoopbackServer):
    """Listens on 127.0.0.1 from its construction on, and serves functions from `serve` to `close`.

    Args:
        port: 0 picks a free one.
        log: called with each request: method, path without query, status, milliseconds, request id.

    Attributes:
        beside: what answers other paths, by their beginning; it is called with the request and the path's rest.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int = 0, log: Log = lambda _event: None) -> None:
        super().__init__(port, _Request.application(self._logged_answer))
        self.beside: dict[str, Callable[[Request, str], Response]] = {}
        self._pools: dict[str, FunctionPool] = {}
        self._log = log
        self._closing = threading.Event()
        self._maintaining = threading.Thread(target=self._maintain, name="function pools", daemon=True)

    def serve(self, pools: Iterable[FunctionPool]) -> None:
        """Begin to serve; one pool a function."""
        self._pools = {pool.function.path: pool for pool in pools}
        self._maintaining.start()
        self.start()

    def close(self) -> None:
        """Stop serving and end every function; a call that is under way is cut off."""
        self._closing.set()
        for pool in self._pools.values():
            pool.close()
        super().close()
        if self._maintaining.is_alive():
            self._maintaining.join()

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
        beside = next((begins for begins in self.beside if path.startswith(begins)), None)
        if beside is None:
            answer = self._answer(request, path, request_id)
        else:
            answer = self.beside[beside](request, path.removeprefix(beside))
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

    def _maintain(self) -> None:
        while not self._closing.wait(_MAINTAIN_EVERY_S):
            for pool in self._pools.values():
                pool.maintain()


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


def event_of(request: Request, body: bytes, path: str, request_id: str) -> dict[str, Any]:
    """Make the event of a raw web function.

    Args:
        request: its method, headers and query are taken as they came.
        body: of the request.
        path: what follows the function's name, percent-escapes included.
        request_id: sent to the function as X-Request-Id.
    """
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    headers |= {
        "accept-encoding": "gzip",
        "x-forwarded-for": request.remote_addr or "",
        "x-forwarded-proto": "http",
        "x-request-id": request_id,
    }
    text = _text(headers.get("content-type", ""), body)
    return {
        "http": {
            "body": base64.b64encode(body).decode() if text is None else text,
            "headers": headers,
            "isBase64Encoded": text is None,
            "method": request.method,
            "path": path,
            "queryString": request.query_string.decode("latin-1"),
        }
    }


def answer_of(result: Mapping[str, Any], request_id: str) -> Answer:
    """Read a function's result."""
    if "error" in result:
        inner = result["error"]
        if not isinstance(inner, Mapping):
            return platform_answer(HTTPStatus.BAD_REQUEST, str(inner), request_id)
        result = inner
    try:
        headers = tuple(_result_headers(result.get("headers") or {}))
        status = _status(result.get("statusCode"))
    except (ValueError, TypeError, AttributeError):
        return platform_answer(HTTPStatus.BAD_REQUEST, "Response is not valid 'message/http'.", request_id)
    body = result.get("body")
    media_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    others = tuple(pair for pair in headers if pair[0].lower() != "content-type")
    if body is None or body == "":
        return Answer(status=status or HTTPStatus.NO_CONTENT, headers=others)
    try:
        media_type, data = _content(media_type, body)
    except ValueError:
        return platform_answer(
            HTTPStatus.BAD_REQUEST, "Response type in header did not match generated content type.", request_id
        )
    return Answer(data, status or HTTPStatus.OK, (*others, ("Content-Type", media_type)))


def platform_answer(status: HTTPStatus, message: str, request_id: str) -> Answer:
    """The platform's own answer when the function gave none."""
    body = json.dumps({"code": request_id, "error": message}).encode()
    return Answer(body, status, content_type="application/json")


def _text(content_type: str, body: bytes) -> str | None:
    media_type = content_type.partition(";")[0].strip().lower()
    if body and not (media_type.startswith("text/") or _is_json(media_type) or media_type in _TEXTUAL):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def _result_headers(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        for item in value if isinstance(value, list) else [value]:
            if not isinstance(item, str | bool | int | float) or re.search(r"[\r\n\0]", f"{name}{item}"):
                raise ValueError("not a header")
            yield name, str(item).lower() if isinstance(item, bool) else str(item)


def _status(given: object) -> int:
    """An HTTP status; 0 when there is none.

    Raises:
        ValueError, TypeError: it is none that HTTP knows.
    """
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise TypeError("not a status")
    return HTTPStatus(int(given))


def _content(content_type: str | None, body: object) -> tuple[str, bytes]:
    """Content-Type and bytes of a body that is not empty.

    Raises:
        ValueError: the body does not fit its type.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if not isinstance(body, str):
        if media_type and not _is_json(media_type):
            raise ValueError("only JSON may be an object")
        return content_type or "application/json", json.dumps(body, ensure_ascii=False).encode()
    if content_type is None:
        return "text/html; charset=UTF-8", body.encode()
    if _is_json(media_type):
        return content_type, base64.b64decode(body) if _BASE64.fullmatch(body) else body.encode()
    if media_type.startswith("text/") or media_type in _TEXTUAL:
        return content_type, body.encode()
    try:
        return content_type, base64.b64decode(body, validate=True)
    except binascii.Error:
        raise ValueError("a binary body is base64") from None
