"""How an attempt ends: every outcome of claiming, finishing and failing, and what it leaves behind."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from tests.support.database_calls import METRICS, Calls, failure, finish, new_id

ERROR = {"code": "UPLOAD_FAILED", "stage": "upload", "message": "reset", "retryable": True, "detail": {"status": 500}}


class Report(Protocol):
    """One of the three ways in which the end of an attempt is reported."""

    __name__: str

    def __call__(self, sql: Calls, job: dict[str, Any], attempt: int | None, /) -> dict[str, Any]: ...


def claims(sql: Calls, job: dict[str, Any], attempt: int | None) -> dict[str, Any]:
    return sql.claim(job, attempt=attempt)


def fails(sql: Calls, job: dict[str, Any], attempt: int | None) -> dict[str, Any]:
    return sql.fail(job, attempt=attempt)


def finishes(sql: Calls, job: dict[str, Any], attempt: int | None) -> dict[str, Any]:
    return sql.finish(job, new_id(), attempt=attempt)


REPORTS = pytest.mark.parametrize("report", [claims, fails, finishes])


@REPORTS
def test_a_report_about_no_job_is_unknown(sql: Calls, report: Report) -> None:
    nobody = {"id": new_id(), "user_id": new_id(), "document_id": new_id()}
    if report is claims:
        about = {"user_id": new_id(), "document_id": new_id(), "claim_s": 60}
        assert sql("job_claim_settlement", job_id=new_id(), attempt=1, **about)["outcome"] == "unknown"
    elif report is fails:
        assert sql("job_fail_attempt", **failure(nobody))["outcome"] == "unknown"
    else:
        assert sql("job_finish", **finish(nobody, new_id()))["outcome"] == "unknown"


@REPORTS
@pytest.mark.parametrize("end", [Calls.complete, Calls.fail])
def test_a_report_about_a_job_that_has_ended_changes_nothing(
    sql: Calls, report: Report, end: Callable[..., dict[str, Any]]
) -> None:
    job = sql.job()
    end(sql, job)
    row, account = sql.row(job["id"]), sql("account_open", user_id=job["user_id"], initial_credits=3)
    for attempt in (None, 1, 2):
        assert report(sql, job, attempt)["outcome"] == "terminal"
    assert sql.row(job["id"]) == row
    assert sql("account_open", user_id=job["user_id"], initial_credits=3) == account


@REPORTS
def test_a_report_about_a_waiting_job_comes_too_early(sql: Calls, report: Report) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job()
    assert report(sql, job, 1)["outcome"] == "pending"
    assert sql.row(job["id"]) == job


@REPORTS
def test_a_report_about_an_earlier_attempt_is_stale(sql: Calls, report: Report) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    assert report(sql, job, 1)["outcome"] == "stale"
    sql.advance(60)
    sql("jobs_tick", **sql.capacity)
    assert report(sql, job, 1)["outcome"] == "stale"


@REPORTS
def test_a_report_about_an_attempt_that_was_not_started_is_of_the_future(sql: Calls, report: Report) -> None:
    job = sql.job()
    assert report(sql, job, 2)["outcome"] == "future"
    sql.fail(job, retry=True)
    assert report(sql, job, 2)["outcome"] == "future"


@REPORTS
def test_a_report_without_an_attempt_means_the_first(sql: Calls, report: Report) -> None:
    job = sql.job()
    expected = {"claims": "claimed", "fails": "failed", "finishes": "lost_claim"}
    assert report(sql, job, None)["outcome"] == expected[report.__name__]


@REPORTS
def test_a_report_without_an_attempt_is_stale_once_there_was_a_second(sql: Calls, report: Report) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    sql.advance(60)
    sql("jobs_tick", **sql.capacity)
    assert report(sql, job, None)["outcome"] == "stale"


# --- the claim --------------------------------------------------------------------------------------------------------


def test_a_claim_hands_out_what_packaging_needs(sql: Calls) -> None:
    job = sql.job()
    answer = sql.claim(job)
    assert answer["outcome"] == "claimed"
    told = answer["job"]
    assert {name: told[name] for name in ("job_id", "user_id", "document_id", "attempt")} == {
        "job_id": job["id"],
        "user_id": job["user_id"],
        "document_id": job["document_id"],
        "attempt": 1,
    }
    assert (told["created_at"], told["dispatched_at"]) == (job["created_at"], job["dispatched_at"])
    assert (told["kid"], told["wrapped_key"], told["artifact_names_sealed"]) == (1, job["wrapped_key"], True)
    assert (told["packaging_failures"], sql.row(job["id"])["stage"]) == (0, "package")


@pytest.mark.parametrize("name", ["user_id", "document_id"])
@pytest.mark.parametrize("ended", [False, True])
def test_keys_of_another_user_or_document_are_foreign_whatever_the_state(sql: Calls, name: str, ended: bool) -> None:  # noqa: FBT001  a parameter of the test
    job = sql.job()
    if ended:
        sql.complete(job)
    assert sql.claim(job, **{name: new_id()}) == {"outcome": "foreign_keys"}


def test_a_settlement_that_is_claimed_is_busy_until_the_claim_runs_out(sql: Calls) -> None:
    job = sql.job()
    first = sql.claim(job)
    assert sql.claim(job) == {"outcome": "busy"}
    sql.advance(60)
    second = sql.claim(job)
    assert second["outcome"] == "claimed"
    assert sql.finish(job, first["claim"])["outcome"] == "lost_claim"
    assert sql.finish(job, second["claim"])["outcome"] == "completed"


def test_a_claim_that_ran_out_still_settles_when_nobody_else_took_it(sql: Calls) -> None:
    job = sql.job()
    claim = sql.claim(job)["claim"]
    sql.advance(61)
    assert sql.finish(job, claim)["outcome"] == "completed"


@pytest.mark.parametrize("claim", [None, "no claim at all"])
def test_nothing_settles_without_its_claim(sql: Calls, claim: str | None) -> None:
    job = sql.job()
    assert sql.finish(job, claim)["outcome"] == "lost_claim"
    sql.claim(job)
    assert sql.finish(job, claim)["outcome"] == "lost_claim"
    assert sql.row(job["id"])["status"] == "processing"


def test_packaging_trouble_gives_the_claim_back_and_is_counted(sql: Calls) -> None:
    job = sql.job()
    for failures in (1, 2):
        claim = sql.claim(job)["claim"]
        assert sql("job_release_settlement", job_id=job["id"], claim=claim) == failures
    assert sql.claim(job)["job"]["packaging_failures"] == 2


def test_whoever_dies_of_packaging_is_counted_when_the_next_one_claims(sql: Calls) -> None:
    job = sql.job()
    sql.claim(job)
    sql.advance(60)
    assert sql.claim(job)["job"]["packaging_failures"] == 1


def test_a_claim_that_was_lost_cannot_be_given_back(sql: Calls) -> None:
    job = sql.job()
    mine = sql.claim(job)["claim"]
    sql.advance(60)
    theirs = sql.claim(job)["claim"]
    failures = sql.row(job["id"])["packaging_failures"]
    assert sql("job_release_settlement", job_id=job["id"], claim=mine) == failures
    assert sql.finish(job, theirs)["outcome"] == "completed"


# --- success ----------------------------------------------------------------------------------------------------------


def test_a_success_completes_the_job_and_settles_its_credit_once(sql: Calls) -> None:
    user = sql.user(3)
    job = sql.job(user)
    sql.complete(job)
    row = sql.row(job["id"])
    assert (row["status"], row["stage"], row["quality_score"], row["conforms"]) == ("completed", None, 0.87, True)
    assert (row["lease_until"], row["claim"], row["error_details"]) == (None, None, None)
    account = sql("account_open", user_id=user, initial_credits=3)
    assert (account["balance"], account["reserved"]) == (2, 0)
    assert [(entry["kind"], entry["amount"]) for entry in account["entries"]] == [
        ("settle", 0),
        ("reserve", -1),
        ("grant", 3),
    ]
    assert sql.rows("select user_id::text, document_id::text from public.documents where job_id = %s", job["id"]) == [
        (user, job["document_id"])
    ]


def test_a_success_of_the_api_of_the_release_before_advises_nothing(sql: Calls) -> None:
    job = sql.job()
    claim = sql.claim(job)["claim"]
    arguments = finish(job, claim, sql.capacity)
    assert "advice" not in arguments
    assert sql("job_finish", **arguments)["outcome"] == "completed"
    assert sql.row(job["id"])["advice"] == []


def test_a_success_keeps_the_cpu_time_of_each_stage_and_what_was_measured(sql: Calls) -> None:
    job = sql.job()
    sql.advance(10)
    sql.complete(job)
    assert sql.rows("select attempt, stage, cpu_ms from public.cpu_usage where job_id = %s order by 2", job["id"]) == [
        (1, "fetch", 4),
        (1, "schema", 690),
    ]
    measured = dict(sql.rows("select name, value from public.metrics where job_id = %s", job["id"]))
    assert measured.pop("total_ms") >= 10_000
    assert measured == {
        "quality_score": 0.87,
        "queued_ms": 0,
        "processing_ms": 900,
        "encodes": 5,
        "stage_wall_ms.fetch": 30,
        "stage_wall_ms.schema": 700,
        "stage_cpu_ms.fetch": 4,
        "stage_cpu_ms.schema": 690,
    }


def test_stage_times_that_no_clock_gives_do_not_stop_a_settlement(sql: Calls) -> None:
    job = sql.job()
    stages = [
        {"stage": "ocr", "wall_ms": 10**40, "cpu_ms": -5},
        {"stage": "ocr", "wall_ms": 1, "cpu_ms": 2},
        {"stage": "upload", "wall_ms": None},
    ]
    claim = sql.claim(job)["claim"]
    done = sql.finish(job, claim, metrics={"stages": stages, "processing_ms": 10**400, "encodes": True})
    assert done["outcome"] == "completed"
    assert sql.rows("select stage, cpu_ms from public.cpu_usage where job_id = %s order by 1", job["id"]) == [
        ("ocr", 2),
        ("upload", 0),
    ]


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
