"""The doctor's probes of functions, on a platform whose answers a test chooses; e2e runs them on the real functions."""

import datetime as dt
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import rythmiq
from rythmiq.settings.api import AuthSettings, DatabaseSettings
from rythmiq_cli.doctor import Finding
from rythmiq_cli.doctor.database import data_api_findings, jwks_findings
from rythmiq_cli.doctor.functions import EXPECTED, FunctionProbes
from rythmiq_cli.operator.migrations import read_migrations
from tests.support import loopback

ROOT = Path(__file__).parents[2]
TOKEN = "metrics-token-of-the-operator"
PAGE = "https://page.test"
WEBHOOK = "webhook-secret-of-the-operator"
Answer = tuple[int, Mapping[str, str], bytes]
Answering = Callable[[str, str, Mapping[str, str]], Answer]


def as_json(status: int, body: object, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()


def problem(status: int, code: str, detail: str = "No.") -> Answer:
    return status, {"Content-Type": "application/problem+json"}, json.dumps({"code": code, "detail": detail}).encode()


def html(status: int) -> Answer:
    return status, {"Content-Type": "text/html"}, b"<html>The function did not initialize properly</html>"


def well(method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """A deployment that does everything right, for the page of PAGE."""
    if method == "OPTIONS":
        allowed = {"Access-Control-Allow-Origin": PAGE} if headers.get("origin") == PAGE else {}
        return 204, {"Access-Control-Max-Age": "7200", **allowed}, b""
    shown = headers.get("authorization") == f"Bearer {TOKEN}"
    if path == "/api/health":
        ticked = dt.datetime.now(tz=dt.UTC).isoformat()
        inside = {"schema_version": 12, "last_tick_at": ticked} if shown else {}
        if headers.get("authorization") and not shown:
            return problem(401, "UNAUTHENTICATED")
        return as_json(200, {"version": rythmiq.__version__, **inside})
    if path == "/internal/metrics" and shown:
        return 200, {"Content-Type": "text/plain"}, b'rythmiq_jobs{state="pending"} 0\n'
    door = next(door for function, door in EXPECTED.items() if path == f"/{function}{door.path}")
    return as_json(200, {}) if door.status == 200 else problem(401, "UNAUTHENTICATED")


@contextmanager
def platform(answering: Answering) -> Iterator[str]:
    """Serve these answers; the address."""

    class Handler(BaseHTTPRequestHandler):
        answer: ClassVar[Answering] = staticmethod(answering)

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self.rfile.read(int(self.headers.get("content-length") or 0))
            named = {name.lower(): value for name, value in self.headers.items()}
            status, headers, body = type(self).answer(self.command, self.path, named)
            self.send_response(status)
            for name, value in headers.items():
                for single in value.split("\n"):
                    self.send_header(name, single)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own name
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def found(
    answering: Answering,
    *,
    token: str | None = TOKEN,
    origins: tuple[str, ...] = (PAGE,),
    secret: str | None = None,
) -> dict[str, Finding]:
    """What is found on such a platform, by probe."""
    with platform(answering) as url, loopback.Client(timeout=10) as client:
        return {finding.probe: finding for finding in FunctionProbes(url, client, origins, token, secret).run()}


def but(path: str, answer: Answer, *, method: str | None = None) -> Answering:
    """Well, but for what this path answers."""

    def answering(asked: str, at: str, headers: Mapping[str, str]) -> Answer:
        if at.startswith(path) and (asked == method if method else asked != "OPTIONS"):
            return answer
        return well(asked, at, headers)

    return answering


def test_a_deployment_that_does_everything_right_is_well() -> None:
    findings = found(well)
    assert list(findings) == [*EXPECTED, "inside", "last-tick", "metrics"]
    assert {finding.state for finding in findings.values()} == {"ok"}, findings


def test_the_functions_are_those_of_the_project() -> None:
    text = (ROOT / "project.yml").read_text(encoding="utf-8")
    packages = re.split(r"^  - name: ", text, flags=re.MULTILINE)[1:]
    listed = {
        f"{package.splitlines()[0].strip()}/{name}"
        for package in packages
        for name in re.findall(r"^      - name: (\w+)$", package, re.MULTILINE)
    }
    assert listed == set(EXPECTED)


@pytest.mark.parametrize("function", EXPECTED)
def test_a_function_that_does_not_start_is_broken(function: str) -> None:
    findings = found(but(f"/{function}", html(502)))
    assert (findings[function].state, "502" in findings[function].said) == ("broken", True)
    assert "bundle" in findings[function].fix


def test_a_function_that_is_not_deployed_is_broken() -> None:
    for answer in (html(404), problem(404, "NOT_FOUND")):  # the platform's, and the local cloud's
        assert "not deployed" in found(but("/api/account", answer))["api/account"].said


def test_a_function_that_is_not_configured_says_where_the_names_are() -> None:
    answer = problem(503, "NOT_CONFIGURED", "The function is not configured")
    uploads = found(but("/api/uploads", answer))["api/uploads"]
    assert (uploads.state, uploads.said) == ("broken", "is not configured")
    assert "rythmiq env check" in uploads.fix


@pytest.mark.parametrize("function", [function for function, door in EXPECTED.items() if door.status == 401])
def test_a_door_that_stands_open_is_broken(function: str) -> None:
    broken = found(but(f"/{function}", as_json(200, {})))[function]
    assert (broken.state, broken.said) == ("broken", "answers 200 where 401 is due")


def test_a_refusal_that_is_not_ours_is_broken() -> None:
    """As with webSecure, where the platform refuses in the function's place."""
    assert found(but("/internal/webhooks", html(401)))["internal/webhooks"].state == "broken"


def test_a_function_that_does_not_reach_its_database_is_broken() -> None:
    assert "does not reach" in found(but("/internal/metrics", problem(503, "UNAVAILABLE")))["internal/metrics"].said


def test_an_error_of_its_own_is_broken() -> None:
    assert "500 INTERNAL" in found(but("/api/app", problem(500, "INTERNAL")))["api/app"].said


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Access-Control-Max-Age": "7200"}, f"a page at {PAGE} may not read"),
        ({"Access-Control-Max-Age": "7200", "Access-Control-Allow-Origin": f"{PAGE}\n*"}, "adds CORS headers to ours"),
        ({"Access-Control-Allow-Origin": PAGE}, "answered by the platform"),
        ({"Access-Control-Max-Age": "7200", "Access-Control-Allow-Origin": "*"}, "any page may read"),
    ],
)
def test_preflights_that_are_not_ours_are_broken(headers: dict[str, str], said: str) -> None:
    jobs = found(but("/api/jobs", (204, headers, b""), method="OPTIONS"))["api/jobs"]
    assert (jobs.state, said in jobs.said) == ("broken", True), jobs


