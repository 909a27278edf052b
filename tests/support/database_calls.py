"""Calls of the SQL functions for tests: as the role that a transport takes, on a clock that the test sets."""

import datetime as dt
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

PORTAL = {"portal": "neet-2026", "slot": "photo"}
UPLOADED_AT = "20261125T120000Z"
START = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
WRAPPED_KEY = "A" * 54 + "=="
CAPACITY: dict[str, Any] = {"max_inflight": 4, "lease_s": 300, "max_attempts": 3}
METRICS: dict[str, Any] = {
    "ocr_confidence": None,
    "processing_ms": 900,
    "stages": [{"stage": "fetch", "wall_ms": 30, "cpu_ms": 4}, {"stage": "schema", "wall_ms": 700, "cpu_ms": 690}],
    "encodes": 5,
}
_SET_CLOCK: LiteralString = """
create or replace function public.instant() returns timestamptz language sql stable set search_path = ''
as $$ select pg_catalog.current_setting('test.now')::timestamptz $$
"""


def new_id() -> str:
    """A fresh UUIDv4."""
    return str(uuid.uuid4())


def call(
    connection: psycopg.Connection[Any],
    function: str,
    *,
    role: str = "service_role",
    claims: Mapping[str, object] | None = None,
    **arguments: Any,
) -> Any:
    """Call one function in one transaction (or savepoint) under a role and claims; its answer."""
    query, given = call_statement(function, arguments)
    with connection.transaction():
        connection.execute(
            "select set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            [role, json.dumps(claims) if claims is not None else ""],
        )
        row = connection.execute(query, given).fetchone()
        connection.execute("reset role")
    assert row is not None
    return row[0]


def call_statement(function: str, arguments: Mapping[str, object]) -> tuple[bytes, dict[str, object]]:
    """The call as a statement, and its parameters."""
    given = {name: Jsonb(value) if isinstance(value, dict | list) else value for name, value in arguments.items()}
    named = ", ".join(f"p_{name} => %({name})s" for name in given)
    return f"select public.{function}({named})".encode(), given


