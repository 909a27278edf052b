"""A stand-in of Supabase Auth on this machine: `{supabase_url}/auth/v1/{otp,verify,token,signup,user,logout,settings}`.

People sign in by a code of six digits, which is written where e-mail would be sent: as the event `sign_in_code` in the
cloud's log, and to `mail.jsonl` in its directory. Guests sign up anonymously, and link an e-mail address by `PUT /user`
and a code of type `email_change`: the same `sub`, no guest any more. `auth_google.py` has a page in Google's place.
Refresh tokens work once. Users and sessions outlive a restart in `auth.json`; only digests of refresh tokens are kept.

Names, statuses and error codes are GoTrue's, and one suite of tests is written so that the real one passes it too
(`tests/contract/test_auth.py`). Where GoTrue waits a minute between two e-mails, this one counts them by the hour.

Source: docs/specification/commands.md; supabase.com/docs/reference/api, supabase/auth `internal/api`.
"""

import datetime as dt
import hmac
import json
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import jwt
from werkzeug.wrappers import Request, Response

from rythmiq_cli.local.auth_google import AuthError, GoogleFlows, digest
from rythmiq_cli.service import write_private

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, apikey, content-type, x-client-info, x-supabase-api-version",
    "Access-Control-Max-Age": "7200",
}
PREFIX = "/auth/v1/"
MAIL_NAME = "mail.jsonl"
_STATE_NAME = "auth.json"
ACCESS_TTL_S = 3_600
CODE_TTL_S = 3_600
MAILS_AN_HOUR = 30
WRONG_CODES = 30
_HOUR_S = 3_600
_REUSE_S = 10
_EMAIL = re.compile(r"[^\s@<>\"',;\x00-\x1f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")

Log = Callable[[Mapping[str, Any]], None]


