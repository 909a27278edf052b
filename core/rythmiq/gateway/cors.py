"""CORS, which is ours and not the platform's (`web-custom-options`).

Tokens travel in `Authorization`, never in a cookie, so no credentials are allowed and `*` is as good as a list.

Source: docs/specification/http-api.md.
"""

from collections.abc import Collection, Iterable

from rythmiq.gateway.request import Request
from rythmiq.gateway.response import Response

MAX_AGE_S = 7200
EXPOSED = "Location, ETag, Retry-After"
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-Request-Id"


def cors_headers(request: Request, allowed_origins: Collection[str]) -> dict[str, str]:
    """What every answer carries, a refusal too."""
    headers = {"Vary": "Origin"}
    origin = request.header("origin")
    if "*" in allowed_origins:
        headers |= {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
    elif origin is not None and origin.lower() in allowed_origins:
        headers |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
    return headers


def preflight(methods: Iterable[str]) -> Response:
    """Answer OPTIONS: what a page may ask for, and for how long a browser may remember it."""
    named = ", ".join(methods)
    return Response(
        204,
        headers={
            "Allow": named,
            "Access-Control-Allow-Methods": named,
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(MAX_AGE_S),
        },
    )
