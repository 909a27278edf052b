"""Authentication of programs: the operators' token, the webhook secret, and tokens of single attempts.

Users' tokens are verified in `tokens`, which imports a JWT library.

Source: docs/specification/http-api.md, docs/specification/executors.md.
"""

import hmac
from collections.abc import Mapping
from typing import Any, Protocol

from rythmiq.clock import Clock
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.contracts.webhook import SECRET_HEADER, token_holds
from rythmiq.gateway.http import Request, bearer
from rythmiq.ports.database import Caller


class Guard(Protocol):
    """Authenticates the callers of a function."""

    def admit(self, request: Request, document: Mapping[str, Any] | None) -> Caller | None:
        """Let a caller in; returns who it is where that is a user.

        Args:
            request: the call.
            document: the body of a report; None when there is none, or it is not JSON.

        Raises:
            ProblemError: UNAUTHENTICATED, always with the same message.
        """


class OperatorGuard:
    """Admits operators' programs by `Authorization: Bearer METRICS_TOKEN`."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def admit(self, request: Request, document: Mapping[str, Any] | None = None) -> None:
        """Compare the token in constant time; see `Guard`."""
        del document
        presented = bearer(request.header("authorization")) or ""
        if not hmac.compare_digest(presented.encode(errors="surrogatepass"), self._token):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)


class SecretGuard:
    """Admits operators by the webhook secret, or the one before it while it is being rotated.

    Args:
        secret: WEBHOOK_SECRET.
        previous: WEBHOOK_SECRET_PREVIOUS; None or empty when there is none.
    """

    def __init__(self, secret: str, previous: str | None) -> None:
        self._secrets = tuple(text for text in (secret, previous) if text)

    def admit(self, request: Request, document: Mapping[str, Any] | None = None) -> None:
        """Compare with both secrets; see `Guard`."""
        if not self._admits(request.header(SECRET_HEADER) or "", document):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)

    def _admits(self, presented: str, document: Mapping[str, Any] | None) -> bool:
        del document
        given = presented.encode("utf-8", "surrogatepass")
        # All secrets are compared, so that the time taken does not tell which one differs.
        return any([hmac.compare_digest(given, secret.encode()) for secret in self._secrets])  # noqa: C419


class ReportGuard(SecretGuard):
    """Admits reports by a secret, or by the token of exactly the job and attempt in the body.

    Args:
        secret: see `SecretGuard`.
        previous: see `SecretGuard`; tokens derived from it stay valid too, so that a rotation strands no job.
        clock: for the tokens' expiry.
    """

    def __init__(self, secret: str, previous: str | None, clock: Clock) -> None:
        super().__init__(secret, previous)
        self._clock = clock

    def _admits(self, presented: str, document: Mapping[str, Any] | None) -> bool:
        if super()._admits(presented, document):
            return True
        if document is None or not presented.startswith("v1."):
            return False
        job_id, attempt = document.get("job_id"), document.get("attempt")
        # True is an int, and not an attempt.
        if not isinstance(job_id, str) or not job_id.isascii() or type(attempt) is not int:
            return False
        now_s = self._clock.now().timestamp()
        return any([token_holds(presented, secret, job_id, attempt, now_s) for secret in self._secrets])  # noqa: C419
