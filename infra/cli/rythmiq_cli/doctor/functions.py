"""Probes of the functions: is each one deployed, complete and configured, and does it refuse callers without a token?

They send only calls that change nothing: calls without a token, preflights, and the progress of a job that does not
exist, signed as a launcher signs it. Signing in is probed at Supabase Auth: the ways that it offers, and whether both
sides agree about guests. The e-mail's template cannot be read from outside; what it must hold is said each time.

Source: docs/specification/http-api.md; the platform's answers as in docs/digitalocean-functions.md;
supabase.com/docs/guides/auth/auth-email-passwordless.
"""

import datetime as dt
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal

import httpx

import rythmiq
from rythmiq.contracts.attempt import SECRET_HEADER, derive_token
from rythmiq_cli.doctor import Finding, Reporter, tick_finding

_REPORT = Reporter("functions")
_DEPLOY = "run `doctl serverless deploy . --env FILE`, and read what it prints"
_WHERE = "`doctl serverless functions get api/health --url` prints it, without /api/health"
_STRANGER = "https://stranger.invalid"
_MAX_AGE_S = "7200"
_SETTINGS = "/auth/v1/settings"
_TEMPLATE = 'Authentication > Emails: the templates "Magic Link" and "Change Email Address" must hold {{ .Token }}'


@dataclass(frozen=True, slots=True)
class ExpectedCall:
    """A call without credentials, and the status it must get."""

    method: Literal["GET", "POST"]
    path: str
    status: int
    body: Mapping[str, Any] | None = None


_UPLOAD = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 1}
EXPECTED: Mapping[str, ExpectedCall] = {
    "api/health": ExpectedCall("GET", "", 200),
    "api/portals": ExpectedCall("GET", "", 200),
    "api/app": ExpectedCall("GET", "/openapi.json", 200),
    "api/uploads": ExpectedCall("POST", "", 401, _UPLOAD),
    "api/jobs": ExpectedCall("GET", "", 401),
    "api/account": ExpectedCall("GET", "", 401),
    "internal/webhooks": ExpectedCall("POST", "/camber", 401, {}),
    "internal/reconcile": ExpectedCall("POST", "", 401, {}),
    "internal/metrics": ExpectedCall("GET", "", 401),
}


