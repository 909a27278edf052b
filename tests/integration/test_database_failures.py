"""Failing is limited: what is refunded, who runs one job at a time, and which uploads go."""

import datetime as dt
from typing import Any

import pytest

from tests.support.database_calls import START, Calls, handed_out, new_job

OF_INPUT: list[dict[str, Any]] = [
    {"code": "DECODE_FAILED"},
    {"code": "FETCH_FAILED", "detail": None},
    {"code": "FETCH_FAILED", "detail": {"transient": False}},
    {"code": "SCHEMA_FAILED"},
    {"code": "SIZE_EXCEEDED"},
    {"code": "OCR_FAILED"},
    {"code": "OCR_FAILED", "detail": {"reason": "signal", "signal": "SIGKILL"}},
    {"code": "OCR_FAILED", "detail": {"reason": "engine", "type": "ValueError"}},
    {"code": "INTERNAL_ERROR", "detail": {"reason": "hang", "timeout_s": 240.0}},
    {"code": "INTERNAL_ERROR", "detail": {"reason": "memory"}},
]
OF_OURS: list[dict[str, Any]] = [
    {"code": "FETCH_FAILED", "detail": {"transient": True}},
    {"code": "FETCH_TIMEOUT"},
    {"code": "OCR_TIMEOUT"},
    {"code": "OCR_FAILED", "detail": {"reason": "unknown_engine"}},
    {"code": "OCR_FAILED", "detail": {"reason": "start"}},
    {"code": "OCR_FAILED", "detail": {"reason": "walls"}},
    {"code": "OCR_FAILED", "detail": {"reason": "engine", "type": "ModelsMissingError"}},
    {"code": "OCR_FAILED", "detail": {"reason": "engine", "type": "ModuleNotFoundError"}},
    {"code": "UPLOAD_FAILED"},
    {"code": "PAYLOAD_INVALID"},
    {"code": "INTERNAL_ERROR", "detail": {"reason": "killed"}},
    {"code": "INTERNAL_ERROR", "detail": None},
    {"code": "EXECUTOR_REJECTED"},
    {"code": "EXECUTOR_LOST", "detail": {"reason": "hang"}},
    {"code": "PACKAGING_FAILED"},
]


def kind_of_end(sql: Calls, job: dict[str, Any]) -> str:
    found: str = sql.value(
        "select kind from public.credit_ledger where job_id = %s and kind in ('settle', 'refund')", job["id"]
    )
    return found


def fail_often(sql: Calls, user: str, times: int, **changed: Any) -> list[str]:
    """As many failures of a user; how each was charged."""
    kinds = []
    for _ in range(times):
        job = sql.job(user)
        sql.fail(job, **changed)
        kinds.append(kind_of_end(sql, job))
    return kinds


# --- refunds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", OF_INPUT, ids=str)
def test_a_failure_of_the_input_is_counted_and_beyond_the_limit_charged(sql: Calls, error: dict[str, Any]) -> None:
    assert fail_often(sql, sql.user(), 3, error=error, max_failures=2) == ["refund", "refund", "settle"]


@pytest.mark.parametrize("error", OF_OURS, ids=str)
def test_a_failure_of_ours_is_refunded_however_often(sql: Calls, error: dict[str, Any]) -> None:
    user = sql.user()
    assert fail_often(sql, user, 4, error=error, max_failures=0) == ["refund"] * 4
    assert fail_often(sql, user, 1, max_failures=1) == ["refund"]  # and took no part of the limit


REFUSED: dict[str, Any] = {"code": "FETCH_FAILED", "detail": {"reason": "access_denied", "transient": False}}


def test_an_upload_that_our_own_store_refuses_us_is_refunded_however_often(sql: Calls) -> None:
    user = sql.user()
    assert fail_often(sql, user, 4, error=REFUSED, max_failures=0) == ["refund"] * 4
    assert fail_often(sql, user, 1, max_failures=1) == ["refund"]


def test_an_address_that_refuses_us_is_its_owners_failure(sql: Calls) -> None:
    user = sql.user()
    answer = sql("job_create", **new_job(user, None, sql.capacity) | {"artifact_url": "https://example.org/a.jpg"})
    job = sql.row(answer["job_id"])
    sql.fail(job, error=REFUSED, max_failures=0)
    assert kind_of_end(sql, job) == "settle"


def test_a_refused_refund_spends_one_credit_and_its_owner_is_told(sql: Calls) -> None:
    user = sql.user(2)
    first, second = sql.job(user), sql.job(user)
    sql.fail(first, max_failures=1), sql.fail(second, max_failures=1)
    account = sql("account_open", user_id=user, initial_credits=0)
    assert (account["balance"], account["reserved"]) == (1, 0)
    assert [(e["kind"], e["amount"]) for e in account["entries"][:2]] == [("settle", 0), ("refund", 1)]
    charged = {job["id"]: sql.as_user(user, "job_get", job_id=job["id"])["charged"] for job in (first, second)}
    assert charged == {first["id"]: False, second["id"]: True}


def test_only_what_was_spent_is_charged_in_the_view(sql: Calls) -> None:
    user = sql.user()
    running, done = sql.job(user), sql.job(user)
    sql.complete(done)
    view = {job["id"]: sql.as_user(user, "job_get", job_id=job["id"])["charged"] for job in (running, done)}
    assert view == {running["id"]: False, done["id"]: True}


def test_the_limit_is_of_a_day_of_utc(sql: Calls) -> None:
    user = sql.user()
    sql.advance((dt.timedelta(hours=11, minutes=59)).total_seconds())  # START is at noon
    assert fail_often(sql, user, 2, max_failures=1) == ["refund", "settle"]
    sql.advance(60)
    assert sql.now is not None
    assert (sql.now.date() - START.date()).days == 1
    assert fail_often(sql, user, 2, max_failures=1) == ["refund", "settle"]


