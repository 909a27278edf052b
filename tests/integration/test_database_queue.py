"""Who is next: capacity, fairness, attempts that are due, leases, ticks and what they purge."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.database_calls import Calls, new_id


def fill(sql: Calls, places: int) -> list[dict[str, Any]]:
    """As many jobs in flight, each of a user of its own; the capacity is theirs from then on."""
    sql.capacity["max_inflight"] = places
    return [sql.job() for _ in range(places)]


def retrying(sql: Calls, job: dict[str, Any]) -> dict[str, Any]:
    answer = sql.fail(job, retry=True)
    assert answer["outcome"] == "retrying"
    return answer


def test_no_more_jobs_are_in_flight_than_the_executor_is_given(sql: Calls) -> None:
    fill(sql, 2)
    waiting = sql.job()
    assert waiting["status"] == "pending"
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None


@pytest.mark.parametrize("end", [Calls.complete, Calls.fail])
def test_a_job_that_ends_hands_out_the_next_one(sql: Calls, end: Callable[..., dict[str, Any]]) -> None:
    (running,) = fill(sql, 1)
    waiting = sql.job()
    assert end(sql, running)["work"]["dispatch"]["job_id"] == waiting["id"]
    assert sql.row(waiting["id"])["status"] == "processing"


def test_a_cancelled_job_hands_out_the_next_one_too(sql: Calls) -> None:
    fill(sql, 1)
    first, second = sql.job(), sql.job()
    sql.capacity["max_inflight"] = 2
    answer = sql("job_delete", user_id=first["user_id"], job_id=first["id"], **sql.capacity)
    assert answer["work"]["dispatch"]["job_id"] == second["id"]


def test_the_oldest_job_of_the_user_with_the_fewest_in_flight_is_next(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    greedy, modest = sql.user(9), sql.user(9)
    running = [sql.job(greedy), sql.job(greedy)]
    waiting_greedy = [sql.job(greedy), sql.job(greedy)]
    waiting_modest = [sql.job(modest), sql.job(modest)]
    order = []
    for _ in range(4):
        work = sql.complete(running.pop(0))["work"]
        order.append(work["dispatch"]["job_id"])
        running.append(sql.row(order[-1]))
    assert order == [job["id"] for job in (waiting_modest[0], waiting_greedy[0], waiting_modest[1], waiting_greedy[1])]


def test_among_users_who_have_as_many_in_flight_the_oldest_job_is_next(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    one, two = sql.user(9), sql.user(9)
    sql.job(one), sql.job(two)
    older, _ = sql.job(two), sql.job(one)
    sql.capacity["max_inflight"] = 3
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["job_id"] == older["id"]


def a_stranger_was_here(sql: Calls) -> str:
    """Somebody whose one job has ended."""
    sql.complete(sql.job(user := sql.user()))
    return user


def test_a_user_whom_nobody_else_has_been_near_fills_all_places(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    user = sql.user(9)
    assert [sql.job(user)["status"] for _ in range(3)] == ["processing", "processing", "pending"]


def test_while_others_were_here_lately_the_last_place_is_for_somebody_with_nothing_in_flight(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    other, user = a_stranger_was_here(sql), sql.user(9)
    assert [sql.job(user)["status"] for _ in range(3)] == ["processing", "pending", "pending"]
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None
    assert sql.job(other)["status"] == "processing"


def test_the_last_place_is_for_whoever_is_new_too(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    a_stranger_was_here(sql)
    user = sql.user(9)
    sql.job(user), sql.job(user)
    assert sql.job()["status"] == "processing"


def test_of_more_places_all_but_the_last_go_to_whoever_asks(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 4
    a_stranger_was_here(sql)
    user = sql.user(9)
    assert [sql.job(user)["status"] for _ in range(4)] == ["processing"] * 3 + ["pending"]


def test_the_last_place_is_given_when_all_who_were_here_lately_have_something_in_flight(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 3
    other, user = a_stranger_was_here(sql), sql.user(9)
    sql.job(other)
    assert [sql.job(user)["status"] for _ in range(2)] == ["processing"] * 2


def test_ten_minutes_after_everybody_else_the_last_place_is_given_too(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    a_stranger_was_here(sql)
    user = sql.user(9)
    sql.job(user), (waiting := sql.job(user))
    sql.advance(599)
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None
    sql.advance(1)
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["job_id"] == waiting["id"]


def test_the_next_call_gives_a_place_that_is_kept_no_longer(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    a_stranger_was_here(sql)
    user = sql.user(9)
    sql.job(user), (waiting := sql.job(user))
    sql.advance(600)
    assert sql.create(user)["started"]["job_id"] == waiting["id"]


def test_a_kept_place_takes_nothing_from_a_service_of_one_place(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 1
    a_stranger_was_here(sql)
    user = sql.user(9)
    first, second = sql.job(user), sql.job(user)
    assert first["status"] == "processing"
    assert sql.complete(first)["work"]["dispatch"]["job_id"] == second["id"]


@pytest.mark.parametrize("places", [2, 3])
def test_jobs_of_one_user_that_a_kept_place_holds_up_go_on_one_after_the_other(sql: Calls, places: int) -> None:
    """Nobody ticks: each end starts the next, and none is left."""
    sql.capacity["max_inflight"] = places
    a_stranger_was_here(sql)
    user = sql.user(9)
    jobs = [sql.job(user)["id"] for _ in range(7)]
    running, ended = jobs[: places - 1], []
    while running:
        ended.append(running.pop(0))
        started = sql.complete(sql.row(ended[-1]))["work"]["dispatch"]
        running += [started["job_id"]] if started is not None else []
    assert ended == jobs


def test_a_job_that_a_kept_place_holds_up_goes_on_when_the_one_before_it_is_lost(sql: Calls) -> None:
    """Whoever looks past the lease ticks: its attempt is given up, and the place goes to the one that waits."""
    sql.capacity["max_inflight"] = 2
    a_stranger_was_here(sql)
    user = sql.user(9)
    lost, waiting = sql.job(user), sql.job(user)
    assert sql.as_user(user, "job_get", job_id=waiting["id"])["overdue"] is False
    sql.advance(301)
    assert sql.as_user(user, "job_get", job_id=waiting["id"])["overdue"] is True
    assert sql("jobs_tick", **sql.capacity)["overdue"]["job_id"] == lost["id"]
    assert retrying(sql, lost)["work"]["dispatch"]["job_id"] == waiting["id"]


def test_a_retry_does_not_take_a_kept_place_either(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 3
    user = sql.user(9)
    lost, running = sql.job(user), sql.job(user)
    retrying(sql, lost)
    a_stranger_was_here(sql)
    sql.job(user)
    sql.advance(11)
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None
    assert sql.complete(running)["work"]["dispatch"]["attempt"] == 2


def test_a_job_that_a_kept_place_holds_up_is_the_next_one_and_starts_when_a_place_is_left(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 2
    a_stranger_was_here(sql)
    user = sql.user(9)
    sql.job(user), (waiting := sql.job(user))
    held_ms = sql.value("select value from public.counters where name = 'place_ms'")
    seen = sql.as_user(user, "job_get", job_id=waiting["id"])
    assert seen["queue_position"] == 1
    assert sql.now is not None
    expected_in = dt.datetime.fromisoformat(seen["expected_start_at"]) - sql.now
    assert expected_in == dt.timedelta(milliseconds=held_ms)


def test_creating_a_job_may_hand_out_an_older_one(sql: Calls) -> None:
    fill(sql, 1)
    older = sql.job()
    sql.capacity["max_inflight"] = 2
    answer = sql.create(sql.user())
    assert (answer["status"], answer["started"]["job_id"]) == ("pending", older["id"])


def test_an_attempt_waits_10_20_40_seconds_and_five_minutes_at_most(sql: Calls) -> None:
    job = sql.job()
    waits = []
    for attempt in range(1, 9):
        answer = sql.fail(job, retry=True, max_attempts=99)
        assert answer["outcome"] == "retrying"
        row = sql.row(job["id"])
        waits.append(dt.datetime.fromisoformat(row["not_before"]) - dt.datetime.fromisoformat(row["updated_at"]))
        assert (row["attempt"], row["awaiting_dispatch"], row["lease_until"]) == (attempt + 1, True, None)
        sql.advance(301)
        assert sql("jobs_tick", **sql.capacity)["dispatch"]["attempt"] == attempt + 1
    assert [wait.total_seconds() for wait in waits] == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_waiting_attempt_gives_its_place_to_others(sql: Calls) -> None:
    (running,) = fill(sql, 1)
    waiting = sql.job()
    assert retrying(sql, running)["work"]["dispatch"]["job_id"] == waiting["id"]


def due(sql: Calls, job: dict[str, Any]) -> None:
    """Let a job fail, and its next attempt be due."""
    retrying(sql, job)
    sql.advance(11)


def test_a_retry_waits_behind_those_who_waited_when_it_was_due(sql: Calls) -> None:
    first, second = fill(sql, 2)
    retrying(sql, first)
    sql.job(), (waiting := sql.job())
    sql.advance(11)
    assert sql.complete(second)["work"]["dispatch"]["job_id"] == waiting["id"]


def test_a_retry_goes_before_those_who_came_after_it_was_due(sql: Calls) -> None:
    (running,) = fill(sql, 1)
    sql.job(user := sql.user())
    retrying(sql, running)
    sql.advance(11)
    later = sql.job()
    (started,) = sql.rows("select id::text from public.jobs where user_id = %s", user)
    work = sql.complete(sql.row(started[0]))["work"]
    assert (work["dispatch"]["job_id"], work["dispatch"]["attempt"]) == (running["id"], 2)
    assert sql.row(later["id"])["status"] == "pending"


def test_a_retry_of_a_user_with_jobs_in_flight_waits_for_users_with_fewer(sql: Calls) -> None:
    sql.capacity["max_inflight"] = 3
    greedy = sql.user(9)
    running = [sql.job(greedy) for _ in range(3)]
    due(sql, running[0])
    sql.job(greedy)
    modest = sql.job()  # came last
    assert modest["status"] == "pending"
    assert sql.complete(running[1])["work"]["dispatch"]["job_id"] == modest["id"]


@pytest.mark.parametrize(("places", "most"), [(1, 1), (2, 1), (4, 2), (5, 2)])
def test_retries_take_half_of_the_places_at_most(sql: Calls, places: int, most: int) -> None:
    running = fill(sql, places)
    for job in running:
        retrying(sql, job)
    sql.advance(11)
    dispatched = [sql("jobs_tick", **sql.capacity)["dispatch"] for _ in range(places)]
    assert [work["attempt"] for work in dispatched if work is not None] == [2] * most
    if places > most:
        assert sql.job()["status"] == "processing"  # there is room for a first attempt


def test_a_retry_that_may_not_start_yet_starts_when_another_has_ended(sql: Calls) -> None:
    for job in fill(sql, 2):
        retrying(sql, job)
    sql.advance(11)
    running = sql("jobs_tick", **sql.capacity)["dispatch"]
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None
    assert sql.complete(sql.row(running["job_id"]))["work"]["dispatch"]["attempt"] == 2


def test_an_attempt_that_is_not_due_yet_is_left_alone(sql: Calls) -> None:
    job = sql.job()
    retrying(sql, job)
    sql.advance(9)
    assert sql("jobs_tick", **sql.capacity)["dispatch"] is None
    sql.advance(1)
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["job_id"] == job["id"]


def test_a_later_attempt_keeps_the_instant_that_names_its_artifacts(sql: Calls) -> None:
    job = sql.job()
    sql("job_submitted", job_id=job["id"], attempt=1, executor="local", executor_ref="7")
    retrying(sql, job)
    sql.advance(60)
    started = sql("jobs_tick", **sql.capacity)["dispatch"]
    assert (started["attempt"], started["dispatched_at"]) == (2, job["dispatched_at"])
    row = sql.row(job["id"])
    assert row["started_at"] > job["started_at"]
    assert (row["executor"], row["executor_ref"], row["submitted_at"]) == (None, None, None)


def test_a_job_past_its_lease_is_claimed_by_one_tick_for_a_minute(sql: Calls) -> None:
    job = sql.job()
    sql("job_submitted", job_id=job["id"], attempt=1, executor="local", executor_ref="7")
    assert sql("jobs_tick", **sql.capacity)["overdue"] is None
    sql.advance(300)
    overdue = sql("jobs_tick", **sql.capacity)["overdue"]
    assert (overdue["job_id"], overdue["executor"], overdue["executor_ref"]) == (job["id"], "local", "7")
    assert overdue["submitted_at"] is not None
    assert overdue["started_at"] == job["started_at"]
    assert sql("jobs_tick", **sql.capacity)["overdue"] is None
    sql.advance(60)
    assert sql("jobs_tick", **sql.capacity)["overdue"]["job_id"] == job["id"]


def test_ticks_take_the_job_that_is_overdue_the_longest(sql: Calls) -> None:
    jobs = [sql.job(), sql.job()]
    sql("job_extend", job_id=jobs[0]["id"], attempt=1, lease_s=310)
    sql.advance(320)
    found = [sql("jobs_tick", **sql.capacity)["overdue"]["job_id"] for _ in jobs]
    assert found == [jobs[1]["id"], jobs[0]["id"]]


def test_an_extended_lease_is_not_overdue(sql: Calls) -> None:
    job = sql.job()
    sql.advance(299)
    assert sql("job_extend", job_id=job["id"], attempt=1, lease_s=300) is True
    sql.advance(200)
    assert sql("jobs_tick", **sql.capacity)["overdue"] is None


def test_only_the_present_attempt_is_extended(sql: Calls) -> None:
    job = sql.job()
    assert sql("job_extend", job_id=job["id"], attempt=2, lease_s=300) is False
    assert sql("job_extend", job_id=new_id(), attempt=1, lease_s=300) is False
    retrying(sql, job)
    assert sql("job_extend", job_id=job["id"], attempt=2, lease_s=300) is False


def test_a_job_that_is_being_settled_is_not_overdue(sql: Calls) -> None:
    job = sql.job()
    sql.advance(299)
    sql.claim(job)
    sql.advance(50)
    assert sql("jobs_tick", **sql.capacity)["overdue"] is None
    sql.advance(11)
    assert sql("jobs_tick", **sql.capacity)["overdue"]["job_id"] == job["id"]


def test_a_job_that_was_started_and_never_submitted_is_overdue_like_any_other(sql: Calls) -> None:
    sql.job()
    sql.advance(301)
    overdue = sql("jobs_tick", **sql.capacity)["overdue"]
    assert (overdue["executor"], overdue["executor_ref"], overdue["submitted_at"]) == (None, None, None)


def test_a_tick_removes_uploads_that_no_job_claimed_in_a_day(sql: Calls) -> None:
    user = sql.user()
    old, claimed = sql.upload(user), sql.upload(user)
    sql.create(user, claimed)
    sql.advance(86_000)
    young = sql.upload(user)
    assert sql("jobs_tick", **sql.capacity)["purged"]["uploads"] == 0
    sql.advance(500)
    assert sql("jobs_tick", **sql.capacity)["purged"]["uploads"] == 1
    found = {u["job_id"]: sql("upload_get", user_id=user, job_id=u["job_id"])["outcome"] for u in (old, claimed, young)}
    assert list(found.values()) == ["unknown", "claimed", "found"]


def test_a_tick_removes_measurements_of_more_than_ninety_days_ago_a_few_at_a_time(sql: Calls) -> None:
    sql.connection.execute(
        "insert into public.metrics (job_id, attempt, name, value, created_at)"
        " select gen_random_uuid(), 1, 'old', 1, %s from generate_series(1, 250)",
        [sql.now],
    )
    sql.advance(90 * 86_400 - 10)
    assert sql("jobs_tick", **sql.capacity)["purged"]["metrics"] == 0
    sql.advance(10)
    sql.complete(sql.job())
    young = sql.value("select count(*) from public.metrics where name <> 'old'")
    removed = [sql("jobs_tick", **sql.capacity)["purged"]["metrics"] for _ in range(2)]
    assert removed == [50, 0]  # the settlement's own tick took the first 200
    assert sql.value("select count(*) from public.metrics") == young


def test_ticks_are_counted_and_the_last_one_is_known(sql: Calls) -> None:
    assert sql("database_health")["last_tick_at"] is None
    sql("jobs_tick", **sql.capacity)
    sql("jobs_tick", **sql.capacity)
    assert sql.value("select value from public.counters where name = 'ticks'") == 2
    assert sql.now is not None
    tick = dt.datetime.fromisoformat(sql("database_health")["last_tick_at"])
    assert sql.now - tick < dt.timedelta(seconds=1)


def test_health_knows_the_newest_migration(sql: Calls) -> None:
    newest = sql.value("select max(version) from rythmiq_ops.rythmiq_migrations")
    assert sql("database_health")["schema_version"] == newest
