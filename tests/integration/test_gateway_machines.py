"""What the launcher, the scheduler and an operator call over HTTP, on a real Postgres."""

import datetime as dt
import json
import re

import pytest

from rythmiq.contracts.attempt import derive_token
from tests.support.gateway_doors import (
    AS_LAUNCHER,
    AS_OPERATOR,
    AS_SCHEDULER,
    VERSION,
    Doors,
)
from tests.support.gateway_walk import create, doors, report, show
from tests.support.service_rig import SECRET, Rig, User
from tests.support.web_calls import Seen

__all__ = ["doors"]


# --- the launcher ---------------------------------------------------------------------------------------------------


def test_a_derived_token_is_good_for_its_job_and_attempt_alone(doors: Doors, rig: Rig, user: User) -> None:
    job_id, other = (create(doors, rig, user).body["job_id"] for _ in range(2))
    expires_at_s = int((rig.clock.now() + dt.timedelta(hours=1)).timestamp())
    token = derive_token(SECRET, job_id, 1, expires_at_s)
    assert report(doors, rig.failure(other), token).code == "UNAUTHENTICATED"
    assert report(doors, rig.failure(job_id, attempt=2), token).code == "UNAUTHENTICATED"
    assert report(doors, rig.failure(job_id, attempt=None), token).code == "UNAUTHENTICATED"
    assert report(doors, {"job_id": job_id}, token).code == "UNAUTHENTICATED"
    late = derive_token(SECRET, job_id, 1, int(rig.clock.now().timestamp()) - 1)
    assert report(doors, rig.failure(job_id), late).code == "UNAUTHENTICATED"
    assert report(doors, rig.failure(job_id), token).body == {"outcome": "failed"}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"job_id": 5}', "\ud800"])
def test_a_wrong_secret_is_refused_before_the_body_is_read(doors: Doors, body: str) -> None:
    for secret in ({}, {"X-Webhook-Secret": ""}, {"X-Webhook-Secret": SECRET + "x"}, {"X-Webhook-Secret": "v1.9.x"}):
        assert doors("POST", "/internal/webhooks/camber", headers=secret, body=body).code == "UNAUTHENTICATED"
        assert doors("POST", "/internal/webhooks/progress", headers=secret, body=body).code == "UNAUTHENTICATED"
    assert doors("POST", "/internal/webhooks/camber", headers=AS_LAUNCHER, body=body).status in {400, 422}


