"""HTTP to a function's raw event, and its result back to HTTP, as the platform does both.

The platform's own refusals (an invalid result, an `error` at its top) are JSON `{"code", "error"}`.

Source: apache/openwhisk `WebActions.scala`; DigitalOcean's parameters and responses reference. Which bodies arrive as
base64 is settled for binary ones only; JSON arrives as text here, and functions honour the flag either way.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_TEXTUAL = frozenset(
    {"application/javascript", "application/xml", "application/x-www-form-urlencoded", "image/svg+xml"}
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class Answer(Response):
    """What goes back to the client; a Content-Type only where one was given."""

    default_mimetype = None


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
        headers = tuple(_headers(result.get("headers") or {}))
        status = _status(result.get("statusCode"))
    except (ValueError, TypeError, AttributeError):
        return platform_answer(HTTPStatus.BAD_REQUEST, "Response is not valid 'message/http'.", request_id)
    body = result.get("body")
    media_type = next((value for name, value in headers if name.lower() == "content-type"), None)
    others = tuple(pair for pair in headers if pair[0].lower() != "content-type")
    if body is None or body == "":
        return Answer(status=status or HTTPStatus.NO_CONTENT, headers=others)
    try:
        media_type, data = _body(media_type, body)
    except ValueError:
        return platform_answer(
            HTTPStatus.BAD_REQUEST, "Response type in header did not match generated content type.", request_id
        )
    return Answer(data, status or HTTPStatus.OK, (*others, ("Content-Type", media_type)))


def platform_answer(status: HTTPStatus, message: str, request_id: str) -> Answer:
    """What the platform itself answers when the function did not."""
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


def _headers(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
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


def _body(content_type: str | None, body: object) -> tuple[str, bytes]:
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
