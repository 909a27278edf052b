"""Signing in, as the page does it: the local stand-in and Supabase's own GoTrue answer alike.

The real one runs when RYTHMIQ_TEST_GOTRUE names its address, RYTHMIQ_TEST_GOTRUE_KEY its public key, and
RYTHMIQ_TEST_GOTRUE_CODE a command that prints the newest code that was sent to the address it is given.
"""

import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest
from werkzeug.wrappers import Request, Response

from rythmiq_cli.local import serving
from rythmiq_cli.local.auth import MAIL_NAME, MAILS_AN_HOUR, PREFIX, WRONG_CODES, LocalAuth
from rythmiq_cli.local.auth_google import FLOW_TTL_S
from tests.support import loopback

SECRET = "a-secret-that-only-this-test-knows-of"


@dataclass
class Auth:
    """A service, and who reads its mail."""

    url: str
    key: str
    code: Callable[[str], str]

    def __call__(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str | None = None
    ) -> httpx.Response:
        headers = {"apikey": self.key, **({} if token is None else {"Authorization": f"Bearer {token}"})}
        return loopback.request(method, f"{self.url}/{path}", json=body, headers=headers, timeout=20)

    def sign_in(self, email: str) -> dict[str, Any]:
        assert self("POST", "otp", {"email": email, "create_user": True}).status_code == 200
        answer = self("POST", "verify", {"type": "email", "email": email, "token": self.code(email)})
        assert answer.status_code == 200
        session: dict[str, Any] = answer.json()
        return session

    def guest(self) -> dict[str, Any]:
        answer = self("POST", "signup", {"data": {}})
        assert answer.status_code == 200
        session: dict[str, Any] = answer.json()
        return session


