"""What the database makes of failed attempts, of the executor's word, and of the sums."""

import pytest

from tests.support.database_calls import METRICS, Calls, new_id

ERROR = {"code": "UPLOAD_FAILED", "stage": "upload", "message": "reset", "retryable": True, "detail": {"status": 500}}


# --- failure ----------------------------------------------------------------------------------------------------------


def test_a_failure_ends_the_job_with_its_whole_error_and_a_refund(sql: Calls) -> None:
    user = sql.user(3)
    job = sql.job(user)
    assert sql.fail(job, error=ERROR)["outcome"] == "failed"
    row = sql.row(job["id"])
    assert (row["status"], row["stage"], row["error_details"], row["lease_until"]) == ("failed", "upload", ERROR, None)
    account = sql("account_open", user_id=user, initial_credits=3)
    assert (account["balance"], account["reserved"]) == (3, 0)
    assert [entry["kind"] for entry in account["entries"]] == ["refund", "reserve", "grant"]
    assert sql.rows("select from public.documents where job_id = %s", job["id"]) == []


def test_a_failure_that_a_repeat_may_mend_makes_the_next_attempt_and_charges_nothing(sql: Calls) -> None:
    job = sql.job()
    assert sql.fail(job, retry=True, error=ERROR)["outcome"] == "retrying"
    row = sql.row(job["id"])
    assert (row["status"], row["attempt"], row["stage"]) == ("processing", 2, None)
    (kept,) = row["error_details"]["attempts"]
    assert kept.pop("at") is not None
    assert kept == ERROR | {"attempt": 1}
    account = sql("account_open", user_id=job["user_id"], initial_credits=3)
    assert [entry["kind"] for entry in account["entries"]] == ["reserve", "grant"]


def test_the_last_attempt_fails_for_good_and_keeps_the_errors_before_it(sql: Calls) -> None:
    job = sql.job()
    outcomes = []
    for _ in range(3):
        outcomes.append(sql.fail(job, retry=True, error=ERROR)["outcome"])
        sql.advance(301)
        sql("jobs_tick", **sql.capacity)
    assert outcomes == ["retrying", "retrying", "failed"]
    details = sql.row(job["id"])["error_details"]
    assert [earlier["attempt"] for earlier in details.pop("attempts")] == [1, 2]
    assert details == ERROR


def test_a_success_after_a_failed_attempt_leaves_no_error(sql: Calls) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    sql.advance(60)
    sql("jobs_tick", **sql.capacity)
    sql.complete(job)
    assert sql.row(job["id"])["error_details"] is None


def test_with_one_attempt_in_all_the_first_failure_ends_the_job(sql: Calls) -> None:
    assert sql.fail(sql.job(), retry=True, max_attempts=1)["outcome"] == "failed"


@pytest.mark.parametrize("retry", [False, True])
def test_what_a_failed_attempt_took_is_kept_too(sql: Calls, retry: bool) -> None:  # noqa: FBT001  a parameter of the test
    job = sql.job()
    sql.fail(job, retry=retry, metrics=METRICS)
    assert sql.rows("select attempt, stage, cpu_ms from public.cpu_usage where job_id = %s order by 2", job["id"]) == [
        (1, "fetch", 4),
        (1, "schema", 690),
    ]


def test_a_failure_that_meets_a_held_settlement_is_busy(sql: Calls) -> None:
    job = sql.job()
    claim = sql.claim(job)["claim"]
    assert sql.fail(job) == {"outcome": "busy"}
    assert sql.fail(job, claim=new_id()) == {"outcome": "lost_claim"}
    assert sql.fail(job, claim=claim)["outcome"] == "failed"


def test_a_failure_goes_on_once_a_claim_ran_out_or_was_given_back(sql: Calls) -> None:
    for give_back in (False, True):
        job = sql.job()
        claim = sql.claim(job)["claim"]
        if give_back:
            sql("job_release_settlement", job_id=job["id"], claim=claim)
        else:
            sql.advance(60)
        assert sql.fail(job)["outcome"] == "failed"


# --- the executor's word ----------------------------------------------------------------------------------------------