@dataclass
class Calls:
    """One connection, and short words for what a test does often.

    Attributes:
        now: the clock, when the test has one of its own.
    """

    connection: psycopg.Connection[Any]
    now: dt.datetime | None = None
    capacity: dict[str, Any] = field(default_factory=lambda: dict(CAPACITY))

    def __call__(self, function: str, **arguments: Any) -> Any:
        """Call as service_role; every call is a millisecond after the one before."""
        self.advance(0.001)
        return call(self.connection, function, **arguments)

    def as_user(self, user_id: str, function: str, **arguments: Any) -> Any:
        """Call as a signed-in user."""
        claims = {"sub": user_id, "role": "authenticated"}
        return call(self.connection, function, role="authenticated", claims=claims, **arguments)

    def advance(self, seconds: float) -> None:
        """Set the clock forward, if there is one."""
        if self.now is not None:
            self.now += dt.timedelta(seconds=seconds)
            self.connection.execute("select set_config('test.now', %s, false)", [self.now.isoformat()])

    def rows(self, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """What a query of the owner answers."""
        return self.connection.execute(query, parameters).fetchall()

    def value(self, query: LiteralString, *parameters: object) -> Any:
        """The one value that a query of the owner answers."""
        ((found,),) = self.rows(query, *parameters)
        return found

    # --- what a test does often -------------------------------------------------------------------------------------

    def user(self, credits_n: int = 3) -> str:
        """A user with this many credits."""
        user_id = new_id()
        self("account_open", user_id=user_id, initial_credits=credits_n)
        return user_id

    def upload(self, user_id: str, **changed: object) -> dict[str, Any]:
        """An upload of 1000 bytes, sealed."""
        job_id = new_id()
        answer = self(
            "upload_create",
            **{
                "job_id": job_id,
                "user_id": user_id,
                "raw_path": f"raw/{user_id}/{job_id}/{UPLOADED_AT}_scan.jpg.enc",
                "mime_type": "image/jpeg",
                "size_bytes": 1000,
                "kid": 1,
                "wrapped_key": WRAPPED_KEY,
                "created_at": self.now or dt.datetime.now(tz=dt.UTC),
                "initial_credits": 3,
                **changed,
            },
        )
        assert answer["outcome"] == "created"
        upload: dict[str, Any] = answer["upload"]
        return upload

    def create(self, user_id: str, upload: Mapping[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
        """`job_create` of an upload, by default of a new one; the whole answer."""
        source = upload if upload is not None else self.upload(user_id)
        answer: dict[str, Any] = self("job_create", **new_job(user_id, source["raw_path"], self.capacity) | changed)
        return answer

    def job(self, user_id: str | None = None, **changed: Any) -> dict[str, Any]:
        """A job that was created, as its row."""
        answer = self.create(user_id or self.user(), **changed)
        assert answer["outcome"] == "created", answer
        return self.row(answer["job_id"])

    def row(self, job_id: str) -> dict[str, Any]:
        """The whole row of a job, as JSON has it."""
        row: dict[str, Any] = self.value("select to_jsonb(j) from public.jobs j where id = %s", job_id)
        return row

    def claim(self, job: Mapping[str, Any], **changed: object) -> dict[str, Any]:
        """`job_claim_settlement` for the present attempt."""
        answer: dict[str, Any] = self(
            "job_claim_settlement",
            **{
                "job_id": job["id"],
                "attempt": self.row(job["id"])["attempt"],
                "user_id": job["user_id"],
                "document_id": job["document_id"],
                "claim_s": 60,
                **changed,
            },
        )
        return answer

    def finish(self, job: Mapping[str, Any], claim: str | None, **changed: object) -> dict[str, Any]:
        """`job_finish` of the present attempt."""
        answer: dict[str, Any] = self("job_finish", **finish(job, claim, self.capacity) | changed)
        return answer

    def complete(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Claim and finish."""
        done = self.finish(job, self.claim(job)["claim"], attempt=self.row(job["id"])["attempt"])
        assert done["outcome"] == "completed"
        return done

    def fail(self, job: Mapping[str, Any], **changed: object) -> dict[str, Any]:
        """`job_fail_attempt` of the present attempt, for good."""
        arguments = failure(job, self.capacity) | {"attempt": self.row(job["id"])["attempt"]}
        answer: dict[str, Any] = self("job_fail_attempt", **arguments | changed)
        return answer


def new_job(user_id: str, raw_path: str | None, capacity: Mapping[str, Any] = CAPACITY) -> dict[str, Any]:
    """The arguments of `job_create`."""
    return {
        "user_id": user_id,
        "job_id": new_id(),
        "document_id": new_id(),
        "raw_path": raw_path,
        "artifact_url": None,
        "object_bytes": 1124 if raw_path else None,
        "portal_version": None,
        "mime_type": None,
        "original_filename": "scan.jpg",
        "options": {},
        "kid": 1,
        "wrapped_key": WRAPPED_KEY.replace("A", "B"),
        "idempotency_key": None,
        "request_hash": "a" * 64,
        "max_active_jobs": 20,
        "initial_credits": 3,
        **PORTAL,
        **capacity,
    }


def finish(
    job: Mapping[str, Any], claim: str | None, capacity: Mapping[str, Any] = CAPACITY, attempt: int = 1
) -> dict[str, Any]:
    """The arguments of `job_finish`."""
    return {
        "job_id": job["id"],
        "attempt": attempt,
        "claim": claim,
        "quality_score": 0.87,
        "warnings": ["UPSCALED: the picture was enlarged"],
        "artifacts": {"master_path": f"master/{job['user_id']}/{job['document_id']}/{job['document_id']}.enc"},
        "metrics": METRICS,
        "receipt": {"conforms": True},
        "conforms": True,
        **capacity,
    }


def failure(job: Mapping[str, Any], capacity: Mapping[str, Any] = CAPACITY, attempt: int | None = 1) -> dict[str, Any]:
    """The arguments of `job_fail_attempt`."""
    return {
        "job_id": job["id"],
        "attempt": attempt,
        "error": {"code": "DECODE_FAILED", "stage": "decode", "message": "no", "retryable": False, "detail": None},
        "metrics": None,
        "retry": False,
        "claim": None,
        **capacity,
    }


@contextmanager
def undone_calls_on_a_set_clock(connection: psycopg.Connection[Any]) -> Iterator[Calls]:
    """Calls in one transaction that is rolled back, on a clock that starts at `START`."""
    try:
        yield _on_a_set_clock(connection)
    finally:
        connection.rollback()


@contextmanager
def calls_on_a_set_clock(url: str) -> Iterator[Calls]:
    """Calls that stay, in a database of one's own: for thousands, which slow an open transaction down."""
    with psycopg.connect(url, autocommit=True) as connection:
        yield _on_a_set_clock(connection)


def _on_a_set_clock(connection: psycopg.Connection[Any]) -> Calls:
    connection.execute("select set_config('test.now', %s, false)", [START.isoformat()])
    connection.execute(_SET_CLOCK)
    return Calls(connection, START)


def handed_out(sql: Calls) -> dict[str, list[str]]:
    """What a tick hands out to be removed: keys by the id that they go by, in their order."""
    removals = sql("jobs_tick", **sql.capacity)["removals"]
    return {removal["job_id"]: removal["keys"] for removal in removals}