class Local:
    """The stand-in with a clock that can be turned."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.now_s = data_dir, 1_800_000_000.0
        self.events: list[Any] = []
        self.service = self.started()

    def started(self) -> LocalAuth:
        return LocalAuth(
            self.data_dir,
            issuer="http://127.0.0.1:1/auth/v1",
            secret=SECRET,
            api_key="sb_publishable_local",
            log=self.events.append,
            clock=lambda: self.now_s,
        )

    def code(self, email: str) -> str:
        mails = [json.loads(line) for line in (self.data_dir / MAIL_NAME).read_text().splitlines()]
        return next(str(mail["code"]) for mail in reversed(mails) if mail["to"] == mail["email"] == email)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


@pytest.fixture
def served(local: Local) -> Iterator[Auth]:
    @Request.application
    def app(request: Request) -> Response:
        return local.service.answer(request, request.path.removeprefix(PREFIX))

    with serving(0, app) as server:
        yield Auth(f"{server.url}{PREFIX}".rstrip("/"), "sb_publishable_local", local.code)


@pytest.fixture(params=["local", "gotrue"])
def auth(request: pytest.FixtureRequest) -> Auth:
    if request.param == "local":
        served: Auth = request.getfixturevalue("served")
        return served
    url, key, command = (os.environ.get(f"RYTHMIQ_TEST_GOTRUE{part}") for part in ("", "_KEY", "_CODE"))
    if not url or not key or not command:
        pytest.skip("RYTHMIQ_TEST_GOTRUE, _KEY and _CODE name no GoTrue")
    return Auth(
        f"{url.rstrip('/')}/auth/v1",
        key,
        lambda email: subprocess.run([command, email], capture_output=True, text=True, check=True).stdout.strip(),
    )


def somebody() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def claims(session: dict[str, Any]) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(session["access_token"], options={"verify_signature": False})
    return decoded


# --- what both do ------------------------------------------------------------


def test_a_code_signs_in_and_the_same_address_is_the_same_user(auth: Auth) -> None:
    email = somebody()
    first, second = auth.sign_in(email), auth.sign_in(email)
    assert claims(first)["sub"] == claims(second)["sub"] == first["user"]["id"]
    assert first["user"]["email"] == email
    said = claims(first)
    assert (said["aud"], said["role"], said["is_anonymous"]) == ("authenticated", "authenticated", False)
    assert said["exp"] - said["iat"] == first["expires_in"]
    assert said["iss"].endswith("/auth/v1")


def test_a_wrong_code_signs_nobody_in_and_the_right_one_still_does(auth: Auth) -> None:
    email = somebody()
    auth("POST", "otp", {"email": email})
    code = auth.code(email)
    wrong = f"{(int(code) + 1) % 10 ** len(code):0{len(code)}}"
    refused = auth("POST", "verify", {"type": "email", "email": email, "token": wrong})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "otp_expired")
    assert auth("POST", "verify", {"type": "email", "email": email, "token": code}).status_code == 200


def test_a_code_works_once(auth: Auth) -> None:
    email = somebody()
    auth("POST", "otp", {"email": email})
    shown = {"type": "email", "email": email, "token": auth.code(email)}
    assert [auth("POST", "verify", shown).status_code for _ in range(2)] == [200, 403]


def test_a_stranger_s_address_is_not_signed_up_when_that_is_not_asked(auth: Auth) -> None:
    refused = auth("POST", "otp", {"email": somebody(), "create_user": False})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "otp_disabled")


@pytest.mark.parametrize("email", ["", "nobody", "a b@example.com", "@example.com"])
def test_what_is_no_address_is_refused(auth: Auth, email: str) -> None:
    refused = auth("POST", "otp", {"email": email})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "validation_failed")


def test_a_refresh_token_gives_a_new_pair(auth: Auth) -> None:
    session = auth.sign_in(somebody())
    again = auth("POST", "token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]})
    assert again.status_code == 200
    assert again.json()["refresh_token"] != session["refresh_token"]
    assert claims(again.json())["session_id"] == claims(session)["session_id"]


def test_a_made_up_refresh_token_is_refused(auth: Auth) -> None:
    refused = auth("POST", "token?grant_type=refresh_token", {"refresh_token": "made-up"})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "refresh_token_not_found")


def test_a_guest_links_an_address_and_stays_the_same_user(auth: Auth) -> None:
    guest, email = auth.guest(), somebody()
    assert claims(guest)["is_anonymous"] is True
    assert auth("PUT", "user", {"email": email}, guest["access_token"]).status_code == 200
    linked = auth("POST", "verify", {"type": "email_change", "email": email, "token": auth.code(email)})
    assert linked.status_code == 200
    said = claims(linked.json())
    assert (said["sub"], said["is_anonymous"], said["email"]) == (claims(guest)["sub"], False, email)
    assert auth("GET", "user", token=linked.json()["access_token"]).json()["email"] == email


def test_an_address_that_somebody_has_is_not_linked(auth: Auth) -> None:
    email = somebody()
    auth.sign_in(email)
    refused = auth("PUT", "user", {"email": email}, auth.guest()["access_token"])
    assert (refused.status_code, refused.json()["error_code"]) == (422, "email_exists")


def test_who_is_signed_out_is_nobody(auth: Auth) -> None:
    session = auth.sign_in(somebody())
    assert auth("POST", "logout?scope=local", token=session["access_token"]).status_code == 204
    assert auth("GET", "user", token=session["access_token"]).json()["error_code"] == "session_not_found"
    refused = auth("POST", "token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]})
    assert refused.status_code == 400


def test_a_user_is_told_by_a_token_alone(auth: Auth) -> None:
    assert auth("GET", "user").json()["error_code"] == "no_authorization"
    assert auth("GET", "user", token="no.jwt.here").json()["error_code"] == "bad_jwt"


def test_without_the_public_key_nothing_is_answered(auth: Auth) -> None:
    assert Auth(auth.url, "", auth.code)("POST", "otp", {"email": somebody()}).status_code == 401


def test_the_page_learns_which_ways_in_there_are(auth: Auth) -> None:
    assert auth("GET", "settings").json()["external"]["email"] is True


def test_a_browser_may_ask_from_any_page(auth: Auth) -> None:
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    answer = loopback.options(f"{auth.url}/otp", headers=asked, timeout=20)
    assert answer.headers["access-control-allow-origin"] in {"*", "https://page.example"}


# --- what only the stand-in does ---------------------------------------------


def test_a_code_is_in_the_log_and_in_a_file_of_its_owner(local: Local, served: Auth) -> None:
    served("POST", "otp", {"email": "a@example.com"})
    (event,) = local.events
    assert (event["event"], event["email"], event["code"]) == (
        "sign_in_code",
        "a@example.com",
        local.code("a@example.com"),
    )
    for name in (MAIL_NAME, "auth.json"):
        assert stat.S_IMODE((local.data_dir / name).stat().st_mode) == 0o600


def test_a_code_is_over_after_an_hour(local: Local, served: Auth) -> None:
    served("POST", "otp", {"email": "a@example.com"})
    local.now_s += 3_601
    shown = {"type": "email", "email": "a@example.com", "token": local.code("a@example.com")}
    assert served("POST", "verify", shown).status_code == 403


def test_a_used_refresh_token_ends_the_session_unless_it_was_used_just_now(local: Local, served: Auth) -> None:
    session = served.sign_in("a@example.com")
    shown = {"refresh_token": session["refresh_token"]}
    assert served("POST", "token?grant_type=refresh_token", shown).status_code == 200
    local.now_s += 5
    newest = served("POST", "token?grant_type=refresh_token", shown).json()
    local.now_s += 60
    refused = served("POST", "token?grant_type=refresh_token", shown)
    assert refused.json()["error_code"] == "refresh_token_already_used"
    assert served("POST", "token?grant_type=refresh_token", newest).status_code == 400


def test_a_token_is_over_after_its_time(local: Local, served: Auth) -> None:
    session = served.sign_in("a@example.com")
    local.now_s += session["expires_in"]
    assert served("GET", "user", token=session["access_token"]).json()["error_code"] == "bad_jwt"


def test_users_and_sessions_outlive_a_restart(local: Local, served: Auth) -> None:
    session = served.sign_in("a@example.com")
    local.service = local.started()
    assert served("GET", "user", token=session["access_token"]).json()["id"] == session["user"]["id"]
    assert session["refresh_token"] not in (local.data_dir / "auth.json").read_text()


def test_mails_and_guesses_are_bounded(local: Local, served: Auth) -> None:
    sent = [served("POST", "otp", {"email": "a@example.com"}).status_code for _ in range(MAILS_AN_HOUR + 1)]
    assert sent == [200] * MAILS_AN_HOUR + [429]
    code = local.code("a@example.com")
    wrong = {"type": "email", "email": "a@example.com", "token": f"{(int(code) + 1) % 10**6:06}"}
    tried = [served("POST", "verify", wrong).status_code for _ in range(WRONG_CODES + 1)]
    assert tried == [403] * WRONG_CODES + [429]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_what_is_no_json_object_is_refused(served: Auth, body: bytes) -> None:
    answer = loopback.post(f"{served.url}/otp", content=body, headers={"apikey": served.key})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "bad_json")


# --- Google, which the stand-in has a page for --------------------------------

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PAGE = "http://127.0.0.1:8640/app"


def at_google(served: Auth, **changes: str) -> httpx.Response:
    query = {"provider": "google", "redirect_to": PAGE, "code_challenge": CHALLENGE, "code_challenge_method": "s256"}
    return loopback.get(f"{served.url}/authorize", params=query | changes)


def told(served: Auth, page: httpx.Response, **fields: str) -> httpx.Response:
    (flow,) = re.findall(r'name="flow" value="([^"]+)"', page.text)
    return loopback.post(f"{served.url}/callback", data={"flow": flow, **fields})


def came_back(local: Local, served: Auth, email: str, **changes: str) -> dict[str, str]:
    """What the address that Google leads back to holds."""
    page = told(served, at_google(served, **changes), email=email)
    answer = told(served, page, code=local.code(email))
    assert answer.status_code == 303
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def exchanged(served: Auth, code: str, verifier: str = VERIFIER) -> httpx.Response:
    return served("POST", "token?grant_type=pkce", {"auth_code": code, "code_verifier": verifier})


def test_a_made_up_code_of_google_is_refused(auth: Auth) -> None:
    refused = exchanged(auth, "made-up")
    assert (refused.status_code, refused.json()["error_code"]) == (404, "flow_state_not_found")


@pytest.mark.parametrize(("code", "verifier"), [("", VERIFIER), ("code", "")])
def test_code_and_verifier_are_both_due(auth: Auth, code: str, verifier: str) -> None:
    refused = exchanged(auth, code, verifier)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "validation_failed")


def test_google_signs_in_who_has_the_verifier_and_once(local: Local, served: Auth) -> None:
    code = came_back(local, served, "g@example.com")["code"]
    session = exchanged(served, code)
    assert (session.status_code, session.json()["user"]["email"]) == (200, "g@example.com")
    assert exchanged(served, code).json()["error_code"] == "flow_state_not_found"


def test_google_and_a_code_by_mail_are_one_user(local: Local, served: Auth) -> None:
    by_mail = served.sign_in("g@example.com")
    by_google = exchanged(served, came_back(local, served, "g@example.com")["code"]).json()
    assert by_google["user"]["id"] == by_mail["user"]["id"]


def test_a_stolen_code_is_nothing_without_the_verifier(local: Local, served: Auth) -> None:
    code = came_back(local, served, "g@example.com")["code"]
    refused = exchanged(served, code, "w" * 64)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "bad_code_verifier")


def test_a_code_of_google_is_over_after_five_minutes(local: Local, served: Auth) -> None:
    code = came_back(local, served, "g@example.com")["code"]
    local.now_s += FLOW_TTL_S + 1
    assert exchanged(served, code).json()["error_code"] == "flow_state_not_found"


def test_nobody_is_somebody_s_google_account_without_the_code(local: Local, served: Auth) -> None:
    page = told(served, at_google(served), email="g@example.com")
    right = local.code("g@example.com")
    wrong = told(served, page, code=f"{(int(right) + 1) % 10**6:06}")
    assert wrong.status_code == 403
    assert told(served, wrong, code=right).status_code == 303


def test_whoever_cancels_at_google_is_led_back_without_a_code(served: Auth) -> None:
    answer = told(served, at_google(served, redirect_to=f"{PAGE}?x=1"), cancel="1")
    query = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    assert (query["x"], query["error"], "code" in query) == ("1", "access_denied", False)


@pytest.mark.parametrize(
    "redirect_to",
    ["https://evil.example/app", "http://127.0.0.1@evil.example/", "javascript:alert(1)", "//evil.example", ""],
)
def test_google_leads_to_no_other_machine(local: Local, served: Auth, redirect_to: str) -> None:
    page = told(served, at_google(served, redirect_to=redirect_to), email="g@example.com")
    answer = told(served, page, code=local.code("g@example.com"))
    assert answer.headers["location"].startswith("http://127.0.0.1:1/app?code=")


@pytest.mark.parametrize(
    "changes",
    [
        {"provider": "github"},
        {"code_challenge": ""},
        {"code_challenge": "<script>"},
        {"code_challenge_method": "plain"},
    ],
)
def test_google_is_reached_by_pkce_alone(served: Auth, changes: dict[str, str]) -> None:
    refused = at_google(served, **changes)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "validation_failed")


def test_what_is_typed_at_google_s_place_stays_words(served: Auth) -> None:
    page = told(served, at_google(served), email='"><script>alert(1)</script>')
    assert page.status_code == 400
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
