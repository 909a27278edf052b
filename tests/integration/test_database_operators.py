"""What an operator does about a job that hangs and what is written down of it; what a client is told of its wait."""

import datetime as dt
from typing import Any

import psycopg
import psycopg.sql
import pytest

from tests.support.database_calls import START, Calls, new_id
from tests.support.erased_accounts import account, erase

__all__ = ["account"]

ERROR: dict[str, Any] = {
    "code": "EXECUTOR_LOST", "stage": "dispatch", "message": "an operator", "retryable": True, "detail": None,
}  # fmt: skip
NO_ROOM = {"max_inflight": 0, "lease_s": 300, "max_attempts": 3}


def retry(sql: Calls, job: dict[str, Any], attempt: int) -> Any:
    return sql("job_retry_now", job_id=job["id"], attempt=attempt, error=ERROR, **NO_ROOM)["outcome"]


def end(sql: Calls, job_id: str) -> Any:
    return sql("job_end", job_id=job_id, error=ERROR, **NO_ROOM)["outcome"]


def ledger(sql: Calls, job: dict[str, Any]) -> list[str]:
    rows = sql.rows("select kind from public.credit_ledger where job_id = %s order by id", job["id"])
    return [kind for (kind,) in rows]


# --- retry ------------------------------------------------------------------------------------------------------------


def test_a_retry_gives_the_attempt_up_and_the_next_tick_starts_another(sql: Calls) -> None:
    """Without the pause that a failure brings."""
    job = sql.job()
    assert retry(sql, job, 1) == "retrying"
    started = sql("jobs_tick", **sql.capacity)["dispatch"]
    assert (started["job_id"], started["attempt"]) == (job["id"], 2)
    assert sql.claim(job, attempt=1)["outcome"] == "stale"


def test_a_retry_of_an_attempt_that_waits_ends_the_waiting(sql: Calls) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None
    assert retry(sql, job, 2) == "retrying"
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["attempt"] == 2


def test_a_retry_without_attempts_left_fails_the_job_with_a_refund(sql: Calls) -> None:
    job = sql.job()
    for attempt in (1, 2):
        assert retry(sql, job, attempt) == "retrying"
        sql("jobs_tick", **sql.capacity)
    assert retry(sql, job, 3) == "failed"
    assert ledger(sql, job) == ["reserve", "refund"]


def test_a_retry_changes_nothing_of_another_attempt_or_an_end(sql: Calls) -> None:
    job = sql.job()
    assert retry(sql, job, 2) == "future"
    assert retry(sql, job, 1) == "retrying"
    sql("jobs_tick", **sql.capacity)
    assert retry(sql, job, 1) == "stale"
    sql.complete(job)
    assert retry(sql, job, 2) == "terminal"


def test_a_retry_waits_for_whoever_is_settling(sql: Calls) -> None:
    job = sql.job()
    sql.claim(job)
    assert retry(sql, job, 1) == "busy"


# --- fail -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "in_flight", "awaiting"])
def test_a_job_is_ended_wherever_it_is_on_its_way(sql: Calls, state: str) -> None:
    if state == "pending":
        sql.capacity = NO_ROOM
    job = sql.job()
    if state == "awaiting":
        sql.fail(job, retry=True)
    assert sql.value("select state from public.queue where job_id = %s", job["id"]) == state
    assert end(sql, job["id"]) == "failed"
    row = sql.row(job["id"])
    assert (row["status"], row["error_details"]["code"]) == ("failed", "EXECUTOR_LOST")
    assert ledger(sql, job) == ["reserve", "refund"]
    assert end(sql, job["id"]) == "terminal"


def test_a_job_that_is_being_settled_or_is_unknown_is_not_ended(sql: Calls) -> None:
    job = sql.job()
    sql.claim(job)
    assert end(sql, job["id"]) == "busy"
    assert end(sql, "00000000-0000-4000-8000-000000000000") == "unknown"


# --- the time that a job waits ----------------------------------------------------------------------------------------


def waiting(sql: Calls, user_id: str, job_id: str) -> tuple[Any, Any]:
    seen = sql.as_user(user_id, "job_get", job_id=job_id)
    return seen["queue_position"], seen["expected_start_at"]


def test_nobody_is_promised_a_start_before_anything_was_measured(sql: Calls) -> None:
    user_id = sql.user()
    sql.capacity["max_inflight"] = 1
    sql.job(user_id)
    assert waiting(sql, user_id, sql.job(user_id)["id"]) == (1, None)


