"""How an attempt ends: every outcome of claiming, finishing and failing, and what it leaves behind."""

from collections.abc import Callable
from typing import Any, Protocol

import pytest

from tests.support.database_calls import Calls, failure, finish, new_id


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
