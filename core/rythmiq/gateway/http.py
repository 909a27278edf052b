"""HTTP as DigitalOcean Functions hand it over and take it back; the only module that knows their format.

In: `event["http"]` has `method`, `path` (what follows the function's name), `queryString`, `headers` in lower case,
`body` and `isBase64Encoded`. Which bodies arrive as base64 is not settled, so the flag is honoured either way. An event
without `http` comes from the platform's scheduler, or from an operator's `invoke`.

Out: `{statusCode, headers, body}`. An object is JSON (JSON text that happens to be base64 would be decoded); a binary
body is base64; an empty one stays empty. At most 1 MB both ways. A top-level key `error` would turn any response into a
failure of the platform's own, as would text that is not UTF-8 or a number that is not JSON.

CORS is ours, not the platform's (`web-custom-options`). Tokens travel in `Authorization`, never in a cookie, so
credentials are not allowed and `*` is as safe as a list.

Source: docs/specification/http-api.md, docs/digitalocean-functions.md; apache/openwhisk `WebActions.scala`; RFC 9457.
"""

import base64
import binascii
import json
import os
import re
import time
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from rythmiq.contracts.problems import PROBLEM_TYPE, ProblemCode, ProblemError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from rythmiq.ports.database import Caller, RateLimit

MAX_BODY_BYTES = 1024 * 1024
MAX_RESULT_BYTES = 1024 * 1024
JSON_TYPE = "application/json"
RETRY_AFTER_S = 5
PREFLIGHT_MAX_AGE_S = 7200
EXPOSED_HEADERS = "Location, ETag, Retry-After, RateLimit, RateLimit-Policy"
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class UnsendableError(ValueError):
    """The platform would refuse this response: it is too large, or not JSON."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        method: in capitals.
        path: what follows the function's name: empty, or with a leading slash and no trailing one.
        has_slash: whether there was a trailing slash, which changes what a page's relative addresses mean.
        query: names and values, decoded, in their order.
        headers: by lower-case name.
        raw_body: as the event holds it; base64 when `is_base64`.
        request_id: the caller's when it is well formed, else the platform's, else a new UUID.
        ends_at_s: when the platform ends the call, on the monotonic clock; None when it does not say.
        is_trigger: a call of the platform's scheduler, without HTTP.
        told: headers of the response, whether the call succeeds or is refused.
    """

    method: str = "GET"
    path: str = ""
    has_slash: bool = False
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw_body: str | bytes = field(default=b"", repr=False)
    is_base64: bool = False
    request_id: str = ""
    ends_at_s: float | None = None
    is_trigger: bool = False
    told: dict[str, str] = field(default_factory=dict, compare=False)

    def tell_rate(self, limit: "RateLimit", rate: Mapping[str, int] | None) -> None:
        """Add what is left of a user's POST calls; the fields are draft-ietf-httpapi-ratelimit-headers-11's."""
        if rate is not None:
            window_s = -(-limit.rate_burst * 60 // limit.rate_per_minute)
            self.told["RateLimit-Policy"] = f'"post";q={limit.rate_burst};w={window_s}'
            self.told["RateLimit"] = f'"post";r={rate["remaining"]};t={rate["reset_s"]}'

    def header(self, name: str) -> str | None:
        """Return a header's value; `name` is case-insensitive."""
        return self.headers.get(name.lower())

    def require_json_type(self, *, optional: bool = False) -> None:
        """Refuse a body that is not declared as JSON in UTF-8; with `optional` the declaration may be missing.

        Raises:
            ProblemError: UNSUPPORTED_MEDIA_TYPE.
        """
        declared = self.header("content-type")
        if declared is None and optional:
            return
        media_type, _, parameters = (declared or "").partition(";")
        charset = parameters.strip().lower().removeprefix("charset=").strip('"')
        if media_type.strip().lower() != JSON_TYPE or charset not in {"", "utf-8", "utf8"}:
            raise ProblemError(ProblemCode.UNSUPPORTED_MEDIA_TYPE)

    def knows(self, etag: str) -> bool:
        """Return whether If-None-Match names this ETag; weak and strong ones compare alike (RFC 9110 13.1.2)."""
        named = {part.strip().removeprefix("W/") for part in (self.header("if-none-match") or "").split(",")}
        return "*" in named or etag.removeprefix("W/") in named

    def require_size(self) -> None:
        """Refuse a body over 1 MB, as the platform does before it looks at anything else.

        Raises:
            ProblemError: BODY_TOO_LARGE.
        """
        raw = self.raw_body
        if self.is_base64:
            padding = raw[-2:].count("=") if isinstance(raw, str) else raw[-2:].count(b"=")
            size_bytes = len(raw) * 3 // 4 - padding
        else:
            size_bytes = len(_utf8(raw))
        if size_bytes > MAX_BODY_BYTES:
            raise ProblemError(ProblemCode.BODY_TOO_LARGE)

    def body(self) -> bytes:
        """Return the decoded body.

        Raises:
            ProblemError: MALFORMED_JSON: it is flagged as base64 and is not.
        """
        if not self.is_base64:
            return _utf8(self.raw_body)
        try:
            return base64.b64decode(self.raw_body, validate=True)
        except (binascii.Error, ValueError):
            raise ProblemError(ProblemCode.MALFORMED_JSON, "The body is not valid base64.") from None

    def remaining_s(self, default: float) -> float:
        """Return the seconds until the platform ends the call; `default` when it does not say."""
        return default if self.ends_at_s is None else max(0.0, self.ends_at_s - time.monotonic())


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted call.

    Attributes:
        request: the call itself.
        path: values of the placeholders in the operation's path.
        caller: the user, for `access="user"`.
        body: an instance of the operation's model.
    """

    request: Request
    path: Mapping[str, str]
    caller: "Caller | None" = None
    body: Any = None

    @property
    def user(self) -> "Caller":
        """The caller of an operation with `access="user"`."""
        if self.caller is None:
            raise AssertionError("only operations for users read the user")
        return self.caller


def bearer(authorization: str | None) -> str | None:
    """Return the credentials of `Authorization: Bearer`; None for anything else."""
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Attributes:
        status: HTTP's.
        body: a mapping becomes JSON, text stays text, bytes are of any other type; None for no body.
        media_type: of the body.
        headers: by name as sent; a tuple is a header that is repeated.
    """

    status: int = 200
    body: Mapping[str, Any] | str | bytes | None = field(default=None, repr=False)
    media_type: str = JSON_TYPE
    headers: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


def json_response(model: "BaseModel", *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a model of the contracts as JSON."""
    return Response(status, model.model_dump(mode="json"), headers=headers or {})


def problem_response(error: ProblemError, request_id: str) -> Response:
    """Return a refusal as `application/problem+json`; a 401 always says how to authenticate."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code.value,
        "detail": error.detail,
        "errors": [
            {"pointer": field.pointer, "code": str(field.code), "detail": field.detail} for field in error.errors
        ],
        "request_id": request_id,
    }
    headers = dict(error.headers)
    if error.code is ProblemCode.UNAUTHENTICATED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return Response(error.status, body, PROBLEM_TYPE, headers)


def preflight(methods: Iterable[str]) -> Response:
    """Return the answer to OPTIONS: the methods and headers a page may send, for a browser to cache."""
    allowed = ", ".join(methods)
    return Response(
        204,
        headers={
            "Allow": allowed,
            "Access-Control-Allow-Methods": allowed,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
        },
    )


def common_headers(request: Request, allowed_origins: Collection[str]) -> dict[str, str]:
    """Return the headers of every response, refusals included."""
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request.request_id,
        "Vary": "Origin",
    }
    origin = request.header("origin")
    if "*" in allowed_origins:
        headers |= {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    elif origin is not None and origin.lower() in allowed_origins:
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    return headers


def read_event(event: object, context: object = None) -> Request:
    """Read an event; every event, whatever it holds, becomes a request."""
    given = event if isinstance(event, Mapping) else {}
    http = given.get("http")
    ends_at_s = _ends_at_s(context)
    if not isinstance(http, Mapping):
        # A web call in the older form has no `http` either; it must not pass for the scheduler.
        is_trigger = http is None and not any(str(name).startswith("__ow_") for name in given)
        return Request(request_id=_request_id({}, context), ends_at_s=ends_at_s, is_trigger=is_trigger)
    raw_headers = http.get("headers")
    headers = {
        str(name).lower(): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in (raw_headers.items() if isinstance(raw_headers, Mapping) else ())
    }
    path = str(http.get("path") or "")
    body = http.get("body")
    return Request(
        method=str(http.get("method") or "GET").upper(),
        path=(path if path.startswith("/") or not path else f"/{path}").removesuffix("/"),
        has_slash=path.endswith("/"),
        query=tuple(
            parse_qsl(str(http.get("queryString") or "").removeprefix("?"), keep_blank_values=True, errors="replace")
        ),
        headers=headers,
        raw_body=body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body),
        is_base64=http.get("isBase64Encoded") in (True, "true"),
        request_id=_request_id(headers, context),
        ends_at_s=ends_at_s,
    )


