"""The functions as they are deployed: put together from an environment, on a real Postgres and a real store."""

import base64
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.adapters.spaces import SpacesStore
from rythmiq.crypto import seal
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.settings import EnvironmentSettings
from rythmiq.settings.api import HealthSettings, UploadsSettings
from rythmiq.settings.execution import ExecutorSettings, JobsSettings
from rythmiq.wiring import APPLICATIONS, allowed_origins, application
from rythmiq.wiring.factories import executor_of
from tests.support import loopback
from tests.support.web_calls import Seen, ask

SECRET = "0123456789abcdef0123456789abcdef"
ISSUER = "http://auth.test/auth/v1"
SETTINGS: list[type[EnvironmentSettings]] = [
    JobsSettings,
    UploadsSettings,
    HealthSettings,
]


class Environment:
    """What the functions read; nothing of the machine's own."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        for name in {name for model in SETTINGS for name in model.variables().values()} | {"__OW_NAMESPACE"}:
            patch.delenv(name, raising=False)

    def set(self, **values: str) -> None:
        """Set variables."""
        for name, value in values.items():
            self._patch.setenv(name, value)

    def unset(self, name: str) -> None:
        """Unset a variable."""
        self._patch.delenv(name)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """An environment that a test fills; whatever is made from it is forgotten, before and after."""
    opened: list[PostgresTransport] = []

    class Recorded(PostgresTransport):
        def __init__(self, url: str) -> None:
            super().__init__(url)
            opened.append(self)

    monkeypatch.setattr("rythmiq.adapters.postgres.PostgresTransport", Recorded)
    forget()
    yield Environment(monkeypatch)
    forget()
    for transport in opened:
        transport.close()


def forget() -> None:
    """Begin as a new process would."""
    allowed_origins.cache_clear()
    APPLICATIONS.clear()


def call(name: str, *arguments: Any, **named: Any) -> Seen:
    """Call a function of the platform, `{package}/{function}`."""
    return ask(application(name), *arguments, **named)


@pytest.fixture
def deployed(environment: Environment, database_url: str, store: SpacesStore) -> Environment:
    """A whole environment."""
    config = store.config
    environment.set(
        DATABASE_URL=database_url,
        SUPABASE_URL="http://auth.test",
        SUPABASE_JWT_SECRET=SECRET,
        DO_SPACES_ENDPOINT=config.endpoint,
        DO_SPACES_REGION=config.region,
        DO_SPACES_BUCKET=config.bucket,
        DO_SPACES_ACCESS_KEY=config.access_key,
        DO_SPACES_SECRET_KEY=config.secret_key,
        ENCRYPTION_KEYS=KeyRing.new_entry(7),
        DISPATCH_KEYS=KeyRing.new_entry(7),
        EXECUTOR="hold",
        WEBHOOK_SECRET=SECRET,
        RECONCILE_SECRET=SECRET,
        METRICS_TOKEN=SECRET,
        ALLOWED_ORIGINS="https://page.example",
        __OW_API_HOST="https://faas.example",
        __OW_NAMESPACE="fn-1",
    )
    return environment


def claims(user_id: str) -> dict[str, Any]:
    """What Supabase would sign."""
    now = int(time.time())
    return {"iss": ISSUER, "sub": user_id, "aud": "authenticated", "role": "authenticated", "exp": now + 600}


def as_user(user_id: str) -> Mapping[str, str]:
    """The headers of a user's call."""
    return {"Authorization": f"Bearer {jwt.encode(claims(user_id), SECRET, 'HS256')}"}


