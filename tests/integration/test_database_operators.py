"""What an operator does about a job that hangs, and what a client is told of the time that it waits."""

import datetime as dt
from typing import Any

import pytest

from tests.support.database_calls import START, Calls

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
