"""A stand-in of signing in with Google: GoTrue's flow with PKCE, and a page in Google's place.

`authorize` shows that page. It asks for an address and for the code that is written where e-mail would be sent, so that
nobody else on the machine is somebody's Google account. `callback` leads back to where the person came from, with a
code that works once, for five minutes, and for the holder of the verifier alone.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

from werkzeug.wrappers import Request, Response

FLOW_TTL_S = 300
_MOST_FLOWS = 100
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_KIND = "google"
_EMAIL_FIELD = (
    '<p><label>E-mail address of the account<br><input name="email" type="email" required autofocus></label></p>'
)
_CODE_FIELD = (
    "<p><label>Code from the terminal of <code>rythmiq up</code><br>"
    '<input name="code" inputmode="numeric" autocomplete="one-time-code" required autofocus></label></p>'
)


class AuthError(Exception):
    """A refusal in GoTrue's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Codes(Protocol):
    """Codes that are written where e-mail would be sent."""

    def send_code(self, kind: str, email: str, user_id: str | None) -> None:
        """Write a new one."""

    def take_code(self, kind: str, email: str, code: str) -> Mapping[str, object]:
        """Use one up, or refuse it."""


@dataclass
class _Flow:
    challenge: str
    redirect_to: str
    ends_at_s: float
    email: str = ""


class GoogleFlows:
    """People on their way through the stand-in of Google.

    Args:
        home: where one is led whose own address is not of this machine.
        codes: sends and takes codes.
        clock: seconds since 1970.
    """

    def __init__(self, home: str, codes: Codes, clock: Callable[[], float]) -> None:
        self._home, self._codes, self._clock = home, codes, clock
        self._open: dict[str, _Flow] = {}
        self._done: dict[str, _Flow] = {}

    def authorize(self, request: Request) -> Response:
        """Show the page in Google's place."""
        query = request.args
        if query.get("provider") != "google":
            raise AuthError(400, "validation_failed", "Unsupported provider: provider is not enabled")
        challenge = query.get("code_challenge", "")
        if query.get("code_challenge_method", "").lower() != "s256" or not _CHALLENGE.fullmatch(challenge):
            raise AuthError(400, "validation_failed", "code challenge must be of method s256")
        flow_id = secrets.token_urlsafe(16)
        flow = _Flow(challenge, self._allowed(query.get("redirect_to", "")), self._clock() + FLOW_TTL_S)
        while len(self._open) >= _MOST_FLOWS:
            del self._open[next(iter(self._open))]
        self._open[flow_id] = flow
        return _page(flow_id, flow, _EMAIL_FIELD)

    def callback(self, request: Request, email_of: Callable[[Mapping[str, str]], str]) -> Response:
        """Handle the form of the page in Google's place, and redirect back at its end."""
        said = request.form
        flow_id = said.get("flow", "")
        flow = self._living(self._open, flow_id)
        if "cancel" in said:
            del self._open[flow_id]
            refused = {"error": "access_denied", "error_description": "The person did not agree"}
            return _led(flow.redirect_to, refused)
        try:
            if not flow.email:
                email = email_of(said)
                self._codes.send_code(_KIND, email, None)
                flow.email = email
                return _page(flow_id, flow, _CODE_FIELD)
            self._codes.take_code(_KIND, flow.email, said.get("code", ""))
        except AuthError as error:
            return _page(flow_id, flow, _CODE_FIELD if flow.email else _EMAIL_FIELD, error)
        del self._open[flow_id]
        code = secrets.token_urlsafe(24)
        flow.ends_at_s = self._clock() + FLOW_TTL_S
        self._done[digest(code)] = flow
        return _led(flow.redirect_to, {"code": code})

    def email_of(self, code: str, verifier: str) -> str:
        """Whose code this is, once, if the verifier is the challenge's."""
        if not code or not verifier:
            message = "invalid request: both auth code and code verifier should be non-empty"
            raise AuthError(400, "validation_failed", message)
        flow = self._living(self._done, digest(code))
        hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        if not hmac.compare_digest(hashed, flow.challenge.encode()):
            message = "code challenge does not match previously saved code verifier"
            raise AuthError(400, "bad_code_verifier", message)
        del self._done[digest(code)]
        return flow.email

    def _living(self, flows: dict[str, _Flow], key: str) -> _Flow:
        now_s = self._clock()
        for old in [other for other, flow in flows.items() if flow.ends_at_s < now_s]:
            del flows[old]
        if key not in flows:
            raise AuthError(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
        return flows[key]

    def _allowed(self, redirect_to: str) -> str:
        """Addresses of this machine alone: elsewhere GoTrue leads home, too."""
        try:
            url = urlsplit(redirect_to)
            is_ours = url.scheme in {"http", "https"} and url.hostname in _LOOPBACK and not url.username
        except ValueError:
            is_ours = False
        return redirect_to if is_ours else self._home


def _led(address: str, query: Mapping[str, str]) -> Response:
    url = urlsplit(address)
    whole = "&".join(part for part in (url.query, urlencode(query)) if part)
    headers = {"Location": urlunsplit(url._replace(query=whole)), "Cache-Control": "no-store"}
    return Response(status=HTTPStatus.SEE_OTHER, headers=headers)


def _page(flow_id: str, flow: _Flow, field: str, error: AuthError | None = None) -> Response:
    url = urlsplit(flow.redirect_to)
    wrong = "" if error is None else f'<p role="alert">{escape(error.message)}</p>'
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Stand-in for Google</title>'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        "<main><h1>Stand-in for Google</h1><p>This page of the local cloud stands where Google's would.</p>"
        f'<form method="post" action="callback"><input type="hidden" name="flow" value="{flow_id}">{wrong}{field}'
        '<p><button>Continue</button> <button name="cancel" value="1" formnovalidate>Cancel</button></p></form></main>'
    )
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {url.scheme}://{url.netloc}",
    }
    return Response(html, HTTPStatus.OK if error is None else error.status, headers, content_type="text/html")


def digest(text: str) -> str:
    """What is kept in place of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()
