"""Many at once, on real connections: each thing happens exactly once, and nobody waits for nobody."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support.database_calls import CAPACITY, Calls, call, failure, finish, new_id, new_job
from tests.support.database_invariants import broken_invariants

Work = Callable[[psycopg.Connection[Any]], Any]
ONE_AT_A_TIME = {**CAPACITY, "max_inflight": 1}
NO_ROOM = {**CAPACITY, "max_inflight": 0}
MUCH_ROOM = {**CAPACITY, "max_inflight": 100}


def at_once(url: str, work: Sequence[Work]) -> list[Any]:
    """What each answers; each on a connection of its own, all let go at the same moment."""
    gate = threading.Barrier(len(work))

    def run(one: Work) -> Any:
        with psycopg.connect(url, autocommit=True) as connection:
            gate.wait()
            return one(connection)

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


@pytest.fixture
def calls(fresh_database_url: str) -> Any:
    """A connection to look with, before and after; every invariant holds in the end."""
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:
        yield Calls(connection)
        assert broken_invariants(connection) == []


def entries(calls: Calls, kind: str) -> int:
    found: int = calls.value("select count(*) from public.credit_ledger where kind = %s", kind)
    return found


@pytest.mark.parametrize("by", ["key", "upload"])
def test_twenty_equal_creates_make_one_job(calls: Calls, fresh_database_url: str, by: str) -> None:
    user = calls.user(3)
    upload = calls.upload(user)
    arguments = new_job(user, upload["raw_path"]) | {"idempotency_key": "k" if by == "key" else None}
    answers = at_once(fresh_database_url, [lambda c: call(c, "job_create", **arguments | _ids())] * 20)
    assert Counter(answer["outcome"] for answer in answers) == {"created": 1, "replayed": 19}
    assert {answer["job_id"] for answer in answers} == {upload["job_id"]}
    assert entries(calls, "reserve") == 1


def test_twenty_equal_creates_of_a_user_whom_nobody_knew_grant_once(calls: Calls, fresh_database_url: str) -> None:
    arguments = new_job(new_id(), None) | {"artifact_url": "https://example.org/a.jpg", "idempotency_key": "k"}
    answers = at_once(fresh_database_url, [lambda c: call(c, "job_create", **arguments | _ids())] * 20)
    assert Counter(answer["outcome"] for answer in answers) == {"created": 1, "replayed": 19}
    assert (entries(calls, "grant"), entries(calls, "reserve")) == (1, 1)


def test_twenty_calls_of_a_guest_who_has_linked_grant_the_difference_once(
    calls: Calls, fresh_database_url: str
) -> None:
    user = new_id()
    calls("account_open", user_id=user, initial_credits=1, is_guest=True)
    arguments: dict[str, Any] = {"user_id": user, "initial_credits": 3}
    answers = at_once(fresh_database_url, [lambda c: call(c, "account_open", **arguments)] * 20)
    assert {answer["balance"] for answer in answers} == {3}
    assert entries(calls, "grant") == 2


def test_forty_posts_at_once_take_what_the_bucket_holds(calls: Calls, fresh_database_url: str) -> None:
    arguments: dict[str, Any] = {"user_id": calls.user(), "burst": 10, "per_minute": 1}
    answers = at_once(fresh_database_url, [lambda c: call(c, "post_admit", **arguments)] * 40)
    assert sum(answer["rate"]["is_admitted"] for answer in answers) == 10


def test_ten_polls_at_once_take_two_places(calls: Calls, fresh_database_url: str) -> None:
    arguments: dict[str, Any] = {"user_id": calls.user(), "seconds": 60, "most": 2}
    answers = at_once(fresh_database_url, [lambda c: call(c, "poll_enter", **arguments)] * 10)
    assert sum(answer is not None for answer in answers) == 2


def test_twenty_failures_at_once_are_refunded_up_to_the_limit(calls: Calls, fresh_database_url: str) -> None:
    user = calls.user(20)
    jobs = [calls.job(user, **MUCH_ROOM) for _ in range(20)]
    work = [(lambda c, j=job: call(c, "job_fail_attempt", **failure(j, MUCH_ROOM), max_failures=7)) for job in jobs]
    at_once(fresh_database_url, work)
    assert (entries(calls, "refund"), entries(calls, "settle")) == (7, 13)


def test_twenty_creates_on_four_credits_make_four_jobs(calls: Calls, fresh_database_url: str) -> None:
    user = calls.user(4)
    uploads = [calls.upload(user) for _ in range(20)]
    work = [_create(new_job(user, upload["raw_path"], MUCH_ROOM)) for upload in uploads]
    answers = at_once(fresh_database_url, work)
    assert Counter(answer["outcome"] for answer in answers) == {"created": 4, "no_credit": 16}
    account = calls("account_open", user_id=user, initial_credits=4)
    assert (account["balance"], account["reserved"]) == (0, 4)


def test_creates_at_once_stay_within_the_active_jobs_and_the_executors_capacity(
    calls: Calls, fresh_database_url: str
) -> None:
    user = calls.user(50)
    uploads = [calls.upload(user) for _ in range(20)]
    work = [_create(new_job(user, upload["raw_path"]) | {"max_active_jobs": 7}) for upload in uploads]
    answers = at_once(fresh_database_url, work)
    assert Counter(answer["outcome"] for answer in answers) == {"created": 7, "too_many_jobs": 13}
    assert calls("metrics_snapshot")["jobs"] == {"pending": 3, "processing": 4, "completed": 0, "failed": 0}


def test_many_users_at_once_fill_the_executor_and_never_flood_it(calls: Calls, fresh_database_url: str) -> None:
    users = [calls.user(3) for _ in range(30)]
    work = [_create(new_job(user, calls.upload(user)["raw_path"])) for user in users]
    answers = at_once(fresh_database_url, work)
    started = [answer["started"]["job_id"] for answer in answers if answer["started"]]
    assert len(started) == len(set(started)) == CAPACITY["max_inflight"]


@pytest.mark.parametrize("seed", range(3))
def test_fifty_reports_of_success_and_failure_end_a_job_once(calls: Calls, fresh_database_url: str, seed: int) -> None:
    job = calls.job()
    reports = [_settle(job), _fail(job, retry=False)] * 25
    random.Random(seed).shuffle(reports)  # noqa: S311  an order, not a secret
    outcomes = Counter(at_once(fresh_database_url, reports))
    assert outcomes["completed"] + outcomes["failed"] == 1
    assert set(outcomes) <= {"completed", "failed", "terminal", "busy"}
    assert entries(calls, "settle") + entries(calls, "refund") == 1
    assert calls.value("select count(*) from public.documents") == outcomes["completed"]
    assert calls.value("select count(*) from public.cpu_usage") == 2 * outcomes["completed"]


def test_one_claim_that_is_shown_twenty_times_settles_once(calls: Calls, fresh_database_url: str) -> None:
    """A client that lost the answer asks again, perhaps before the first call has ended."""
    job = calls.job()
    shown = finish(job, calls.claim(job)["claim"])
    answers = at_once(fresh_database_url, [lambda c: call(c, "job_finish", **shown)] * 20)
    assert Counter(answer["outcome"] for answer in answers) == {"completed": 1, "terminal": 19}


def test_fifty_failures_that_a_repeat_may_mend_make_one_next_attempt(calls: Calls, fresh_database_url: str) -> None:
    job = calls.job()
    outcomes = Counter(at_once(fresh_database_url, [_fail(job, retry=True)] * 50))
    assert outcomes == {"retrying": 1, "stale": 49}
    assert calls.row(job["id"])["attempt"] == 2


def test_five_ticks_claim_one_overdue_job_once(calls: Calls, fresh_database_url: str) -> None:
    job = calls.job()
    calls.connection.execute("update public.jobs set lease_until = now() - interval '1 s' where id = %s", [job["id"]])
    answers = at_once(fresh_database_url, [_tick(CAPACITY)] * 5)
    assert [answer["overdue"]["job_id"] for answer in answers if answer["overdue"]] == [job["id"]]


def test_five_ticks_start_one_waiting_job_once(calls: Calls, fresh_database_url: str) -> None:
    calls.capacity = dict(NO_ROOM)
    job = calls.job()
    answers = at_once(fresh_database_url, [_tick(ONE_AT_A_TIME)] * 5)
    assert [answer["dispatch"]["job_id"] for answer in answers if answer["dispatch"]] == [job["id"]]


def test_a_place_that_is_freed_while_jobs_are_queued_is_never_overlooked(calls: Calls, fresh_database_url: str) -> None:
    """With room for one, somebody must go on with the queue whenever anything ends, however the calls interleave."""
    running = calls.job()
    users = [calls.user(3) for _ in range(10)]
    work: list[Work] = [_create(new_job(user, calls.upload(user)["raw_path"], ONE_AT_A_TIME)) for user in users]
    work.insert(5, _fail(running, retry=False, capacity=ONE_AT_A_TIME))
    at_once(fresh_database_url, work)
    assert calls("metrics_snapshot")["jobs"] == {"pending": 9, "processing": 1, "completed": 0, "failed": 1}


def test_who_meets_an_open_session_is_told_so_and_may_try_again(calls: Calls, fresh_database_url: str) -> None:
    """Somebody holds the queue in a transaction that goes on; the functions' own calls end at once."""
    calls.connection.execute("alter function public.queue_lock() set lock_timeout = '50ms'")
    job = calls.job()
    with psycopg.connect(fresh_database_url) as forgotten, forgotten.transaction():
        call(forgotten, "queue_lock")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            calls.complete(job)
        assert calls.row(job["id"])["status"] == "processing"
    calls.finish(job, calls.row(job["id"])["claim"])
    assert calls.row(job["id"])["status"] == "completed"