def test_the_executors_word_is_kept_for_the_present_attempt_only(sql: Calls) -> None:
    job = sql.job()
    word = {"executor": "camber", "executor_ref": "12"}
    assert sql("job_submitted", job_id=job["id"], attempt=1, **word) is True
    row = sql.row(job["id"])
    assert (row["executor"], row["executor_ref"], row["submitted_at"] is None) == ("camber", "12", False)
    assert sql("job_submitted", job_id=job["id"], attempt=2, **word) is False
    assert sql("job_submitted", job_id=new_id(), attempt=1, **word) is False


def test_a_webhook_before_the_submit_returned_makes_the_executors_word_late(sql: Calls) -> None:
    for end in (sql.complete, sql.fail):
        job = sql.job()
        end(job)
        assert sql("job_submitted", job_id=job["id"], attempt=1, executor="local", executor_ref="1") is False


def test_progress_sets_the_stage_of_the_present_attempt_only(sql: Calls) -> None:
    job = sql.job()
    assert sql("job_progress", job_id=job["id"], attempt=1, stage="ocr") is True
    row = sql.row(job["id"])
    assert row["stage"] == "ocr"
    assert sql("job_progress", job_id=job["id"], attempt=1, stage="ocr") is True
    assert sql.row(job["id"]) == row  # said again, nothing is written
    assert sql("job_progress", job_id=job["id"], attempt=2, stage="schema") is False
    sql.fail(job)
    assert sql("job_progress", job_id=job["id"], attempt=1, stage="schema") is False
    assert sql.row(job["id"])["stage"] == "decode"


# --- sums -------------------------------------------------------------------------------------------------------------


def counters(sql: Calls, name: str) -> dict[str, int]:
    return {c["label"]: c["value"] for c in sql("metrics_snapshot")["counters"] if c["name"] == name}


def test_ends_failures_retries_and_refused_reports_are_counted(sql: Calls) -> None:
    completed, failed = sql.job(), sql.job()
    sql.complete(completed)
    sql.fail(failed, retry=True, error=ERROR)
    sql.fail(failed, attempt=1)
    sql.advance(60)
    sql("jobs_tick", **sql.capacity)
    sql.fail(failed, error=ERROR)
    sql.claim(completed)
    assert counters(sql, "jobs_ended") == {"completed": 1, "failed": 1}
    assert counters(sql, "failures") == {"UPLOAD_FAILED": 1}
    assert counters(sql, "retries") == {"UPLOAD_FAILED": 1}
    assert counters(sql, "webhook_results") == {"completed": 1, "failed": 1, "retrying": 1, "stale": 1, "terminal": 1}


def test_a_cancelled_job_is_no_webhooks_result(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job()
    sql("job_delete", user_id=job["user_id"], job_id=job["id"], **sql.capacity)
    assert counters(sql, "webhook_results") == {}
    assert counters(sql, "failures") == {"EXECUTOR_CANCELLED": 1}


def test_stage_times_are_counted_in_buckets_with_their_sum(sql: Calls) -> None:
    for _ in range(2):
        sql.complete(sql.job())
    assert counters(sql, "stage_wall_ms") == {"fetch|50": 2, "fetch|sum": 60, "schema|1000": 2, "schema|sum": 1400}
    assert counters(sql, "stage_cpu_ms") == {"fetch|10": 2, "fetch|sum": 8, "schema|1000": 2, "schema|sum": 1380}


def test_a_snapshot_counts_jobs_by_state_and_says_how_old_the_oldest_are(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 3
    done, failed, retried = sql.job(), sql.job(), sql.job()
    sql.complete(done), sql.fail(failed)
    sql.fail(retried, retry=True)
    running = [sql.job() for _ in range(3)]
    sql.advance(100)
    sql.job()
    sql.advance(20)
    found = sql("metrics_snapshot")
    assert found["jobs"] == {"pending": 1, "processing": 4, "completed": 1, "failed": 1}
    assert found["in_flight"] == len(running)
    assert found["oldest_pending_s"] == pytest.approx(20, abs=1)
    assert found["oldest_processing_s"] == pytest.approx(120, abs=1)
    assert found["credits"] == {"granted": 21, "reserved": 7, "settled": 1, "refunded": 1}
