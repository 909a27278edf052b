"""Random sequences of calls: whatever is called in whatever order, every invariant holds after each call.

A model beside the database knows only what each answer said. It checks that a job ends once, that attempts count up,
that capacity is kept, and that a call after the end changes nothing.
"""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from tests.support.database_calls import METRICS, Calls, new_id, undone_calls_on_a_set_clock
from tests.support.database_invariants import broken_invariants
from tests.support.postgres_fixture import PostgresForTests

MAX_INFLIGHT = 2


class Database(RuleBasedStateMachine):
    """Two users with few credits, and every call that there is."""

    connection: psycopg.Connection[Any]
    jobs = Bundle("jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self._context = undone_calls_on_a_set_clock(self.connection)
        self.sql: Calls = self._context.__enter__()
        self.sql.capacity = {"max_inflight": MAX_INFLIGHT, "lease_s": 300, "max_attempts": 3}
        self.ended: dict[str, str] = {}
        self.attempts: dict[str, int] = {}

    def teardown(self) -> None:
        """Undo everything."""
        self._context.__exit__(None, None, None)

    @initialize()
    def _users(self) -> None:
        self.users = [self.sql.user(3), self.sql.user(2)]

    # --- calls --------------------------------------------------------------------------------------------------------

    @rule(target=jobs, user=st.integers(0, 1), key=st.sampled_from([None, "one", "two"]))
    def create(self, user: int, key: str | None) -> Any:
        """A job, or a refusal."""
        answer = self.sql.create(self.users[user], idempotency_key=key, max_active_jobs=4)
        assert answer["outcome"] in {"created", "replayed", "no_credit", "too_many_jobs"}
        if answer["outcome"] != "created":
            return multiple()
        self._started(answer["started"])
        return {"id": answer["job_id"], "user_id": self.users[user]} | self.sql.row(answer["job_id"])

    @rule(user=st.integers(0, 1))
    def grant(self, user: int) -> None:
        """One credit more."""
        self.sql("credits_grant", user_id=self.users[user], amount=1)

    @rule(target=claims, job=jobs, behind=st.integers(-1, 1))
    def claim(self, job: dict[str, Any], behind: int) -> Any:
        """A success of some attempt arrives."""
        attempt = self.sql.row(job["id"])["attempt"] - behind
        answer = self.sql.claim(job, attempt=attempt)
        if job["id"] in self.ended:
            assert answer["outcome"] == "terminal"
        elif behind > 0:
            assert answer["outcome"] in {"stale", "pending"}
        return (job, attempt, answer["claim"]) if answer["outcome"] == "claimed" else multiple()

    @rule(held=consumes(claims))
    def finish(self, held: tuple[dict[str, Any], int, str]) -> None:
        """Whoever held a claim once says that the ZIP is stored."""
        job, attempt, claim = held
        self._ended(job, self.sql.finish(job, claim, attempt=attempt), "completed")

    @rule(held=consumes(claims))
    def give_back(self, held: tuple[dict[str, Any], int, str]) -> None:
        """Whoever held a claim once says that packaging did not work."""
        self.sql("job_release_settlement", job_id=held[0]["id"], claim=held[2])

    @rule(job=jobs, behind=st.integers(-1, 1), retry=st.booleans(), measured=st.booleans())
    def fail(self, job: dict[str, Any], behind: int, retry: bool, measured: bool) -> None:  # noqa: FBT001  hypothesis draws them
        """A failure of some attempt arrives."""
        attempt = self.sql.row(job["id"])["attempt"] - behind
        answer = self.sql.fail(job, attempt=attempt, retry=retry, metrics=METRICS if measured else None)
        if answer["outcome"] == "retrying":
            assert retry
        self._ended(job, answer, "failed")

    @rule(job=jobs)
    def delete(self, job: dict[str, Any]) -> None:
        """The owner cancels or deletes."""
        answer = self.sql("job_delete", user_id=job["user_id"], job_id=job["id"], **self.sql.capacity)
        if answer["outcome"] == "cancelled":
            self._ended(job, answer | {"outcome": "failed"}, "failed")
        elif answer["outcome"] == "erasable":
            assert job["id"] in self.ended
            self.sql("job_erase", user_id=job["user_id"], job_id=job["id"])

    @rule(job=jobs)
    def a_stranger_deletes(self, job: dict[str, Any]) -> None:
        """Somebody else's call finds nothing."""
        answer = self.sql("job_delete", user_id=new_id(), job_id=job["id"], **self.sql.capacity)
        assert answer["outcome"] == "unknown"

    @rule(job=jobs, behind=st.integers(0, 1))
    def report(self, job: dict[str, Any], behind: int) -> None:
        """Progress, a submit's answer and a longer lease for some attempt."""
        about = {"job_id": job["id"], "attempt": self.sql.row(job["id"])["attempt"] - behind}
        taken = {
            self.sql("job_progress", stage="ocr", **about),
            self.sql("job_submitted", executor="local", executor_ref="1", **about),
            self.sql("job_extend", lease_s=300, **about),
        }
        assert len(taken) == 1
        if job["id"] in self.ended or behind:
            assert taken == {False}

    @rule(seconds=st.sampled_from([0, 5, 61, 301]))
    def tick(self, seconds: int) -> None:
        """Time goes on, and somebody ticks."""
        self.sql.advance(seconds)
        self._started(self.sql("jobs_tick", **self.sql.capacity)["dispatch"])

    # --- what the model knows -----------------------------------------------------------------------------------------

    def _started(self, started: dict[str, Any] | None) -> None:
        if started is not None:
            assert started["job_id"] not in self.ended
            assert started["attempt"] == self.attempts.get(started["job_id"], 0) + 1
            self.attempts[started["job_id"]] = started["attempt"]

    def _ended(self, job: dict[str, Any], answer: dict[str, Any], terminal: str) -> None:
        if answer["outcome"] == terminal:
            assert job["id"] not in self.ended
            self.ended[job["id"]] = terminal
        if "work" in answer:
            self._started(answer["work"]["dispatch"])

    @invariant()
    def everything_adds_up(self) -> None:
        """The sentences of tests/support/database_invariants.py."""
        assert broken_invariants(self.sql.connection) == []

    @invariant()
    def the_executor_is_not_flooded(self) -> None:
        """Capacity is kept."""
        query = "select count(*) from public.jobs where status = 'processing' and not awaiting_dispatch"
        assert self.sql.value(query) <= MAX_INFLIGHT

    @invariant()
    def what_has_ended_has_ended(self) -> None:
        """A terminal state is for good."""
        rows = self.sql.rows("select id::text, status from public.jobs where status in ('completed', 'failed')")
        assert dict(rows) == self.ended

    @invariant()
    def no_place_is_left_empty(self) -> None:
        """While the executor has room, no pending job waits: every call that frees a place or queues a job goes on.

        The last place may be kept: from users with a job in flight, for somebody without one who was here lately.
        """
        pending, running, waiting_idle, idle_lately = self.sql.rows(
            "with running as (select user_id from public.jobs where status = 'processing' and not awaiting_dispatch)"
            " select count(*) filter (where status = 'pending'), (select count(*) from running),"
            " count(*) filter (where status = 'pending' and user_id not in (select user_id from running)),"
            " count(*) filter (where user_id not in (select user_id from running)"
            "  and created_at > public.instant() - interval '10 minutes') from public.jobs"
        )[0]
        is_kept = running == MAX_INFLIGHT - 1 and not waiting_idle and idle_lately
        assert pending == 0 or running == MAX_INFLIGHT or is_kept


@pytest.fixture(scope="module", autouse=True)
def _on_a_real_database(postgres: PostgresForTests) -> Iterator[None]:
    # Of its own: the queue is everybody's.
    with postgres.database() as url, psycopg.connect(url) as Database.connection:
        yield
    del Database.connection


TestDatabase = Database.TestCase
TestDatabase.settings = settings(max_examples=25, stateful_step_count=40)