@pytest.mark.parametrize("seed", range(3))
def test_a_waiting_job_is_either_cancelled_or_started(calls: Calls, fresh_database_url: str, seed: int) -> None:
    calls.capacity = dict(NO_ROOM)
    jobs = [calls.job() for _ in range(10)]
    cancels = [_delete(job) for job in jobs]
    work: list[Work] = [*cancels, *[_tick(MUCH_ROOM)] * 10]
    random.Random(seed).shuffle(work)  # noqa: S311  an order, not a secret
    answers = at_once(fresh_database_url, work)
    cancelled = sum(answer.get("outcome") == "cancelled" for answer in answers)
    assert cancelled == calls.value("select count(*) from public.jobs where status = 'failed'")
    assert cancelled == entries(calls, "refund")
    started = [answer["dispatch"] for answer in answers if answer.get("dispatch")]
    started += [answer["work"]["dispatch"] for answer in answers if answer.get("work") and answer["work"]["dispatch"]]
    running = calls.value("select count(*) from public.jobs where status = 'processing'")
    assert len({job["job_id"] for job in started}) == len(started) == running


DOINGS: list[Callable[[Calls, str, dict[str, Any]], Any]] = [
    lambda calls, user, _: calls.create(user),
    lambda calls, _, job: _settle(job, calls.capacity)(calls.connection),
    lambda calls, _, job: _fail(job, retry=False, capacity=calls.capacity)(calls.connection),
    lambda calls, _, job: _fail(job, retry=True, capacity=calls.capacity)(calls.connection),
    lambda calls, _, job: _delete(job, calls.capacity)(calls.connection),
    lambda calls, _, job: calls("job_erase", user_id=job["user_id"], job_id=job["id"]),
    lambda calls, _, job: calls("job_progress", job_id=job["id"], attempt=1, stage="ocr"),
    lambda calls, _, __: _tick(calls.capacity)(calls.connection),
    lambda calls, user, _: calls("credits_grant", user_id=user, amount=1),
    lambda calls, _, __: calls("metrics_snapshot"),
]