def write_result(response: Response) -> dict[str, Any]:
    """Write a response in the platform's format.

    Raises:
        UnsendableError: the platform would refuse it.
    """
    headers: dict[str, Any] = {
        name: value if isinstance(value, str) else list(value) for name, value in response.headers.items()
    }
    body: object = response.body
    if body is None or body in ("", b""):
        body = ""
    else:
        headers["Content-Type"] = response.media_type
        if isinstance(body, bytes):
            body = base64.b64encode(body).decode()
    result = {"statusCode": response.status, "headers": headers, "body": body}
    try:
        size_bytes = len(_ENCODER.encode(result).encode())
    except (ValueError, TypeError, RecursionError):
        raise UnsendableError("the response is not JSON") from None
    if size_bytes > MAX_RESULT_BYTES:
        raise UnsendableError("the response is larger than the platform's limit")
    return result


def _utf8(text: str | bytes) -> bytes:
    """Return text as bytes; a lone surrogate, which is not text, becomes bytes that are not UTF-8 either."""
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text


def _request_id(headers: Mapping[str, str], context: object) -> str:
    candidates = (
        headers.get("x-request-id"),
        getattr(context, "request_id", None),
        getattr(context, "activation_id", None),
        os.environ.get("__OW_ACTIVATION_ID"),
    )
    valid = (text for text in candidates if isinstance(text, str) and _REQUEST_ID.fullmatch(text))
    return next(valid, None) or str(uuid.uuid4())


def _ends_at_s(context: object) -> float | None:
    """Return the end of the call: Unix time in milliseconds in the context, else in the environment."""
    deadline_ms = getattr(context, "deadline", None) or os.environ.get("__OW_DEADLINE")
    try:
        return time.monotonic() + int(deadline_ms) / 1000 - time.time() if deadline_ms else None
    except (TypeError, ValueError):
        return None
