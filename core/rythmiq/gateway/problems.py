"""What every refusal looks like: RFC 9457 `application/problem+json`.

Source: docs/specification/http-api.md.
"""

from typing import Any

from rythmiq.contracts.problems import PROBLEM_TYPE, ProblemCode, ProblemError
from rythmiq.gateway.response import Response

RETRY_AFTER_S = 5


def problem_response(error: ProblemError, request_id: str) -> Response:
    """Write a problem; a 401 always says how to authenticate."""
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