@pytest.mark.usefixtures("deployed")
def test_a_job_is_created_on_what_was_uploaded() -> None:
    user = as_user(str(uuid.uuid4()))
    content = b"a photo"
    body = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": len(content)}
    signed = call("api/uploads", "POST", headers=user, document=body).body
    key = signed["encryption"]
    sealed = seal(
        content,
        storage_key=signed["raw_path"],
        kid=key["kid"],
        data_key=base64.b64decode(key["data_key"]),
        wrapped_key=base64.b64decode(key["wrapped_key"]),
    )
    upload = signed["upload"]
    put = loopback.request(upload["method"], upload["url"], headers=upload["headers"], content=sealed)
    assert put.status_code == 200
    wanted = {"portal": "neet-2026", "slot": "photo", "raw_path": signed["raw_path"]}
    created = call("api/jobs", "POST", headers=user, document=wanted)
    assert created.status == 202
    home = "https://faas.example/api/v1/web/fn-1/api/jobs/"
    assert created.headers["location"] == home + signed["job_id"]
    shown = call("api/jobs", "GET", f"/{signed['job_id']}", headers=user)
    assert (shown.status, shown.body["attempt"], shown.body["encryption"]["kid"]) == (200, 1, 7)
    assert shown.body["encryption"]["data_key"] == signed["encryption"]["data_key"]
    progress = {"job_id": signed["job_id"], "attempt": 1, "stage": "decode"}
    secret = {"X-Webhook-Secret": SECRET}
    assert call("internal/webhooks", "POST", "/progress", headers=secret, document=progress).status == 200
    assert call("api/account", headers=user).body["credits"]["reserved"] == 1


@pytest.mark.usefixtures("deployed")
def test_operators_are_let_in() -> None:
    assert call("internal/reconcile", "POST", headers={"X-Reconcile-Secret": SECRET}).status == 200
    assert Seen.of(application("internal/reconcile")({}, None)).status == 200
    bearer = {"Authorization": f"Bearer {SECRET}"}
    assert "rythmiq_ticks_total" in call("internal/metrics", headers=bearer).body
    assert call("api/health", headers=bearer).body["database"] == "ok"


