"""What users read of their jobs, in their own role: one job, a list, the key; and a place in the queue."""

import datetime as dt
from typing import Any

from rythmiq.ports.jobs import JobListRow, JobRow, OperatorJob
from tests.support.database_calls import METRICS, Calls, new_id

NOTHING = {"status": None, "limit": 20, "before_at": None, "before_id": None}


def get(sql: Calls, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sql.as_user(job["user_id"], "job_get", job_id=job["id"])
    return found


def test_a_job_is_what_the_port_says_from_waiting_to_its_end(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job()
    waiting = JobRow.model_validate(get(sql, job), extra="forbid")
    assert (waiting.status, waiting.attempt, waiting.queue_position, waiting.sealed) == ("pending", 0, 1, True)
    sql.capacity["max_inflight"] = 1
    sql("jobs_tick", **sql.capacity)
    running = JobRow.model_validate(get(sql, job), extra="forbid")
    assert (running.status, running.stage, running.queue_position) == ("processing", "dispatch", None)
    assert running.row_version > waiting.row_version
    sql.complete(job)
    done = JobRow.model_validate(get(sql, job), extra="forbid")
    assert (done.status, done.conforms, done.receipt, done.metrics) == (
        "completed",
        True,
        {"conforms": True},
        METRICS,
    )
    assert (done.warnings, done.error) == (("UPSCALED: the picture was enlarged",), None)
    assert done.expires_at is not None
    assert sql.now is not None
    assert done.expires_at - sql.now == dt.timedelta(days=7)


def test_an_error_is_told_once_the_job_has_failed_and_without_those_before_it(sql: Calls) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    assert get(sql, job)["error"] is None
    sql.advance(60)
    sql("jobs_tick", **sql.capacity)
    sql.fail(job)
    assert get(sql, job)["error"] == {
        "code": "DECODE_FAILED",
        "stage": "decode",
        "message": "no",
        "retryable": False,
        "detail": None,
    }
    assert get(sql, job)["expires_at"] is None


def test_a_job_is_nobody_elses_and_is_gone_when_it_is_erased(sql: Calls) -> None:
    job = sql.job()
    assert sql.as_user(sql.user(), "job_get", job_id=job["id"]) is None
    assert sql.as_user(job["user_id"], "job_get", job_id=new_id()) is None
    sql.complete(job)
    sql("job_erase", user_id=job["user_id"], job_id=job["id"])
    assert get(sql, job) is None
    assert sql.as_user(job["user_id"], "jobs_list", **NOTHING) == []


def test_a_job_whose_lease_has_passed_or_whose_attempt_is_due_says_that_a_tick_would_help(sql: Calls) -> None:
    job = sql.job()
    assert get(sql, job)["overdue"] is False
    sql.advance(301)
    assert get(sql, job)["overdue"] is True
    sql.fail(job, retry=True)
    assert get(sql, job)["overdue"] is False
    sql.advance(11)
    assert get(sql, job)["overdue"] is True
    sql.fail(sql.job())
    assert get(sql, job)["overdue"] is False  # the tick of the other one's failure has started it


def test_a_waiting_job_says_so_too_when_another_one_holds_its_place_past_the_lease(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 1
    sql.job()
    waiting = sql.job()
    assert get(sql, waiting)["overdue"] is False
    sql.advance(301)
    assert get(sql, waiting)["overdue"] is True


def test_a_waiting_job_says_so_when_nothing_is_in_flight_that_would_go_on_with_it(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    waiting = sql.job()
    assert get(sql, waiting)["overdue"] is True
    sql.capacity["max_inflight"] = 1
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["job_id"] == waiting["id"]


def test_places_in_the_queue_follow_the_fair_order(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    greedy, modest = sql.user(9), sql.user(9)
    running = [sql.job(greedy), sql.job(greedy)]
    jobs = [sql.job(greedy), sql.job(greedy), sql.job(modest), sql.job(modest)]
    waiting = {job["id"]: job for job in jobs}
    while waiting:
        places = {job_id: get(sql, job)["queue_position"] for job_id, job in waiting.items()}
        assert sorted(places.values()) == list(range(1, len(waiting) + 1))
        started = sql.complete(running.pop(0))["work"]["dispatch"]["job_id"]
        assert places[started] <= 2  # a place is an estimate: who gives up the next one is not known yet
        running.append(waiting.pop(started))


def test_a_place_in_the_queue_is_told_to_the_owner_alone(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 0
    job = sql.job()
    assert sql.as_user(job["user_id"], "queue_state", job_id=job["id"])["position"] == 1
    assert sql.as_user(new_id(), "queue_state", job_id=job["id"]) is None


def test_a_list_is_newest_first_and_goes_on_after_the_last_line_of_a_page(sql: Calls) -> None:
    user = sql.user(30)
    made = [sql.job(user)["id"] for _ in range(7)]
    sql.job()
    seen: list[str] = []
    before: dict[str, object] = {"before_at": None, "before_id": None}
    for _ in range(3):
        page = sql.as_user(user, "jobs_list", status=None, limit=3, **before)
        lines = [JobListRow.model_validate(line, extra="forbid") for line in page]
        seen += [line.job_id for line in lines]
        before = {"before_at": lines[-1].created_at, "before_id": lines[-1].job_id}
    assert seen == made[::-1]
    assert sql.as_user(user, "jobs_list", status=None, limit=3, **before) == []


def test_jobs_of_the_same_instant_are_neither_skipped_nor_repeated(sql: Calls) -> None:
    user = sql.user(30)
    upload = [sql.upload(user) for _ in range(5)]
    sql.now = None  # the clock stands still
    made = {sql.create(user, source)["job_id"] for source in upload}
    seen: list[str] = []
    before: dict[str, object] = {"before_at": None, "before_id": None}
    for _ in range(3):
        page = sql.as_user(user, "jobs_list", status=None, limit=2, **before)
        seen += [line["job_id"] for line in page]
        before = {"before_at": page[-1]["created_at"], "before_id": page[-1]["job_id"]}
    assert len(seen) == 5
    assert set(seen) == made


def test_a_list_of_one_status_holds_no_other(sql: Calls) -> None:
    user = sql.user(9)
    failed, done = sql.job(user), sql.job(user)
    sql.job(user)
    sql.fail(failed), sql.complete(done)
    (line,) = sql.as_user(user, "jobs_list", **NOTHING | {"status": "failed"})
    assert (line["job_id"], line["error_code"]) == (failed["id"], "DECODE_FAILED")
    (line,) = sql.as_user(user, "jobs_list", **NOTHING | {"status": "completed"})
    assert (line["job_id"], line["error_code"]) == (done["id"], None)


def test_a_jobs_key_is_for_its_owner_until_it_is_erased(sql: Calls) -> None:
    job = sql.job()
    key = {"kid": 1, "wrapped_key": job["wrapped_key"]}
    assert sql("job_key", user_id=job["user_id"], job_id=job["id"]) == key
    assert sql("job_key", user_id=new_id(), job_id=job["id"]) is None
    sql.fail(job)
    sql("job_erase", user_id=job["user_id"], job_id=job["id"])
    assert sql("job_key", user_id=job["user_id"], job_id=job["id"]) is None


def test_an_operator_finds_jobs_of_anybody_newest_first(sql: Calls) -> None:
    one, two = sql.user(9), sql.user(9)
    first, second, third = sql.job(one), sql.job(two), sql.job(one)
    sql.fail(first)

    def search(status: str | None = None, user_id: str | None = None, limit: int = 10) -> list[str]:
        found = sql("jobs_search", status=status, user_id=user_id, limit=limit)
        return [OperatorJob.model_validate(job, extra="forbid").job_id for job in found]

    assert search() == [third["id"], second["id"], first["id"]]
    assert search(limit=1) == [third["id"]]
    assert search(status="processing") == [third["id"], second["id"]]
    assert search(status="failed") == [first["id"]]
    assert search(user_id=one) == [third["id"], first["id"]]
    assert search(status="processing", user_id=one) == [third["id"]]
    assert search(status="pending") == []


def test_an_operator_sees_one_job_of_anybody(sql: Calls) -> None:
    job = sql.job()
    found = OperatorJob.model_validate(sql("job_inspect", job_id=job["id"]), extra="forbid")
    assert (found.job_id, found.user_id, found.status) == (job["id"], job["user_id"], "processing")
    assert sql("job_inspect", job_id=new_id()) is None
