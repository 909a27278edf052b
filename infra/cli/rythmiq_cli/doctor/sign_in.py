"""Findings about signing in: the ways that Supabase Auth offers, and whether both sides agree about guests.

The e-mail's template cannot be read from outside; what it must hold is said each time.

Source: docs/specification/page.md; supabase.com/docs/guides/auth/auth-email-passwordless.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx

from rythmiq_cli.doctor import Finding, Reporter

_REPORT = Reporter("functions")
_SETTINGS = "/auth/v1/settings"
_TEMPLATE = 'Authentication > Emails: the templates "Magic Link" and "Change Email Address" must hold {{ .Token }}'


def sign_in_findings(
    supabase_url: str, anon_key: str, *, guest_credits: int, client: httpx.Client
) -> Iterator[Finding]:
    """Ask the project how people may sign in, and hold that to what the page offers.

    Args:
        supabase_url: SUPABASE_URL.
        anon_key: SUPABASE_ANON_KEY.
        guest_credits: GUEST_CREDITS.
        client: sends the call.
    """
    try:
        answer = client.get(f"{supabase_url.rstrip('/')}{_SETTINGS}", headers={"apikey": anon_key})
    except httpx.HTTPError as error:
        yield _REPORT.unreachable(
            "sign-in", f"{_SETTINGS} does not answer: {type(error).__name__}", "correct SUPABASE_URL"
        )
        return
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        yield _REPORT.broken(
            "sign-in", "the project refuses SUPABASE_ANON_KEY: nobody can sign in", "copy the key again"
        )
        return
    try:
        ways: dict[str, Any] = answer.json()["external"] if answer.is_success else {}
        is_shut = bool(answer.json()["disable_signup"]) if answer.is_success else True
    except (ValueError, KeyError, TypeError):
        ways, is_shut = {}, True
    if ways.get("email") is not True:
        yield _REPORT.broken("sign-in", "the project offers no sign-in by e-mail", "Authentication > Providers > Email")
        return
    if is_shut:
        yield _REPORT.warning("sign-in", "nobody new can sign up", "allow new users to sign up, if that is not meant")
    else:
        yield _REPORT.ok("sign-in", f"people sign in by a code in an e-mail; {_TEMPLATE}")
    guests = ways.get("anonymous_users") is True
    if guest_credits and not guests:
        said = f"GUEST_CREDITS is {guest_credits}, and the project lets no guest in"
        yield _REPORT.warning("guests", said, "allow anonymous sign-ins, or set GUEST_CREDITS=0")
    elif guests and not guest_credits:
        said = "the project lets guests in, and every call of theirs is refused (GUEST_CREDITS=0)"
        yield _REPORT.warning("guests", said, "set GUEST_CREDITS, or turn anonymous sign-ins off")
    else:
        yield _REPORT.ok("guests", f"guests have {guest_credits} credits" if guests else "guests are not let in")