@pytest.mark.parametrize("function", ["api/portals", "api/app", "api/health"])
def test_what_everybody_may_see_needs_no_configuration(
    environment: Environment, function: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(function).status == 200
    environment.set(ALLOWED_ORIGINS="mallory")
    forget()
    refused = call(function)
    assert refused.code == "NOT_CONFIGURED"
    assert _named(capfd.readouterr().err) == {"ALLOWED_ORIGINS"}


UNCONFIGURED = [
    ("api/uploads", "POST", "", {"DO_SPACES_ENDPOINT", "SUPABASE_URL", "SUPABASE_ANON_KEY", "ENCRYPTION_KEYS"}),
    ("api/jobs", "GET", "", {"DO_SPACES_BUCKET", "PUBLIC_URL", "WEBHOOK_SECRET", "CAMBER_API_KEY"}),
    ("api/account", "GET", "", {"SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"}),
    ("internal/webhooks", "POST", "/camber", {"WEBHOOK_SECRET", "ENCRYPTION_KEYS", "DO_SPACES_SECRET_KEY"}),
    ("internal/reconcile", "POST", "", {"WEBHOOK_SECRET", "RECONCILE_SECRET", "PUBLIC_URL"}),
    ("internal/metrics", "GET", "", {"METRICS_TOKEN", "SUPABASE_URL"}),
]


@pytest.mark.parametrize(("function", "method", "path", "named"), UNCONFIGURED)
@pytest.mark.usefixtures("environment")
def test_a_function_without_its_configuration_names_all_of_it_in_its_log_alone(
    function: str, method: str, path: str, named: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    refused = call(function, method, path)
    assert (refused.status, refused.code) == (503, "NOT_CONFIGURED")
    assert named <= _named(capfd.readouterr().err)
    assert not any(name in json.dumps(refused.body) for name in named)


def _named(logged: str) -> set[str]:
    """The variables that a function's log finds unusable."""
    lines = [json.loads(line) for line in logged.splitlines()]
    return {line["reason"].partition(" ")[0] for line in lines if line["event"] == "not_configured"}


def test_a_configuration_that_is_mended_is_seen_at_the_next_call(deployed: Environment, database_url: str) -> None:
    deployed.unset("DATABASE_URL")
    assert call("internal/metrics").code == "NOT_CONFIGURED"
    deployed.set(DATABASE_URL=database_url)
    assert call("internal/metrics").code == "UNAUTHENTICATED"


EXECUTORS = {
    "camber": {
        "CAMBER_API_URL": "https://camber.example",
        "CAMBER_API_KEY": "x",
        "CAMBER_STASH_PATH": "stash://somebody/rythmiq/",
        "CAMBER_CREATE_FIELDS": "size=node",
    },
    "kubernetes": {
        "KUBERNETES_API_URL": "https://cluster.example:6443",
        "KUBERNETES_TOKEN": "x",
        "KUBERNETES_IMAGE": "registry.example/rythmiq@sha256:0",
    },
}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_each_executor_is_put_together_from_its_own_names(
    deployed: Environment, executor: str, capfd: pytest.CaptureFixture[str]
) -> None:
    deployed.set(EXECUTOR=executor)
    assert call("api/jobs").code == "NOT_CONFIGURED"
    assert _named(capfd.readouterr().err) == {name for name in EXECUTORS[executor] if not name.endswith("_FIELDS")}
    deployed.set(**EXECUTORS[executor])
    assert call("api/jobs").code == "UNAUTHENTICATED"
    assert executor_of(ExecutorSettings.from_environ(os.environ)).name == executor


def test_no_value_of_the_configuration_is_ever_shown(deployed: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    bad = {"ENCRYPTION_KEYS": "hush-1", "WEBHOOK_SECRET": "hush-2", "MAX_INFLIGHT": "hush-3", "PUBLIC_URL": "hush-4"}
    deployed.set(**bad, SERVICE_ENV="staging")
    refused = call("api/jobs")
    logged = capfd.readouterr().err
    assert _named(logged) == set(bad)
    assert "hush" not in json.dumps(refused.body) + logged


def test_a_database_that_is_gone_is_503(deployed: Environment) -> None:
    deployed.set(DATABASE_URL="postgresql://nobody:x@127.0.0.1:9/none")
    refused = call("api/account", headers=as_user(str(uuid.uuid4())))
    assert (refused.status, refused.code) == (503, "UNAVAILABLE")
    assert int(refused.headers["retry-after"]) > 0


def test_a_function_that_cannot_be_put_together_still_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rythmiq.gateway.routes", None)
    result = application("api/uploads")({"http": {}}, None)
    assert (result["statusCode"], result["body"]["code"]) == (500, "INTERNAL")
    assert json.loads(capsys.readouterr().err)["event"] == "not_wired"


# --- JWKS over HTTP -------------------------------------------------------------------------------------------------


@pytest.fixture
def jwks_server() -> Iterator[tuple[str, ec.EllipticCurvePrivateKey, list[str]]]:
    """Supabase's key endpoint on loopback: its origin, its private key, and the paths that were asked for."""
    key, asked = ec.generate_private_key(ec.SECP256R1()), list[str]()
    public_key = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    document = json.dumps({"keys": [{**public_key, "kid": "k", "alg": "ES256", "use": "sig"}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        """Serves the JWKS."""

        def do_GET(self) -> None:
            """Answer."""
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", key, asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_fifty_calls_are_one_fetch_of_the_jwks(
    deployed: Environment, jwks_server: tuple[str, ec.EllipticCurvePrivateKey, list[str]]
) -> None:
    origin, key, asked = jwks_server
    deployed.set(SUPABASE_URL=origin, AUTH_MODE="jwks")
    user_id = str(uuid.uuid4())
    token = jwt.encode(claims(user_id) | {"iss": f"{origin}/auth/v1"}, key, "ES256", headers={"kid": "k"})
    for _ in range(50):
        assert call("api/account", headers={"Authorization": f"Bearer {token}"}).status == 200
    assert asked == ["/auth/v1/.well-known/jwks.json"]
    assert call("api/account", headers=as_user(user_id)).code == "UNAUTHENTICATED"


def test_keys_that_cannot_be_had_are_503_and_not_401(deployed: Environment) -> None:
    deployed.set(SUPABASE_URL="http://127.0.0.1:9", AUTH_MODE="jwks")
    token = jwt.encode(
        claims(str(uuid.uuid4())), ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "k"}
    )
    refused = call("api/account", headers={"Authorization": f"Bearer {token}"})
    assert (refused.status, refused.code) == (503, "UNAVAILABLE")
