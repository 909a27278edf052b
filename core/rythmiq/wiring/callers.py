"""Who may call: users by JWT, the launcher and operators by secrets."""

from typing import TYPE_CHECKING

from rythmiq.clock import SystemClock

if TYPE_CHECKING:
    from rythmiq.gateway.tokens import TokenVerifier
    from rythmiq.services.webhooks import WebhookAuth
    from rythmiq.settings.api import AuthSettings
    from rythmiq.settings.execution import ExecutorSettings

JWKS_PATH = "/auth/v1/.well-known/jwks.json"


def verifier_of(settings: "AuthSettings") -> "TokenVerifier":
    """How users' tokens are verified."""
    from rythmiq.gateway.tokens import SecretKey, TokenVerifier  # noqa: PLC0415  functions without users have no JWT

    issuer = f"{settings.supabase_url}/auth/v1"
    if settings.verifies_by == "secret" and settings.supabase_jwt_secret is not None:
        return TokenVerifier(issuer=issuer, keys=SecretKey(settings.supabase_jwt_secret.get_secret_value()))
    from rythmiq.gateway.jwks import MAX_BYTES, TIMEOUT_S, JwksKeys  # noqa: PLC0415  only where it is configured

    def fetch() -> bytes:
        from rythmiq.adapters.bounded_http import fetch_url  # noqa: PLC0415  once a process, and httpx with it

        return fetch_url(f"{settings.supabase_url}{JWKS_PATH}", max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S)

    return TokenVerifier(issuer=issuer, keys=JwksKeys(fetch, monotonic_s=SystemClock().monotonic_s))


def webhook_auth_of(settings: "ExecutorSettings") -> "WebhookAuth":
    """Who may report, and may ask for a tick."""
    from rythmiq.services.webhooks import WebhookAuth  # noqa: PLC0415  users' functions have none

    previous = settings.webhook_secret_previous
    return WebhookAuth(
        secret=settings.webhook_secret.get_secret_value(),
        previous=None if previous is None else previous.get_secret_value(),
        clock=SystemClock(),
    )