class LocalAuth:
    """Answers the calls below `/auth/v1/`.

    Args:
        data_dir: keeps users, sessions and mail.
        issuer: what tokens name as `iss`.
        secret: signs tokens (HS256).
        api_key: what callers show as `apikey`.
        log: of the cloud; gets `sign_in_code`.
        clock: seconds since 1970.
    """

    def __init__(  # noqa: PLR0913  a service's parts
        self,
        data_dir: Path,
        *,
        issuer: str,
        secret: str,
        api_key: str,
        log: Log = lambda _event: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file, self._mail = data_dir / _STATE_NAME, data_dir / MAIL_NAME
        self._issuer, self._secret, self._api_key = issuer, secret, api_key
        self._log, self._clock = log, clock
        self._lock = threading.Lock()
        kept = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else {}
        self._users: dict[str, dict[str, Any]] = kept.get("users", {})
        self._sessions: dict[str, dict[str, Any]] = kept.get("sessions", {})
        self._codes: dict[str, dict[str, Any]] = {}
        self._mails_s: dict[str, list[float]] = {}
        self._wrong_s: dict[str, list[float]] = {}
        self._calls: Mapping[tuple[str, str], Callable[[Request], Any]] = {
            ("POST", "otp"): self._otp,
            ("POST", "verify"): self._verify,
            ("POST", "token"): self._token,
            ("POST", "signup"): self._signup,
            ("GET", "user"): self._show_user,
            ("PUT", "user"): self._change_user,
            ("POST", "logout"): self._logout,
            ("GET", "settings"): self._settings,
        }
        # A browser comes to these by itself, without the key.
        self._google = GoogleFlows(f"{issuer.removesuffix(PREFIX.rstrip('/'))}/app", self, clock)
        self._open_calls: Mapping[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "authorize"): self._google.authorize,
            ("POST", "callback"): lambda request: self._google.callback(request, _email),
        }

    def answer(self, request: Request, name: str) -> Response:
        """Answer one call.

        Args:
            request: the call.
            name: what follows `/auth/v1/`.
        """
        if request.method == "OPTIONS":
            return Response(status=HTTPStatus.NO_CONTENT, headers=_CORS)
        asked = (request.method, name)
        call = self._open_calls.get(asked) or self._calls.get(asked)
        if call is None:
            return _json_answer({"message": "There is no such call"}, HTTPStatus.NOT_FOUND)
        is_open = asked in self._open_calls
        if not is_open and not hmac.compare_digest(request.headers.get("apikey", "").encode(), self._api_key.encode()):
            return _json_answer({"message": "No API key found in request"}, HTTPStatus.UNAUTHORIZED)
        try:
            with self._lock:
                said = call(request)
                self._keep()
        except AuthError as error:
            said = {"code": error.status, "error_code": error.code, "msg": error.message}
            return _json_answer(said, error.status)
        if isinstance(said, Response):
            return said
        return Response(status=HTTPStatus.NO_CONTENT, headers=_CORS) if said is None else _json_answer(said)

    # --- calls ---

    def _settings(self, _request: Request) -> dict[str, Any]:
        return {
            "external": {"anonymous_users": True, "email": True, "phone": False, "google": True},
            "disable_signup": False,
            "mailer_autoconfirm": False,
        }

    def _otp(self, request: Request) -> dict[str, Any]:
        body = _body(request)
        email = _email(body)
        if self._by_email(email) is None and body.get("create_user", True) is False:
            raise AuthError(422, "otp_disabled", "Signups not allowed for otp")
        self.send_code("email", email, None)
        return {}

    def _verify(self, request: Request) -> dict[str, Any]:
        body = _body(request)
        kind, email, code = body.get("type"), _email(body), str(body.get("token", ""))
        if kind not in {"email", "email_change"}:
            raise AuthError(400, "validation_failed", "Verify requires a verification type")
        if len(self._recent(self._wrong_s, email)) >= WRONG_CODES:
            raise AuthError(429, "over_request_rate_limit", "Request rate limit reached")
        sent = self._codes.get(f"{kind} {email}")
        is_right = sent is not None and hmac.compare_digest(sent["digest"], digest(code))
        if sent is None or not is_right or sent["ends_at_s"] < self._clock():
            self._wrong_s[email].append(self._clock())
            raise AuthError(403, "otp_expired", "Token has expired or is invalid")
        del self._codes[f"{kind} {email}"]
        user = self._changed(sent["user_id"], email) if kind == "email_change" else self._by_email(email)
        return self._session(user or self._new_user(email), "otp")

    def _signup(self, request: Request) -> dict[str, Any]:
        if {"email", "phone", "password"} & _body(request).keys():
            raise AuthError(422, "email_provider_disabled", "Email signups are disabled")
        return self._session(self._new_user(None), "anonymous")

    def _token(self, request: Request) -> dict[str, Any]:
        grant, body = request.args.get("grant_type"), _body(request)
        if grant == "pkce":
            email = self._google.email_of(str(body.get("auth_code", "")), str(body.get("code_verifier", "")))
            return self._session(self._by_email(email) or self._new_user(email), "oauth")
        if grant != "refresh_token":
            raise AuthError(400, "validation_failed", "unsupported_grant_type")
        shown = digest(str(body.get("refresh_token", "")))
        now_s = self._clock()
        for session_id, session in self._sessions.items():
            if shown == session["refresh"]:
                return self._renewed(session_id)
            if shown in session["used"]:
                if now_s - session["used"][shown] <= _REUSE_S:  # a lost answer, or two tabs
                    return self._renewed(session_id)
                del self._sessions[session_id]
                self._keep()
                raise AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")

    def _show_user(self, request: Request) -> dict[str, Any]:
        return _shown(self._signed_in(request)[1])

    def _change_user(self, request: Request) -> dict[str, Any]:
        _, user = self._signed_in(request)
        body = _body(request)
        if "email" in body:
            email = _email(body)
            owner = self._by_email(email)
            if owner is not None and owner["id"] != user["id"]:
                raise AuthError(422, "email_exists", "A user with this email address has already been registered")
            self.send_code("email_change", email, user["id"])
            user["new_email"] = email
        return _shown(user)

    def _logout(self, request: Request) -> None:
        session_id, user = self._signed_in(request)
        scope = request.args.get("scope", "global")
        ended = {
            other
            for other, session in self._sessions.items()
            if session["user_id"] == user["id"] and (scope == "global" or (other == session_id) == (scope == "local"))
        }
        for other in ended:
            del self._sessions[other]

    # --- users, sessions, codes ---

    def _by_email(self, email: str) -> dict[str, Any] | None:
        return next((user for user in self._users.values() if user["email"] == email), None)

    def _new_user(self, email: str | None) -> dict[str, Any]:
        now = _iso(self._clock())
        user_id = str(uuid.uuid4())
        user: dict[str, Any] = {
            "id": user_id,
            "email": email or "",
            "is_anonymous": email is None,
            "email_confirmed_at": None if email is None else now,
            "created_at": now,
        }
        self._users[user_id] = user
        return user

    def _changed(self, user_id: str, email: str) -> dict[str, Any]:
        """Give a user the address that the code was sent to."""
        if self._by_email(email) is not None:
            raise AuthError(422, "email_exists", "A user with this email address has already been registered")
        user = self._users[user_id]
        user |= {"email": email, "is_anonymous": False, "email_confirmed_at": _iso(self._clock())}
        user.pop("new_email", None)
        return user

    def _session(self, user: dict[str, Any], method: str) -> dict[str, Any]:
        session_id = str(uuid.uuid4())
        self._sessions[session_id] = {"user_id": user["id"], "method": method, "refresh": "", "used": {}}
        return self._renewed(session_id)

    def _renewed(self, session_id: str) -> dict[str, Any]:
        session = self._sessions[session_id]
        user = self._users[session["user_id"]]
        now_s = int(self._clock())
        if session["refresh"]:
            session["used"][session["refresh"]] = now_s
        refresh = secrets.token_urlsafe(16)
        session["refresh"] = digest(refresh)
        claims = {
            "iss": self._issuer,
            "sub": user["id"],
            "aud": "authenticated",
            "role": "authenticated",
            "email": user["email"],
            "phone": "",
            "is_anonymous": user["is_anonymous"],
            "aal": "aal1",
            "amr": [{"method": session["method"], "timestamp": now_s}],
            "session_id": session_id,
            "iat": now_s,
            "exp": now_s + ACCESS_TTL_S,
        }
        return {
            "access_token": jwt.encode(claims, self._secret, algorithm="HS256"),
            "token_type": "bearer",
            "expires_in": ACCESS_TTL_S,
            "expires_at": now_s + ACCESS_TTL_S,
            "refresh_token": refresh,
            "user": _shown(user),
        }

    def _signed_in(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The session and the user of a token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AuthError(401, "no_authorization", "This endpoint requires a Bearer token")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience="authenticated",
                issuer=self._issuer,
                options={"verify_exp": False, "verify_iat": False},  # by our own clock
            )
        except jwt.InvalidTokenError:
            raise AuthError(403, "bad_jwt", "invalid JWT") from None
        if claims["exp"] <= self._clock():
            raise AuthError(403, "bad_jwt", "invalid JWT: token is expired")
        session = self._sessions.get(claims.get("session_id", ""))
        if session is None:
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return claims["session_id"], self._users[session["user_id"]]

    def take_code(self, kind: str, email: str, code: str) -> dict[str, Any]:
        """Use a code up: what was kept with it. Guesses are bounded."""
        if len(self._recent(self._wrong_s, email)) >= WRONG_CODES:
            raise AuthError(429, "over_request_rate_limit", "Request rate limit reached")
        sent = self._codes.get(f"{kind} {email}")
        is_right = sent is not None and hmac.compare_digest(sent["digest"], digest(code))
        if sent is None or not is_right or sent["ends_at_s"] < self._clock():
            self._wrong_s[email].append(self._clock())
            raise AuthError(403, "otp_expired", "Token has expired or is invalid")
        return self._codes.pop(f"{kind} {email}")

    def send_code(self, kind: str, email: str, user_id: str | None) -> None:
        """Write a new code where e-mail would be sent; an earlier one is over."""
        if len(self._recent(self._mails_s, email)) >= MAILS_AN_HOUR:
            raise AuthError(429, "over_email_send_rate_limit", "email rate limit exceeded")
        self._mails_s[email].append(self._clock())
        code = f"{secrets.randbelow(10**6):06}"
        ends_at_s = self._clock() + CODE_TTL_S
        self._codes[f"{kind} {email}"] = {"digest": digest(code), "ends_at_s": ends_at_s, "user_id": user_id}
        mail = {"email": email, "type": kind, "code": code}
        self._mail.touch(mode=0o600)
        with self._mail.open("a", encoding="utf-8") as mails:
            mails.write(json.dumps({"at": _iso(self._clock()), "to": email, **mail}) + "\n")
        self._log({"event": "sign_in_code", **mail})

    def _recent(self, times_s: dict[str, list[float]], email: str) -> list[float]:
        since_s = self._clock() - _HOUR_S
        times_s[email] = [at_s for at_s in times_s.get(email, []) if at_s > since_s]
        return times_s[email]

    def _keep(self) -> None:
        write_private(self._file, json.dumps({"users": self._users, "sessions": self._sessions}))


