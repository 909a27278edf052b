"""Limits of a user: calls, bytes of a day, and polls that wait."""

import datetime as dt
import random
from typing import Any

import pytest

from tests.support.database_calls import START, Calls, new_id, new_job

GIB = 1024**3


def post(sql: Calls, user: str, burst: int = 3, per_minute: int = 60) -> dict[str, Any]:
    """One call, as the functions behind POST take it."""
    rate: dict[str, Any] = sql("post_admit", user_id=user, burst=burst, per_minute=per_minute)["rate"]
    return rate


def asked(user: str, **changed: object) -> dict[str, Any]:
    """The arguments of `upload_create`."""
    job_id = new_id()
    return {
        "job_id": job_id,
        "user_id": user,
        "raw_path": f"raw/{user}/{job_id}/20261125T120000Z_scan.jpg.enc",
        "mime_type": "image/jpeg",
        "size_bytes": 1000,
        "kid": None,
        "wrapped_key": None,
        "created_at": START,
        "initial_credits": 3,
        **changed,
    }


# --- calls ------------------------------------------------------------------------------------------------------------


def test_a_bucket_holds_its_burst_and_then_refuses(sql: Calls) -> None:
    user = sql.user()
    answers = [post(sql, user) for _ in range(4)]
    assert [answer["is_admitted"] for answer in answers] == [True, True, True, False]
    assert [answer["remaining"] for answer in answers] == [2, 1, 0, 0]
    assert answers[0]["reset_s"] == 1
    assert (answers[3]["reset_s"], answers[3]["retry_after_s"]) == (3, 1)


def test_a_bucket_gets_a_token_in_its_time_and_no_more_than_it_holds(sql: Calls) -> None:
    user = sql.user()
    for _ in range(3):
        post(sql, user, per_minute=6)
    assert post(sql, user, per_minute=6)["retry_after_s"] == 10
    sql.advance(10)
    assert post(sql, user, per_minute=6)["is_admitted"]
    assert not post(sql, user, per_minute=6)["is_admitted"]
    sql.advance(3_600)
    assert [post(sql, user, per_minute=6)["is_admitted"] for _ in range(4)] == [True, True, True, False]


def test_a_bucket_is_one_users(sql: Calls) -> None:
    one, other = sql.user(), sql.user()
    for _ in range(4):
        post(sql, one)
    assert post(sql, other)["remaining"] == 2