def test_a_waiting_job_is_expected_to_start_when_the_places_before_it_are_free(sql: Calls) -> None:
    """Twenty seconds a place, two places: the third that waits starts in thirty."""
    user_id = sql.user(10)
    sql.capacity["max_inflight"] = 2
    for _ in range(2):
        job = sql.job(user_id)
        sql.advance(20)
        sql.complete(job)
    jobs = [sql.job(user_id) for _ in range(5)]
    place, start = waiting(sql, user_id, jobs[-1]["id"])
    assert place == 3
    assert sql.now is not None
    left_s = (dt.datetime.fromisoformat(start) - sql.now).total_seconds()
    assert left_s == pytest.approx(30, abs=0.1)


def test_what_is_expected_follows_what_was_measured_last(sql: Calls) -> None:
    """An eighth of the way at each end; a wait for a retry holds no place."""
    user_id = sql.user(10)
    for seconds in (8, 16):
        job = sql.job(user_id)
        sql.advance(seconds)
        sql.complete(job)
    held_ms = sql.value("select value from public.counters where name = 'place_ms'")
    assert held_ms == pytest.approx(9_000, abs=50)
    assert sql.now is not None
    assert sql.now > START


# --- what operators did -----------------------------------------------------------------------------------------------


def test_each_act_of_an_operator_is_written_down_with_who_and_whom(sql: Calls) -> None:
    user = sql.user()
    sql("operator_credits_grant", user_id=user, amount=2, actor="asha@desk")
    job, other = sql.job(user), sql.job(user)
    error = {"code": "EXECUTOR_LOST", "stage": "dispatch", "message": "x", "retryable": True, "detail": None}
    sql("operator_job_retry", job_id=job["id"], attempt=1, error=error, actor="asha@desk", **sql.capacity)
    sql("operator_job_end", job_id=other["id"], error=error, actor="asha@desk", **sql.capacity)
    sql("account_export", user_id=user, actor="asha@desk")
    events = sql("operator_events_list", limit=10)
    assert [(event["act"], event["user_id"], event["job_id"]) for event in events] == [
        ("account.export", user, None),
        ("job.end", user, other["id"]),
        ("job.retry", user, job["id"]),
        ("credits.grant", user, None),
    ]
    assert {event["actor"] for event in events} == {"asha@desk"}
    assert events[3]["details"] == {"amount": 2}
    assert events[2]["details"] == {"attempt": 1, "outcome": "retrying"}
    assert len(sql("operator_events_list", limit=2)) == 2


def test_an_act_that_changed_nothing_is_not_written_down(sql: Calls) -> None:
    job = sql.job()
    sql.complete(job)
    error = {"code": "EXECUTOR_LOST", "stage": "dispatch", "message": "x", "retryable": True, "detail": None}
    sql("operator_job_retry", job_id=job["id"], attempt=1, error=error, actor="a", **sql.capacity)
    sql("operator_job_end", job_id=job["id"], error=error, actor="a", **sql.capacity)
    with pytest.raises(psycopg.errors.CheckViolation), sql.connection.transaction():
        sql("operator_credits_grant", user_id=job["user_id"], amount=-1, actor="a")
    assert sql("operator_events_list", limit=10) == []


def test_an_erasure_by_an_operator_is_written_down_without_the_account(sql: Calls, account: dict[str, Any]) -> None:
    sql("operator_credits_grant", user_id=account["user"], amount=2, actor="asha@desk")
    answer = erase(sql, account["user"], actor="asha@desk")
    erased, granted = sql("operator_events_list", limit=10)
    assert (erased["act"], erased["user_id"], erased["details"]["receipt_id"]) == (
        "account.erase",
        None,
        answer["receipt_id"],
    )
    assert granted["user_id"] == sql.row(account["jobs"][0])["user_id"]


def test_an_erasure_by_the_owner_is_no_act_of_an_operator(sql: Calls) -> None:
    erase(sql, sql.user())
    assert sql("operator_events_list", limit=10) == []


def test_an_export_has_every_row_of_the_account_and_no_data_key(sql: Calls, account: dict[str, Any]) -> None:
    export = sql("account_export", user_id=account["user"], actor="asha@desk")
    assert {job["id"] for job in export["jobs"]} == {*account["jobs"], account["tombstone"]}
    assert account["upload"]["raw_path"] in str(export["uploads"])
    assert len(export["credit_ledger"]) == sql.value(
        "select count(*) from public.credit_ledger where user_id = %s", account["user"]
    )
    assert export["credits"]["balance"] == 5
    assert [document["job_id"] for document in export["documents"]] == [account["completed"]["id"]]
    assert [event["act"] for event in export["operator_events"]] == ["account.export"]
    assert "wrapped_key" not in str(export)
    assert new_id() not in str(export)
