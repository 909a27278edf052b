"""The doctor's probes of a store: all well on the guard, and each finds what it is for on a store that has it."""

import datetime as dt
import io
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from moto.moto_server import werkzeug_app as moto_server
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.test import Client

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq_cli.doctor import Finding
from rythmiq_cli.doctor.store import StoreProbes, bucket_findings
from rythmiq_cli.doctor.worker import worker_findings
from rythmiq_cli.local import Environ, StartResponse, WsgiApp
from rythmiq_cli.local.store import SigV4Guard
from rythmiq_cli.local.store.s3_server import local_store, make_bucket
from rythmiq_cli.operator import bucket_settings as spaces_rules
from tests.support import loopback
from tests.support.store_clients import operator

PAGE = "https://page.test"


def found(config: StoreConfig, **options: object) -> dict[str, Finding]:
    """What the probes of objects find, by probe."""
    with loopback.Client(timeout=20) as http:
        return {finding.probe: finding for finding in StoreProbes(config, http, **options).run()}  # type: ignore[arg-type]  # as the test says


def settings_found(config: StoreConfig, *origins: str) -> dict[str, Finding]:
    """What the probes of settings find, by probe."""
    with loopback.Client(timeout=20) as http:
        return {finding.probe: finding for finding in bucket_findings(config, http, origins)}


@pytest.fixture(scope="module")
def guarded() -> Iterator[StoreConfig]:
    """The store that does everything right."""
    with local_store() as store:
        yield store.config