@pytest.mark.parametrize("seed", range(4))
def test_no_window_admits_more_than_burst_and_rate_and_who_waits_is_admitted(sql: Calls, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  no secret
    burst, per_minute, user = draw.randint(1, 9), draw.choice([1, 7, 60, 600]), sql.user()
    admitted: list[dt.datetime] = []
    for _ in range(60):
        sql.advance(draw.choice([0, 0, draw.random(), 60 / per_minute]))
        answer = post(sql, user, burst, per_minute)
        assert sql.now is not None
        if answer["is_admitted"]:
            admitted.append(sql.now)
            assert 0 <= answer["remaining"] < burst
        elif draw.random() < 0.3:
            sql.advance(answer["retry_after_s"])
            assert post(sql, user, burst, per_minute)["is_admitted"]
            admitted.append(sql.now)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            window_s = (admitted[last] - admitted[first]).total_seconds()
            assert last - first + 1 <= burst + window_s * per_minute / 60 + 0.01


def test_a_call_that_is_refused_leaves_nothing_behind_and_may_be_sent_again(sql: Calls) -> None:
    user, limit = sql.user(), {"rate_burst": 1, "rate_per_minute": 60}
    upload = sql.upload(user)
    new = {"idempotency_key": "k", **limit}
    post(sql, user, 1)
    refused = sql.create(user, upload, **new)
    assert (refused["outcome"], refused["rate"]["is_admitted"]) == ("rate_limited", False)
    assert sql.value("select count(*) from public.jobs") == 0
    sql.advance(1)
    assert sql.create(user, upload, **new)["outcome"] == "created"
    sql.advance(1)
    again = sql.create(user, upload, **new)
    assert (again["outcome"], again["rate"]["remaining"]) == ("replayed", 0)


def test_uploads_and_their_repeats_take_tokens_of_the_same_bucket(sql: Calls) -> None:
    user, limit = sql.user(), {"rate_burst": 2, "rate_per_minute": 60}
    made = sql("upload_create", **asked(user, **limit))
    assert (made["outcome"], made["rate"]["remaining"]) == ("created", 1)
    job_id = made["upload"]["job_id"]
    found = sql("upload_get", user_id=user, job_id=job_id, **limit)
    assert (found["outcome"], found["rate"]["remaining"]) == ("found", 0)
    assert sql("upload_get", user_id=user, job_id=job_id, **limit)["outcome"] == "rate_limited"
    refused = sql("upload_create", **asked(user, **limit))
    assert (refused["outcome"], refused["upload"]) == ("rate_limited", None)
    assert sql.value("select count(*) from public.uploads") == 1


def test_a_stranger_who_asks_for_uploads_that_are_not_there_is_limited_too(sql: Calls) -> None:
    limit, user = {"rate_burst": 2, "rate_per_minute": 1}, new_id()
    outcomes = [sql("upload_get", user_id=user, job_id=new_id(), **limit)["outcome"] for _ in range(3)]
    assert outcomes == ["unknown", "unknown", "rate_limited"]
    assert sql("account_open", user_id=user, initial_credits=3)["balance"] == 3


def test_a_job_that_is_refused_for_another_reason_has_taken_a_token(sql: Calls) -> None:
    user = sql.user(0)
    refused = sql.create(user, rate_burst=5, rate_per_minute=60)
    assert (refused["outcome"], refused["rate"]["remaining"]) == ("no_credit", 4)


def written(sql: Calls, function: str, **arguments: Any) -> set[tuple[str, str]]:
    """The rows that a call inserts or changes, each once, by table and place."""

    def stored() -> set[tuple[str, str]]:
        tables = sql.rows(
            "select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        return {
            (table, place)
            for (table,) in tables
            for (place,) in sql.connection.execute(f"select ctid::text from {table}".encode())  # noqa: S608  the catalog's
        }

    before = stored()
    sql(function, **arguments)
    return stored() - before


def test_a_call_writes_one_row_for_its_limits_at_most(sql: Calls) -> None:
    limits, user = {"rate_burst": 60, "rate_per_minute": 60}, sql.user(9)
    made = written(sql, "upload_create", **asked(user), **limits, max_bytes_a_day=GIB)
    assert sorted(table for table, _ in made) == ["uploads", "user_credits"]
    sql.job(user)  # the first one also writes the rules down
    upload, other = sql.upload(user), sql.upload(user)
    found = written(sql, "upload_get", user_id=user, job_id=upload["job_id"], **limits)
    assert [table for table, _ in found] == ["user_credits"]
    free = written(sql, "job_create", **new_job(user, upload["raw_path"], sql.capacity))
    limited = written(sql, "job_create", **new_job(user, other["raw_path"], sql.capacity), **limits)
    assert sorted(table for table, _ in limited) == sorted(table for table, _ in free)  # the credits' row is among them
    assert sum(table == "user_credits" for table, _ in limited) == 1


def test_a_poll_that_waits_writes_one_row_and_one_that_may_not_none(sql: Calls) -> None:
    user = sql.user()
    for expected in (1, 1, 0):
        assert len(written(sql, "poll_enter", user_id=user, seconds=10, most=2)) == expected


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_announced_bytes_are_limited_by_the_day_whatever_becomes_of_the_uploads(sql: Calls) -> None:
    user = sql.user()
    first = sql("upload_create", **asked(user, size_bytes=GIB // 2, max_bytes_a_day=GIB))
    sql.create(user, first["upload"])
    second = sql("upload_create", **asked(user, size_bytes=GIB // 2, max_bytes_a_day=GIB))
    sql("upload_delete", user_id=user, job_id=second["upload"]["job_id"])
    refused = sql("upload_create", **asked(user, size_bytes=1, max_bytes_a_day=GIB))
    assert refused == {"outcome": "daily_limit", "upload": None}
    assert sql("upload_create", **asked(sql.user(), max_bytes_a_day=GIB))["outcome"] == "created"
    sql.advance(12 * 3_600)  # START is at noon
    assert sql("upload_create", **asked(user, size_bytes=GIB, max_bytes_a_day=GIB))["outcome"] == "created"


def test_an_upload_that_is_refused_counts_no_bytes(sql: Calls) -> None:
    user = sql.user()
    assert sql("upload_create", **asked(user, size_bytes=9, max_bytes_a_day=8))["outcome"] == "daily_limit"
    assert sql("upload_create", **asked(user, size_bytes=8, max_bytes_a_day=8))["outcome"] == "created"


def test_signing_again_counts_no_bytes(sql: Calls) -> None:
    user = sql.user()
    upload = sql("upload_create", **asked(user, size_bytes=5, max_bytes_a_day=8))["upload"]
    assert sql("upload_create", **upload, initial_credits=3, max_bytes_a_day=8)["outcome"] == "found"
    assert sql("upload_get", user_id=user, job_id=upload["job_id"])["outcome"] == "found"
    assert sql("upload_create", **asked(user, size_bytes=3, max_bytes_a_day=8))["outcome"] == "created"


def test_bytes_and_failures_of_a_day_do_not_wipe_each_other_out(sql: Calls) -> None:
    user = sql.user()
    sql("upload_create", **asked(user, size_bytes=8, max_bytes_a_day=8))
    sql.fail(sql.job(user), max_failures=1)
    assert sql("upload_create", **asked(user, max_bytes_a_day=8))["outcome"] == "daily_limit"
    job = sql.job(user)
    sql.fail(job, max_failures=1)
    assert sql.as_user(user, "job_get", job_id=job["id"])["charged"]


def test_the_release_before_has_no_limits_and_is_told_of_none(sql: Calls) -> None:
    user = sql.user()
    answer = sql("upload_create", **asked(user, size_bytes=10 * GIB))
    assert (answer["outcome"], "rate" in answer) == ("created", False)


# --- polls ------------------------------------------------------------------------------------------------------------


def enter(sql: Calls, user: str) -> str | None:
    place: str | None = sql("poll_enter", user_id=user, seconds=10, most=2)
    return place


def test_two_polls_wait_and_a_third_does_not(sql: Calls) -> None:
    user, other = sql.user(), sql.user()
    assert [enter(sql, user) is not None for _ in range(3)] == [True, True, False]
    assert enter(sql, other) is not None


def test_a_place_is_free_again_once_it_is_given_back_or_has_lapsed(sql: Calls) -> None:
    user = sql.user()
    first, _ = enter(sql, user), enter(sql, user)
    assert sql("poll_leave", user_id=user, until=first) is True
    assert enter(sql, user) is not None
    assert enter(sql, user) is None
    sql.advance(10.1)
    assert [enter(sql, user) is not None for _ in range(3)] == [True, True, False]


def test_places_that_lapse_at_the_same_instant_are_two(sql: Calls) -> None:
    user = sql.user()
    held = [START + dt.timedelta(seconds=60)] * 2
    sql.connection.execute("update public.user_credits set polls = %s where user_id = %s", [held, user])
    assert sql("poll_leave", user_id=user, until=held[0].isoformat()) is True
    assert enter(sql, user) is not None
    assert enter(sql, user) is None


def test_a_place_that_is_not_held_cannot_be_given_back(sql: Calls) -> None:
    user = sql.user()
    enter(sql, user)
    assert sql("poll_leave", user_id=user, until="2026-11-25T12:00:00Z") is False
    assert sql("poll_leave", user_id=new_id(), until="2026-11-25T12:00:00Z") is False
