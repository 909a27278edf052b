"""The one place that knows what DigitalOcean Functions hand to a raw web function, and what they take back.

In: `event["http"]` has `method`, `path` (what follows the function's name), `queryString`, `headers` in lower case,
`body` and `isBase64Encoded`; which bodies are base64 is not settled, so the flag is honoured either way. An event
without `http` comes from the platform's scheduler, or from an operator's `invoke`.

Out: `{statusCode, headers, body}`. An object is JSON (a JSON text that happens to be base64 would be decoded); a binary
body is base64; an empty one stays empty. At most 1 MB both ways. A key `error` at the top would turn any answer into a
failure of the platform's own, and so would text that is not UTF-8 or a number that is not JSON's.

Source: docs/digitalocean-functions.md; apache/openwhisk `WebActions.scala`.
"""

import base64
import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from rythmiq.gateway.request import Request
from rythmiq.gateway.response import Response

MAX_RESULT_BYTES = 1024 * 1024
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class UnsendableError(ValueError):
    """The platform would not take this answer: it is too large, or no JSON."""


def read_event(event: object, context: object = None) -> Request:
    """Read an event; whatever it holds, a request comes of it."""
    given = event if isinstance(event, Mapping) else {}
    http = given.get("http")
    ends_at_s = _ends_at_s(context)
    if not isinstance(http, Mapping):
        # A web call in the older form has no `http` either; it must not pass for the scheduler.
        is_trigger = http is None and not any(str(name).startswith("__ow_") for name in given)
        return Request(request_id=_request_id({}, context), ends_at_s=ends_at_s, is_trigger=is_trigger)
    headers = {str(name).lower(): _text(value) for name, value in _mapping(http.get("headers")).items()}
    body = http.get("body")
    return Request(
        method=str(http.get("method") or "GET").upper(),
        path=_path(http.get("path")),
        query=_query(http.get("queryString")),
        headers=headers,
        raw_body=body if isinstance(body, str | bytes) else b"" if body is None else json.dumps(body),
        is_base64=http.get("isBase64Encoded") in (True, "true"),
        request_id=_request_id(headers, context),
        ends_at_s=ends_at_s,
    )


def write_answer(response: Response) -> dict[str, Any]:
    """Write an answer as the platform takes it.

    Raises:
        UnsendableError: it would not take it.
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
    written = {"statusCode": response.status, "headers": headers, "body": body}
    try:
        size_bytes = len(_ENCODER.encode(written).encode())
    except (ValueError, TypeError, RecursionError):
        raise UnsendableError("the answer is no JSON") from None
    if size_bytes > MAX_RESULT_BYTES:
        raise UnsendableError("the answer is larger than the platform takes")
    return written


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _path(value: object) -> str:
    path = str(value or "")
    path = path if path.startswith("/") or not path else f"/{path}"
    return path.removesuffix("/")


def _query(value: object) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(str(value or "").removeprefix("?"), keep_blank_values=True, errors="replace"))


def _request_id(headers: Mapping[str, str], context: object) -> str:
    shown = (
        headers.get("x-request-id"),
        getattr(context, "request_id", None),
        getattr(context, "activation_id", None),
        os.environ.get("__OW_ACTIVATION_ID"),
    )
    sane = (text for text in shown if isinstance(text, str) and _REQUEST_ID.fullmatch(text))
    return next(sane, None) or str(uuid.uuid4())


def _ends_at_s(context: object) -> float | None:
    """When the platform ends the call: Unix time in milliseconds in the context, else in the environment."""
    shown = getattr(context, "deadline", None) or os.environ.get("__OW_DEADLINE")
    try:
        return time.monotonic() + int(shown) / 1000 - time.time() if shown else None
    except (TypeError, ValueError):
        return None