@dataclass
class FunctionProbes:
    """The probes of one deployment.

    Attributes:
        base_url: PUBLIC_URL.
        http: sends the calls.
        origins: ALLOWED_ORIGINS.
        metrics_token: to read health details and metrics; None skips those.
        webhook_secret: to sign a report as a launcher does; None skips that.
    """

    base_url: str
    http: httpx.Client
    origins: Collection[str] = ()
    metrics_token: str | None = None
    webhook_secret: str | None = None

    def run(self) -> Iterator[Finding]:
        """Run all of them."""
        try:
            first = self.http.get(self._url("api/health"))
        except httpx.HTTPError as error:
            fix = f"correct PUBLIC_URL ({_WHERE}), or wait for the network"
            yield _REPORT.unreachable("reach", f"{self.base_url} does not answer: {type(error).__name__}", fix)
            return
        if _is_somebody_elses(first):
            said = f"this is not this project's function: {self.base_url} answers {first.status_code} and no health"
            yield _REPORT.broken("reach", said, f"correct PUBLIC_URL or --url ({_WHERE}); {_DEPLOY}")
            return
        for function, call in EXPECTED.items():
            yield self._guarded(function, call)
        yield from self._deep()
        if self.webhook_secret is not None:
            yield self._report_of_nothing(self.webhook_secret)

    def _url(self, function: str, path: str = "") -> str:
        return f"{self.base_url.rstrip('/')}/{function}{path}"

    def _guarded(self, function: str, call: ExpectedCall) -> Finding:
        try:
            return self._checked(function, call)
        except httpx.HTTPError as error:
            fix = "see the limits in project.yml, and the function's log"
            return _REPORT.unreachable(function, f"no answer: {type(error).__name__}", fix)

    def _checked(self, function: str, call: ExpectedCall) -> Finding:
        answer = self.http.request(call.method, self._url(function, call.path), json=call.body)
        if (trouble := _trouble(function, answer)) is not None:
            return trouble
        if answer.status_code != call.status:
            fix = "what answers there is another function, or another release" if answer.is_error else "take it down"
            return _REPORT.broken(function, f"answers {answer.status_code} where {call.status} is due", fix)
        if call.status == HTTPStatus.UNAUTHORIZED and not _is_problem(answer):
            fix = f"the platform or a proxy answers in its place; {_DEPLOY}"
            return _REPORT.broken(function, "its refusal is not our problem+json", fix)
        if (said := self._cors(function, call)) is not None:
            fix = f"its annotation web-custom-options, or ALLOWED_ORIGINS; {_DEPLOY}"
            return _REPORT.broken(function, said, fix)
        if function == "api/health" and answer.json().get("version") != rythmiq.__version__:
            said = f"release {answer.json().get('version')} is deployed, and this is {rythmiq.__version__}"
            return _REPORT.warning(function, said, "use the doctor of the release that is deployed, or deploy this one")
        shut = "refuses callers without credentials" if call.status == HTTPStatus.UNAUTHORIZED else "answers"
        return _REPORT.ok(function, f"{shut}, and answers preflights itself")

    def _cors(self, function: str, call: ExpectedCall) -> str | None:
        """The fault of its preflights; None when there is none."""
        for origin in (*sorted(self.origins), _STRANGER):
            asked = {"Origin": origin if origin != "*" else _STRANGER, "Access-Control-Request-Method": call.method}
            answer = self.http.options(self._url(function, call.path), headers=asked)
            allowed = answer.headers.get_list("access-control-allow-origin")
            if len(allowed) > 1:
                return "the platform adds CORS headers to ours: no browser takes both"
            may = "*" in self.origins or origin in self.origins
            if may and allowed not in ([origin], ["*"]):
                return f"a page at {origin} may not read its answers"
            if not may and allowed:
                return "any page may read its answers"
            if answer.headers.get("access-control-max-age") != _MAX_AGE_S:
                return "its preflights are answered by the platform"
        return None

    def _report_of_nothing(self, secret: str) -> Finding:
        """Report the progress of a job that does not exist, as its launcher would: only the secret is tested."""
        job_id, now_s = str(uuid.uuid4()), time.time()
        headers = {SECRET_HEADER: derive_token(secret, job_id, 1, int(now_s) + 60)}
        body = {"job_id": job_id, "attempt": 1, "stage": "fetch"}
        try:
            answer = self.http.post(self._url("internal/webhooks", "/progress"), json=body, headers=headers)
        except httpx.HTTPError as error:
            return _REPORT.unreachable("webhook-secret", f"no answer: {type(error).__name__}", "run it again")
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            said = "the deployment refuses WEBHOOK_SECRET: results of workers that it starts are judged by another one"
            return _REPORT.broken("webhook-secret", said, f"WEBHOOK_SECRET here is not what is deployed; {_DEPLOY}")
        if answer.status_code != HTTPStatus.OK or answer.json().get("recorded") is not False:
            return _trouble("webhook-secret", answer) or _REPORT.broken(
                "webhook-secret", f"answers {answer.status_code} to a report of a job that does not exist", _DEPLOY
            )
        return _REPORT.ok("webhook-secret", "a report that is signed by WEBHOOK_SECRET is taken")

    def _deep(self) -> Iterator[Finding]:
        if self.metrics_token is None:
            said = "METRICS_TOKEN is not set here: health details and metrics were not read"
            yield _REPORT.warning("inside", said, "set METRICS_TOKEN to what is deployed, and run it again")
            return
        shown = {"Authorization": f"Bearer {self.metrics_token}"}
        try:
            health = self.http.get(self._url("api/health"), headers=shown)
            metrics = self.http.get(self._url("internal/metrics"), headers=shown)
        except httpx.HTTPError as error:
            yield _REPORT.unreachable("inside", f"no answer: {type(error).__name__}", "run it again")
            return
        if health.status_code == HTTPStatus.UNAUTHORIZED:
            fix = f"METRICS_TOKEN here is not the one that is deployed; {_DEPLOY}"
            yield _REPORT.broken("inside", "the deployment refuses METRICS_TOKEN", fix)
            return
        if not health.is_success:
            yield _trouble("inside", health) or _REPORT.broken("inside", f"answers {health.status_code}", _DEPLOY)
            return
        found = health.json()
        yield _REPORT.ok("inside", f"the functions reach the database, which has migration {found['schema_version']}")
        yield tick_finding(_REPORT, found.get("last_tick_at"), dt.datetime.now(tz=dt.UTC))
        if metrics.is_success and "rythmiq_jobs{" in metrics.text:
            yield _REPORT.ok("metrics", "Prometheus has something to read")
        else:
            yield _REPORT.broken("metrics", f"internal/metrics answers {metrics.status_code}", _DEPLOY)


def _is_somebody_elses(answer: httpx.Response) -> bool:
    """Whether what answers at the health function's address is neither it nor the platform's word on its failure."""
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return True
    if answer.is_server_error or _is_problem(answer):
        return False
    try:
        return not isinstance(answer.json().get("version"), str)
    except (ValueError, AttributeError):
        return True


def _is_problem(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type", "")).startswith("application/problem+json")


def _trouble(probe: str, answer: httpx.Response) -> Finding | None:
    """A finding when the function, or the platform in its place, reports a fault; None when it answers normally."""
    # The local gateway answers with a problem, the platform in its own form; none of the expected calls gets a 404.
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return _REPORT.broken(probe, "is not deployed at this address", f"check PUBLIC_URL; {_DEPLOY}")
    if _is_problem(answer):
        return _own_trouble(probe, answer)
    if answer.is_error:
        said = f"the platform answers {answer.status_code} in its place: it does not start, or takes too long"
        fix = "the bundle is incomplete (`make bundle`, tests/bundles) or over a limit of project.yml"
        return _REPORT.broken(probe, said, fix)
    return None


def _own_trouble(probe: str, answer: httpx.Response) -> Finding | None:
    body = answer.json()
    if body.get("code") == "NOT_CONFIGURED":
        fix = "its log (`not_configured`) and `rythmiq env check` name the variables: set them, then " + _DEPLOY
        return _REPORT.broken(probe, "is not configured", fix)
    if body.get("code") == "UNAVAILABLE":
        fix = "check both: `rythmiq doctor --only store --only database`"
        return _REPORT.broken(probe, "it does not reach its store or database", fix)
    if answer.is_server_error:
        return _REPORT.broken(probe, f"answers {answer.status_code} {body.get('code')}", "read the function's log")
    return None


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