@contextmanager
def serving(app: WsgiApp, *, late: dt.timedelta | None = None) -> Iterator[StoreConfig]:
    """Any WSGI application as a store, with a bucket; `late` is its clock."""

    class Handler(WSGIRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            del timestamp
            there = dt.datetime.now(tz=dt.UTC) - (late or dt.timedelta())
            return there.strftime("%a, %d %b %Y %H:%M:%S GMT")

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield StoreConfig(f"http://127.0.0.1:{server.server_port}", "sgp1", "broken", "KEY", "secret")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def plain_moto() -> WsgiApp:
    """A store that checks nothing."""
    app: WsgiApp = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
    Client(app).put("/broken")
    return app


def without_header(name: str, *, when: Callable[[Environ], bool] = lambda _: True) -> WsgiApp:
    """The guard, which never sees that header, before a store that does."""
    moto = plain_moto()

    def behind(environ: Environ, start_response: StartResponse) -> object:
        if (kept := environ.pop("rythmiq.kept", None)) is not None:
            environ[name] = kept
        return moto(environ, start_response)

    guard = SigV4Guard(behind, {"KEY": "secret"})  # type: ignore[arg-type]  # what moto returns

    def front(environ: Environ, start_response: StartResponse) -> object:
        if name in environ and when(environ):
            environ["rythmiq.kept"] = environ.pop(name)
        return guard(environ, start_response)

    return front  # type: ignore[return-value]  # ditto


@pytest.fixture(scope="module")
def keys_before(guarded: StoreConfig) -> list[str]:
    """What other tests left: moto's stores are one a process."""
    return stored_keys(guarded)


@pytest.fixture(scope="module")
def on_the_guard(guarded: StoreConfig, keys_before: list[str]) -> dict[str, Finding]:
    del keys_before  # only to come first
    return found(guarded)


@pytest.fixture(scope="module")
def on_plain_moto() -> Iterator[dict[str, Finding]]:
    with serving(plain_moto()) as config:
        yield found(config)


PROBES = [
    "access",
    "clock",
    "anonymous",
    "signatures",
    "put",
    "put-length",
    "put-type",
    "public-objects",
    "copy-source",
    "put-once",
    "post",
    "post-range",
    "post-fields",
    "checksums",
    "get-expiry",
    "put-expiry",
    "cleanup",
]


def test_a_store_that_does_everything_right_is_well(on_the_guard: dict[str, Finding]) -> None:
    assert list(on_the_guard) == PROBES
    assert {finding.probe: finding for finding in on_the_guard.values() if finding.state != "ok"} == {}


@pytest.mark.parametrize("probe", ["anonymous", "signatures", "put-length", "put-type", "get-expiry", "put-expiry"])
def test_a_store_that_checks_no_signature_is_broken(on_plain_moto: dict[str, Finding], probe: str) -> None:
    assert on_plain_moto[probe].state == "broken"
    assert on_plain_moto[probe].fix


def test_a_store_that_takes_unsigned_acls_is_broken(on_plain_moto: dict[str, Finding]) -> None:
    assert on_plain_moto["public-objects"].state == "broken"


def test_a_store_that_copies_on_an_unsigned_header_is_broken() -> None:
    with serving(without_header("HTTP_X_AMZ_COPY_SOURCE")) as config:
        findings = found(config)
    assert findings["copy-source"].state == "broken"
    assert "spaces apply" in findings["copy-source"].fix
    assert {name for name, finding in findings.items() if finding.state == "broken"} == {"copy-source"}


def test_what_is_wrong_with_posts_matters_where_posts_are_used(on_plain_moto: dict[str, Finding]) -> None:
    assert (on_plain_moto["post-range"].state, on_plain_moto["post-fields"].state) == ("warning", "warning")
    with serving(plain_moto()) as config:
        findings = found(config, method="post")
    assert (findings["post-range"].state, findings["post-fields"].state) == ("broken", "broken")
    assert (findings["put-length"].state, findings["post-expiry"].state) == ("warning", "broken")


def test_a_store_without_posts_is_told_by_what_is_used() -> None:
    moto = plain_moto()

    def no_posts(environ: Environ, start_response: StartResponse) -> object:
        if environ["REQUEST_METHOD"] == "POST":
            start_response("405 Method Not Allowed", [("Content-Length", "0")])
            return []
        return moto(environ, start_response)

    with serving(no_posts) as config:  # type: ignore[arg-type]  # what moto returns
        assert found(config)["post"].state == "warning"
        assert found(config, method="post")["post"].state == "broken"


def test_a_store_that_does_not_know_the_condition_is_told() -> None:
    moto = plain_moto()

    def unconditional(environ: Environ, start_response: StartResponse) -> object:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        return moto(environ, start_response)

    def refusing(environ: Environ, start_response: StartResponse) -> object:
        if "HTTP_IF_NONE_MATCH" in environ:
            start_response("501 Not Implemented", [("Content-Length", "0")])
            return []
        return moto(environ, start_response)

    with serving(unconditional) as config:  # type: ignore[arg-type]  # what moto returns
        assert found(config)["put-once"].state == "warning"
    with serving(refusing) as config:  # type: ignore[arg-type]  # ditto
        findings = found(config)
    assert findings["put"].state == "broken"
    assert "UPLOAD_METHOD=post" in findings["put"].fix


def test_a_store_that_stores_damaged_bytes_is_told(on_plain_moto: dict[str, Finding]) -> None:
    assert on_plain_moto["checksums"].state == "warning"


def test_a_store_whose_clock_is_off_is_told() -> None:
    with serving(plain_moto(), late=dt.timedelta(minutes=3)) as config:
        findings = found(config, sleep=lambda _: None)
    assert findings["clock"].state == "warning"
    assert findings["get-expiry"].state == "warning"
    with serving(plain_moto(), late=dt.timedelta(hours=1)) as config:
        assert found(config, sleep=lambda _: None)["clock"].state == "broken"


def test_a_store_that_gives_back_something_else_is_broken() -> None:
    moto = plain_moto()

    def other(environ: Environ, start_response: StartResponse) -> object:
        if environ["REQUEST_METHOD"] == "GET":
            start_response("200 OK", [("Content-Length", "5")])
            return [b"other"]
        return moto(environ, start_response)

    with serving(other) as config:  # type: ignore[arg-type]  # what moto returns
        findings = found(config)
    assert list(findings) == ["access"]
    assert findings["access"].state == "broken"


def test_a_wrong_key_is_broken_and_nothing_else_is_tried(guarded: StoreConfig) -> None:
    findings = found(replace(guarded, secret_key="not-the-secret"))
    assert [(name, finding.state) for name, finding in findings.items()] == [("access", "broken")]
    assert "not-the-secret" not in str(findings)


def test_a_bucket_that_is_not_there_is_told(guarded: StoreConfig) -> None:
    assert found(replace(guarded, bucket="nowhere"))["access"].said.startswith("there is no bucket nowhere")


def test_a_store_that_is_away_is_unreachable() -> None:
    findings = found(StoreConfig("http://127.0.0.1:9", "sgp1", "rythmiq", "KEY", "secret"))
    assert [(name, finding.state) for name, finding in findings.items()] == [("access", "unreachable")]


def stored_keys(config: StoreConfig) -> list[str]:
    """The keys of the bucket, all pages."""
    pages = operator(config).get_paginator("list_objects_v2").paginate(Bucket=config.bucket)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_nothing_is_left_behind(guarded: StoreConfig, keys_before: list[str], on_the_guard: dict[str, Finding]) -> None:
    assert stored_keys(guarded) == keys_before
    assert on_the_guard["cleanup"].state == "ok"


def test_what_cannot_be_deleted_is_told() -> None:
    moto, kept = plain_moto(), io.StringIO()

    def keeping(environ: Environ, start_response: StartResponse) -> object:
        if environ["REQUEST_METHOD"] == "DELETE" and "doctor-first" not in str(environ["PATH_INFO"]):
            kept.write(environ["PATH_INFO"])
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
        return moto(environ, start_response)

    with serving(keeping) as config:  # type: ignore[arg-type]  # what moto returns
        assert found(config)["cleanup"].state == "warning"
    assert "/broken/raw/" in kept.getvalue()


def test_only_objects_of_its_own_are_touched(guarded: StoreConfig) -> None:
    mine = f"raw/{uuid.uuid4()}/{uuid.uuid4()}/20261123T000000Z_mine.jpg.enc"
    SpacesStore(guarded).upload_object(mine, b"mine")
    found(guarded)
    assert SpacesStore(guarded).fetch_object(mine, max_bytes=10) == b"mine"
    SpacesStore(guarded).delete_object(mine)


def worker(config: StoreConfig, **changed: str) -> list[Finding]:
    """What the worker's key finds."""
    environ = {"SPACES_KEY": config.access_key, "SPACES_SECRET": config.secret_key, **changed}
    return list(worker_findings(config, environ))


def test_the_workers_own_key_is_tried_and_nothing_of_it_is_left(guarded: StoreConfig) -> None:
    before = stored_keys(guarded)
    assert [(finding.probe, finding.state) for finding in worker(guarded)] == [("worker-access", "ok")]
    assert stored_keys(guarded) == before
    assert list(worker_findings(guarded, {})) == []


@pytest.mark.parametrize(
    ("changed", "state", "names"),
    [
        ({"SPACES_SECRET": "not-the-secret"}, "broken", "SPACES_SECRET"),
        ({"SPACES_KEY": "NOT-THE-KEY"}, "broken", "SPACES_KEY"),
        ({"SPACES_BUCKET": "elsewhere"}, "broken", "SPACES_KEY"),
        ({"SPACES_ENDPOINT": "http://127.0.0.1:9"}, "unreachable", "SPACES_ENDPOINT"),
    ],
)
def test_a_worker_that_the_store_refuses_is_told(
    guarded: StoreConfig, changed: dict[str, str], state: str, names: str
) -> None:
    (finding,) = worker(guarded, **changed)
    assert (finding.state, names in finding.fix, "not-the-secret" in str(finding)) == (state, True, False)


# --- the bucket's settings -------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(guarded: StoreConfig) -> StoreConfig:
    """A bucket that nobody has set up."""
    config = replace(guarded, bucket=f"bucket-{uuid.uuid4()}")
    make_bucket(config)
    return config


def test_a_bucket_that_was_told_nothing_is_told_so(bucket: StoreConfig) -> None:
    states = {name: finding.state for name, finding in settings_found(bucket, PAGE).items()}
    assert states == {"cors": "broken", "cors-strangers": "ok", "lifecycle": "warning", "policy": "warning"}


def test_a_bucket_that_was_told_everything_is_well(bucket: StoreConfig) -> None:
    spaces_rules.apply(bucket, spaces_rules.plan(bucket, {PAGE}))
    # moto reads no conditions: put there with nobody uploading afterwards
    operator(bucket).put_bucket_policy(
        Bucket=bucket.bucket, Policy=json.dumps(spaces_rules.template("policy", BUCKET=bucket.bucket))
    )
    findings = settings_found(bucket, PAGE)
    assert {finding.state for finding in findings.values()} == {"ok"}
    assert set(findings) == {"cors", "cors-strangers", "lifecycle", "policy"}


def test_a_bucket_that_lets_any_page_in_is_told(bucket: StoreConfig) -> None:
    spaces_rules.apply(bucket, spaces_rules.plan(bucket, {"*"}))
    assert settings_found(bucket, PAGE)["cors-strangers"].state == "warning"
    assert "cors-strangers" not in settings_found(bucket, "*")


def test_without_an_origin_it_says_what_to_give(bucket: StoreConfig) -> None:
    assert "--origin" in settings_found(bucket)["cors"].fix


def test_an_origin_that_was_given_to_apply_is_a_page_that_the_doctor_knows(bucket: StoreConfig) -> None:
    spaces_rules.apply(bucket, spaces_rules.plan(bucket, {PAGE}))
    cors = settings_found(bucket)["cors"]
    assert (cors.state, PAGE in cors.said) == ("ok", True)


def test_settings_that_a_key_may_not_read_are_told(guarded: StoreConfig) -> None:
    assert settings_found(replace(guarded, secret_key="not-the-secret"), PAGE)["settings"].state == "warning"