def test_the_log_says_which_attempt_a_report_is_about(
    doors: Doors, rig: Rig, user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    capsys.readouterr()
    report(doors, rig.failure(job_id).model_dump(mode="json"))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [call] = [line for line in lines if line["event"] == "call"]
    assert (call["job_id"], call["attempt"]) == (job_id, 1)


def test_reports_that_do_not_agree_with_themselves_are_refused(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    good = rig.failure(job_id).model_dump(mode="json")
    assert report(doors, good | {"status": "success"}).code == "INVALID_FIELD"
    other = "7b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
    assert report(doors, good | {"job_id": other}).code == "INVALID_FIELD"
    agreeing = good | {"job_id": other, "result": good["result"] | {"job_id": other}}
    assert report(doors, agreeing).code == "NOT_FOUND"
    assert show(doors, user, job_id).body["status"] == "processing"


def test_foreign_artifact_keys_are_refused(doors: Doors, rig: Rig, user: User) -> None:
    job_id, other = (create(doors, rig, user).body["job_id"] for _ in range(2))
    done = rig.work(job_id).model_dump(mode="json")
    foreign = rig.work(other).model_dump(mode="json")["result"]["artifacts"]["document_path"]
    done["result"]["artifacts"]["document_path"] = foreign
    seen = report(doors, done)
    assert (seen.status, seen.code) == (422, "INVALID_FIELD")
    done["result"]["artifacts"]["secret_path"] = foreign
    assert "/result/artifacts/secret_path" in report(doors, done).wrong_fields


def test_progress_changes_the_stage(doors: Doors, rig: Rig, user: User) -> None:
    job_id = create(doors, rig, user).body["job_id"]
    body = {"job_id": job_id, "attempt": 1, "stage": "ocr"}
    seen = doors("POST", "/internal/webhooks/progress", headers=AS_LAUNCHER, document=body)
    assert (seen.status, seen.body) == (200, {"recorded": True})
    assert show(doors, user, job_id).body["stage"] == "ocr"
    stale = doors("POST", "/internal/webhooks/progress", headers=AS_LAUNCHER, document=body | {"attempt": 2})
    assert stale.body == {"recorded": False}


# --- operators ------------------------------------------------------------------------------------------------------


def test_a_tick_is_run_by_the_secret_and_by_the_trigger(doors: Doors, rig: Rig, user: User) -> None:
    rig.executor.plan("drop_request")
    create(doors, rig, user)
    rig.advance(1_000)
    assert doors("POST", "/internal/reconcile").code == "UNAUTHENTICATED"
    token = derive_token(SECRET, "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a", 1, 9_999_999_999)
    assert doors("POST", "/internal/reconcile", headers={"X-Webhook-Secret": token}).code == "UNAUTHENTICATED"
    assert doors("POST", "/internal/reconcile", headers=AS_LAUNCHER).code == "UNAUTHENTICATED"
    seen = doors("POST", "/internal/reconcile", headers=AS_SCHEDULER, body="not json")
    assert (seen.status, set(seen.body)) == (200, {"reconciled", "dispatched", "purged"})
    assert seen.body["reconciled"] == 1
    assert Seen.of(doors.functions["internal/reconcile"]({})).body["reconciled"] == 0


def test_prometheus_reads_counts(doors: Doors, rig: Rig, user: User) -> None:
    done, failed = (create(doors, rig, user).body["job_id"] for _ in range(2))
    report(doors, rig.work(done))
    report(doors, rig.failure(failed))
    rig.loop.tick()
    assert doors("GET", "/internal/metrics").code == "UNAUTHENTICATED"
    seen = doors("GET", "/internal/metrics", headers=AS_OPERATOR)
    assert seen.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = dict(line.rsplit(" ", 1) for line in seen.body.splitlines() if not line.startswith("#"))
    assert samples['rythmiq_jobs{state="completed"}'] == "1"
    assert samples['rythmiq_jobs{state="failed"}'] == "1"
    assert samples['rythmiq_job_failures_total{code="DECODE_FAILED"}'] == "1"
    assert samples['rythmiq_webhook_results_total{result="completed"}'] == "1"
    assert samples['rythmiq_credits_total{kind="granted"}'] == "3"
    assert samples['rythmiq_stage_wall_seconds_bucket{stage="schema",le="0.5"}'] == "2"
    assert samples['rythmiq_stage_cpu_seconds_count{stage="schema"}'] == "2"
    assert float(samples["rythmiq_ticks_total"]) >= 1
    assert not [
        line for line in seen.body.splitlines() if not re.fullmatch(r"#.*|[a-z_]+(\{[^}]*\})? [0-9.e+-]+", line)
    ]


def test_health_is_shallow_for_everybody_and_deep_for_operators(doors: Doors, rig: Rig) -> None:
    shallow = doors("GET", "/api/health")
    assert (shallow.status, shallow.body["version"], shallow.body["database"]) == (200, VERSION, None)
    assert shallow.headers["cache-control"] == "public, max-age=10"
    rig.loop.tick()
    deep = doors("GET", "/api/health", headers=AS_OPERATOR)
    assert (deep.body["database"], deep.headers["cache-control"]) == ("ok", "no-store")
    assert deep.body["last_tick_at"] is not None
    assert deep.body["schema_version"] > 0
    assert doors("GET", "/api/health", headers={"Authorization": "Bearer x"}).code == "UNAUTHENTICATED"