def test_the_limit_is_of_one_user(sql: Calls) -> None:
    assert fail_often(sql, sql.user(), 2, max_failures=1) == ["refund", "settle"]
    assert fail_often(sql, sql.user(), 1, max_failures=1) == ["refund"]


def test_the_release_before_names_no_limit_and_has_none(sql: Calls) -> None:
    assert set(fail_often(sql, sql.user(30), 25)) == {"refund"}


def test_a_job_that_its_owner_cancels_or_an_operator_ends_is_refunded(sql: Calls) -> None:
    user = sql.user()
    fail_often(sql, user, 1, max_failures=0)
    sql.capacity["max_inflight"] = 0
    cancelled, ended = sql.job(user), sql.job(user)
    sql("job_delete", user_id=user, job_id=cancelled["id"], **sql.capacity)
    error = {"code": "EXECUTOR_CANCELLED", "stage": "dispatch", "message": "m", "retryable": True, "detail": None}
    sql("job_end", job_id=ended["id"], error=error, **sql.capacity)
    assert [kind_of_end(sql, job) for job in (cancelled, ended)] == ["refund", "refund"]


def test_sums_tell_refunds_from_charges(sql: Calls) -> None:
    fail_often(sql, sql.user(), 3, max_failures=1)
    sql.complete(sql.job())
    found = sql("metrics_snapshot")
    assert (found["credits"]["settled"], found["credits"]["refunded"]) == (3, 1)
    assert (found["jobs"]["completed"], found["jobs"]["failed"]) == (1, 3)


# --- one at a time ----------------------------------------------------------------------------------------------------


def test_after_three_failures_of_its_input_a_user_runs_one_job_at_a_time_that_day(sql: Calls) -> None:
    user = sql.user(9)
    fail_often(sql, user, 2)
    assert [sql.job(user)["status"] for _ in range(2)] == ["processing"] * 2
    sql.fail(sql.job(user))
    third = sql.job(user)
    assert third["status"] == "pending"
    assert sql.job()["status"] == "processing"  # of somebody else
    running = sql.rows("select id::text from public.jobs where user_id = %s and status = 'processing'", user)
    assert sql.complete(sql.row(running[0][0]))["work"]["dispatch"] is None  # one is left in flight
    assert sql.complete(sql.row(running[1][0]))["work"]["dispatch"]["job_id"] == third["id"]
    assert sql.job(user)["status"] == "pending"
    sql.advance(86_400)
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["user_id"] == user


def test_a_retry_counts_as_the_one_job(sql: Calls) -> None:
    user = sql.user(9)
    retried = sql.job(user)
    sql.fail(retried, retry=True)
    fail_often(sql, user, 3)
    sql.advance(11)
    running = sql.job(user)
    started = [sql.row(job["id"]) for job in (retried, running)]
    assert sorted(row["status"] != "pending" and not row["awaiting_dispatch"] for row in started) == [False, True]
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None


# --- uploads ----------------------------------------------------------------------------------------------------------


def removed(sql: Calls, job: dict[str, Any]) -> list[str]:
    keys: list[str] = sql.value("select keys from public.removals where job_id = %s", job["id"])
    return sorted(keys)


def test_the_upload_of_a_job_that_failed_for_good_is_removed_an_hour_later_and_once_more(sql: Calls) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    assert sql.rows("select from public.removals where job_id = %s", job["id"]) == []
    sql.advance(11)
    sql("jobs_tick", **sql.capacity)
    sql.fail(job)
    assert job["raw_path"] in removed(sql, job)
    sql.advance(3_599)
    assert handed_out(sql) == {}
    for _ in range(2):
        sql.advance(3_600)
        assert job["raw_path"] in handed_out(sql)[job["id"]]
        sql("removals_done", job_ids=[job["id"]])
    assert sql.rows("select from public.removals where job_id = %s", job["id"]) == []


def test_all_uploads_of_a_job_of_several_are_removed(sql: Calls) -> None:
    user = sql.user()
    paths = [sql.upload(user)["raw_path"] for _ in range(3)]
    several = {"raw_path": None, "raw_paths": paths, "object_bytes": None, "objects_bytes": [1124] * 3}
    job = sql.job(user, **several, portal="college-generic", slot="document-pdf")
    sql.fail(job)
    assert set(paths) <= set(removed(sql, job))


def test_the_master_that_a_job_was_made_from_is_never_removed(sql: Calls) -> None:
    user = sql.user()
    first = sql.job(user)
    sql.complete(first)
    source = f"master/{user}/{first['document_id']}/{first['document_id']}.enc"
    job = sql.job(user, upload={"raw_path": source})
    sql.fail(job)
    own = f"master/{user}/{job['document_id']}/{job['document_id']}.enc"
    assert removed(sql, job) == sorted([own, f"raw/{user}/{job['id']}/dispatch-a1.json.enc"])


def test_the_upload_of_a_cancelled_job_is_removed_too(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job()
    sql("job_delete", user_id=job["user_id"], job_id=job["id"], **sql.capacity)
    assert removed(sql, job) == [job["raw_path"]]


def test_a_job_on_a_url_that_never_started_leaves_nothing_to_remove(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job(upload={"raw_path": None}, artifact_url="https://example.org/a.jpg")
    sql("job_delete", user_id=job["user_id"], job_id=job["id"], **sql.capacity)
    assert sql.rows("select from public.removals where job_id = %s", job["id"]) == []


def test_a_completed_job_keeps_its_upload(sql: Calls) -> None:
    job = sql.job()
    sql.complete(job)
    assert sql.rows("select from public.removals where job_id = %s", job["id"]) == []