def _shown(user: Mapping[str, Any]) -> dict[str, Any]:
    """A user as GoTrue returns it."""
    provider = {} if user["is_anonymous"] else {"provider": "email", "providers": ["email"]}
    return {
        "id": user["id"],
        "aud": "authenticated",
        "role": "authenticated",
        "email": user["email"],
        "phone": "",
        "email_confirmed_at": user["email_confirmed_at"],
        "app_metadata": provider,
        "user_metadata": {},
        "identities": [],
        "created_at": user["created_at"],
        "updated_at": user["created_at"],
        "is_anonymous": user["is_anonymous"],
        **({"new_email": user["new_email"]} if "new_email" in user else {}),
    }


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.get_data() or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON")
    return body


def _email(body: Mapping[str, Any]) -> str:
    email = str(body.get("email", "")).strip().lower()
    if not _EMAIL.fullmatch(email):
        raise AuthError(400, "validation_failed", "Unable to validate email address: invalid format")
    return email


def _iso(at_s: float) -> str:
    return dt.datetime.fromtimestamp(at_s, tz=dt.UTC).isoformat()


def _json_answer(body: Mapping[str, Any], status: int = HTTPStatus.OK) -> Response:
    """An answer that no cache keeps."""
    headers = {**_CORS, "Cache-Control": "no-store"}
    return Response(json.dumps(body), status, headers, content_type="application/json")