def test_another_release_is_told() -> None:
    health = found(but("/api/health", as_json(200, {"version": "0.0.0"})), token=None)["api/health"]
    assert (health.state, "0.0.0" in health.said) == ("warning", True)


def test_without_the_metrics_token_it_looks_from_outside_only() -> None:
    findings = found(well, token=None)
    assert (findings["inside"].state, "metrics" in findings) == ("warning", False)


def test_another_metrics_token_is_told() -> None:
    assert "refuses METRICS_TOKEN" in found(well, token="another-token-altogether")["inside"].said


def test_a_reconciler_that_never_ran_is_told() -> None:
    def answering(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        if path == "/api/health" and method == "GET":
            return as_json(200, {"version": rythmiq.__version__, "schema_version": 12, "last_tick_at": None})
        return well(method, path, headers)

    assert found(answering)["last-tick"].state == "warning"


def test_metrics_that_say_nothing_are_broken() -> None:
    def answering(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        if path == "/internal/metrics" and headers.get("authorization") == f"Bearer {TOKEN}":
            return 200, {}, b""
        return well(method, path, headers)

    assert found(answering)["metrics"].state == "broken"


def reports(method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Well, and reports are taken as `internal/webhooks` takes those that WEBHOOK signed."""
    if path == "/internal/webhooks/progress" and method == "POST":
        signed = headers.get("x-webhook-secret", "").startswith("v2.")
        return as_json(200, {"recorded": False}) if signed else problem(401, "UNAUTHENTICATED")
    return well(method, path, headers)


def test_a_signed_report_of_nothing_tells_whether_the_webhook_secret_is_the_deployed_one() -> None:
    taken = found(reports, secret=WEBHOOK)["webhook-secret"]
    refused = found(but("/internal/webhooks/progress", problem(401, "UNAUTHENTICATED")), secret=WEBHOOK)
    broken = found(but("/internal/webhooks/progress", problem(503, "UNAVAILABLE")), secret=WEBHOOK)
    assert (taken.state, refused["webhook-secret"].state) == ("ok", "broken")
    assert "doctl serverless deploy" in refused["webhook-secret"].fix
    assert "does not reach" in broken["webhook-secret"].said
    assert WEBHOOK not in str((taken, refused, broken))


@pytest.mark.parametrize(
    "answer",
    [html(200), html(404), problem(404, "NOT_FOUND"), as_json(200, {"hello": "world"}), as_json(200, []), html(403)],
    ids=["page", "no-page", "our-gateway-elsewhere", "json", "list", "forbidden"],
)
def test_a_wrong_url_is_one_finding_and_no_dozen(answer: Answer) -> None:
    findings = found(lambda *_: answer)
    assert [(name, finding.state) for name, finding in findings.items()] == [("reach", "broken")]
    assert "this is not this project's function" in findings["reach"].said
    assert "doctl serverless functions get api/health --url" in findings["reach"].fix


def test_functions_that_are_away_are_unreachable() -> None:
    with loopback.Client(timeout=5) as client:
        findings = list(FunctionProbes("http://127.0.0.1:9", client).run())
    assert [(finding.probe, finding.state) for finding in findings] == [("reach", "unreachable")]


# --- Supabase --------------------------------------------------------------------------------------------------------

HEALTH = {"schema_version": len(read_migrations()), "last_tick_at": dt.datetime.now(tz=dt.UTC).isoformat()}


def data_api(**answers: Answer) -> dict[str, Finding]:
    """What is found of a Data API that answers like this."""

    def answering(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        del method
        if path.endswith("/database_health") and headers["apikey"] == "sb_secret_a":
            return answers.get("health", as_json(200, HEALTH))
        if path.endswith("/account_open"):
            return answers.get("account", as_json(401, {"code": "42501"}))
        return answers.get("jobs", as_json(401, {"code": "42501"}))

    with platform(answering) as url, loopback.Client(timeout=5) as client:
        environ = {
            "SUPABASE_URL": url,
            "SUPABASE_ANON_KEY": "sb_publishable_a",
            "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_a",
        }
        findings = data_api_findings(DatabaseSettings.from_environ(environ), client)
        return {finding.probe: finding for finding in findings}


def test_a_data_api_that_does_everything_right_is_well() -> None:
    findings = data_api()
    assert set(findings) == {"reach", "migrations", "last-tick", "stranger"}
    assert {finding.state for finding in findings.values()} == {"ok"}


@pytest.mark.parametrize(
    ("answer", "probe", "state"),
    [
        (as_json(401, {}), "reach", "broken"),
        (as_json(404, {"code": "PGRST202"}), "migrations", "broken"),
        (as_json(200, {**HEALTH, "schema_version": 1}), "migrations", "broken"),
        (as_json(540, {}), "reach", "unreachable"),
    ],
)
def test_what_is_wrong_with_the_data_api_is_told(answer: Answer, probe: str, state: str) -> None:
    assert data_api(health=answer)[probe].state == state


def test_a_data_api_that_lets_strangers_in_is_broken() -> None:
    assert data_api(account=as_json(200, {"balance": 0}))["stranger"].state == "broken"
    assert data_api(jobs=as_json(200, [{"id": 1}]))["stranger"].state == "broken"
    assert data_api(jobs=as_json(200, []))["stranger"].state == "ok"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (as_json(200, {"keys": [{"alg": "ES256", "kid": "a"}]}), "ok"),
        (as_json(200, {"keys": []}), "broken"),
        (as_json(200, {"keys": [{"alg": "HS256"}]}), "broken"),
        (html(404), "broken"),
        (html(200), "broken"),
    ],
)
def test_the_keys_of_tokens_are_looked_at(answer: Answer, state: str) -> None:
    with platform(lambda *_: answer) as url, loopback.Client(timeout=5) as client:
        (finding,) = jwks_findings(AuthSettings.from_environ({"SUPABASE_URL": url, "AUTH_MODE": "jwks"}), client)
    assert finding.state == state


def test_a_secret_needs_no_keys() -> None:
    environ = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_JWT_SECRET": "s" * 32}
    with loopback.Client() as client:
        (finding,) = jwks_findings(AuthSettings.from_environ(environ), client)
    assert finding.state == "ok"


def test_supabase_that_is_away_is_unreachable() -> None:
    with loopback.Client(timeout=5) as client:
        environ = {"SUPABASE_URL": "http://127.0.0.1:9", "SUPABASE_ANON_KEY": "a", "SUPABASE_SERVICE_ROLE_KEY": "b"}
        (api,) = data_api_findings(DatabaseSettings.from_environ(environ), client)
        (keys,) = jwks_findings(AuthSettings.from_environ(environ), client)
    assert (api.state, keys.state) == ("unreachable", "unreachable")