@pytest.mark.parametrize("seed", range(3))
def test_everything_at_once_deadlocks_nowhere_and_balances(calls: Calls, fresh_database_url: str, seed: int) -> None:
    """Forty connections do what a busy minute does, on few users and jobs, so that they meet."""
    rng = random.Random(seed)  # noqa: S311  a sequence, not a secret
    capacity = {**CAPACITY, "max_inflight": 3}
    calls.capacity = capacity
    users = [calls.user(20) for _ in range(3)]
    jobs = [calls.job(rng.choice(users)) for _ in range(10)]

    def busy(sequence: int) -> Work:
        own = random.Random(seed * 1000 + sequence)  # noqa: S311  a sequence, not a secret

        def run(connection: psycopg.Connection[Any]) -> None:
            mine = Calls(connection, capacity=capacity)
            for _ in range(12):
                own.choice(DOINGS)(mine, own.choice(users), own.choice(jobs))

        return run

    at_once(fresh_database_url, [busy(number) for number in range(40)])
    assert calls.value("select count(*) from public.jobs where status = 'processing' and not awaiting_dispatch") <= 3


def _ids() -> dict[str, Any]:
    return {"job_id": new_id(), "document_id": new_id()}


def _create(arguments: dict[str, Any]) -> Work:
    return lambda connection: call(connection, "job_create", **arguments)


def _tick(capacity: dict[str, Any]) -> Work:
    return lambda connection: call(connection, "jobs_tick", **capacity)


def _delete(job: dict[str, Any], capacity: dict[str, Any] = NO_ROOM) -> Work:
    about = {"user_id": job["user_id"], "job_id": job["id"]}
    return lambda connection: call(connection, "job_delete", **about, **capacity)


def _settle(job: dict[str, Any], capacity: dict[str, Any] = CAPACITY) -> Work:
    about = {"job_id": job["id"], "user_id": job["user_id"], "document_id": job["document_id"]}

    def run(connection: psycopg.Connection[Any]) -> str:
        claimed = call(connection, "job_claim_settlement", attempt=1, claim_s=60, **about)
        if claimed["outcome"] != "claimed":
            return str(claimed["outcome"])
        return str(call(connection, "job_finish", **finish(job, claimed["claim"], capacity))["outcome"])

    return run


def _fail(job: dict[str, Any], *, retry: bool, capacity: dict[str, Any] = CAPACITY) -> Work:
    arguments = failure(job, capacity) | {"retry": retry}
    return lambda connection: call(connection, "job_fail_attempt", **arguments)["outcome"]
