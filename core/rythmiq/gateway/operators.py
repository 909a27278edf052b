"""Operators' programs: `Authorization: Bearer METRICS_TOKEN`.

Source: docs/specification/http-api.md.
"""

import hmac

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.request import Request


def bearer(authorization: str | None) -> str | None:
    """The credentials of `Authorization: Bearer`; None for anything else."""
    scheme, _, credentials = (authorization or "").strip().partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def require_token(request: Request, token: str) -> None:
    """Let a program in that shows this token; compared in constant time.

    Raises:
        ProblemError: UNAUTHENTICATED.
    """
    shown = bearer(request.header("authorization")) or ""
    if not hmac.compare_digest(shown.encode(errors="surrogatepass"), token.encode()):
        raise ProblemError(ProblemCode.UNAUTHENTICATED)
