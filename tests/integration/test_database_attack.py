"""One account at its worst beside five others, in simulated time over the real SQL: what waiting costs the others.

Two places, default limits otherwise. Time is the database's own clock; a place is held for as long as a job's file asks
for. The five have been here lately, as the run without the attack comes first. What real processes cost beside that is
measured by `python -m tests.bench attack`.
"""

import heapq
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.database_calls import Calls, calls_on_a_set_clock

ACCOUNTS, JOBS, EVERY_S = 5, 20, 10.0
TAKES_S = 1.8  # what a photo takes on an idle machine: docs/benchmarks.md
MOST_RATIO = 1.5
LIMITS = {"rate_burst": 60, "rate_per_minute": 60}
DECODE = {"code": "DECODE_FAILED", "stage": "decode", "message": "m", "retryable": False, "detail": None}
HANG = {"code": "INTERNAL_ERROR", "stage": "decode", "message": "m", "retryable": True, "detail": {"reason": "hang"}}
LOST = {"code": "EXECUTOR_LOST", "stage": "dispatch", "message": "m", "retryable": True, "detail": None}


Attack = tuple[float, dict[str, Any] | None]
"""For how long a hostile file holds a place, and what it fails of."""


@dataclass
class World:
    """The database, and an executor that is nothing but time.

    Attributes:
        users: the five.
        at_s: since the beginning.
        due: what happens next: when, in which order, what, and to which job.
        ends: of each job: how long it holds a place, and its error; None for a success.
        began_s: when a job of the five was asked for.
        took_s: how long those took that are done.
        spare: an upload whose job was refused, by user.
    """

    sql: Calls
    users: Sequence[str]
    at_s: float = 0.0
    due: list[tuple[float, int, str, Any]] = field(default_factory=list)
    ends: dict[str, tuple[float, dict[str, Any] | None]] = field(default_factory=dict)
    began_s: dict[str, float] = field(default_factory=dict)
    took_s: list[float] = field(default_factory=list)
    spare: dict[str, dict[str, Any]] = field(default_factory=dict)
    order: Iterator[int] = field(default_factory=itertools.count)

    def later(self, seconds: float, what: str, subject: Any) -> None:
        """Let something happen in so many seconds."""
        heapq.heappush(self.due, (self.at_s + seconds, next(self.order), what, subject))

    def start(self, started: dict[str, Any] | None) -> None:
        """Give a started job to the executor."""
        if started is not None:
            self.later(self.ends[started["job_id"]][0], "end", started["job_id"])

    def create(self, user: str, takes_s: float, error: dict[str, Any] | None) -> str | None:
        """Upload and create, within the limits; the job, if there is one."""
        upload = self.spare.pop(user, None) or self.sql.upload(user)
        self.ends[upload["job_id"]] = (takes_s, error)
        answer = self.sql.create(user, upload, **LIMITS)
        if answer["outcome"] != "created":
            self.spare[user] = upload
            return None
        self.start(answer["started"])
        return str(answer["job_id"])

    def end(self, job_id: str) -> None:
        """An attempt is over; the next job starts."""
        row, error = self.sql.row(job_id), self.ends[job_id][1]
        if error is None:
            done = self.sql.finish(row, self.sql.claim(row)["claim"], attempt=row["attempt"])
        else:
            done = self.sql.fail(row, error=error, retry=error is LOST, max_failures=20)
        self.start(done["work"]["dispatch"])
        if job_id in self.began_s:
            self.took_s.append(self.at_s - self.began_s[job_id])

    def run(self, attacks: Sequence[Attack], head_start_s: float = 0.0) -> list[float]:
        """Let time pass; how long each job of the five took, who begin when the attack has gone on for a while."""
        until_s = head_start_s + JOBS * EVERY_S + 5
        sql, draw = self.sql, random.Random(7)  # noqa: S311  no secret
        for number, (place, user) in itertools.product(range(JOBS), enumerate(self.users)):
            self.later(head_start_s + number * EVERY_S + place * EVERY_S / ACCOUNTS + draw.random(), "ask", user)
        attacker = sql.user(1000)
        if attacks:
            self.later(0, "attack", attacker)
        for second in range(int(until_s)):
            self.later(second, "tick", None)
        while self.due:
            at_s, _, what, subject = heapq.heappop(self.due)
            sql.advance(max(0.0, at_s - self.at_s))
            self.at_s = at_s
            if what == "ask":
                job_id = self.create(subject, TAKES_S, None)
                assert job_id is not None
                self.began_s[job_id] = at_s
            elif what == "attack" and at_s < until_s:
                self.create(attacker, *draw.choice(attacks))
                self.later(0.25, "attack", attacker)
            elif what == "end":
                self.end(subject)
            elif what == "tick" and at_s < until_s:
                self.start(sql("jobs_tick", **sql.capacity)["dispatch"])
        return self.took_s


def p95(took_s: list[float]) -> float:
    return sorted(took_s)[math.ceil(0.95 * len(took_s)) - 1]


@pytest.mark.explores
@pytest.mark.parametrize(
    ("attacks", "head_start_s"),
    [
        ([(0.5, DECODE)], 0),
        ([(2.0, HANG)], 0),
        ([(0.5, DECODE), (10.0, HANG), (2.0, LOST)], 0),
        ([(3.0, HANG)], 0),
        ([(10.0, HANG)], 0),
        ([(10.0, HANG)], 60),
        ([(10.0, None)], 0),
        ([(60.0, None)], 60),
    ],
    ids=[
        "garbage",
        "bombs",
        "everything",
        "bombs of 3 s",
        "long bombs",
        "long bombs, from their fourth on",
        "jobs of 10 s that succeed",
        "jobs of 60 s that succeed",
    ],
)
def test_one_account_at_its_worst_moves_the_p95_of_five_others_by_half_at_most(
    fresh_database_url: str, attacks: Sequence[Attack], head_start_s: float
) -> None:
    with calls_on_a_set_clock(fresh_database_url) as sql:
        sql.capacity["max_inflight"] = 2
        users = [sql.user(1000) for _ in range(ACCOUNTS)]
        quiet = World(sql, users).run([])
        noisy = World(sql, users).run(attacks, head_start_s)
    assert len(quiet) == len(noisy) == ACCOUNTS * JOBS
    assert p95(noisy) <= MOST_RATIO * p95(quiet)
