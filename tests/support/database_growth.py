"""How much of the database a call touches, in a table of many jobs: pages, and by which indexes.

Pages are shared buffers, found in memory or read, as EXPLAIN (ANALYZE, BUFFERS) counts them for the whole call with all
statements inside its functions. Scans are what Postgres counted in the transaction: these are the plans that ran, not
plans of queries that look like them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.database_calls import METRICS, call_statement, failure, finish, new_job

USER = "11111111-1111-4111-8111-111111111111"
_LOAD = Path(__file__).with_name("database_load.sql").read_text(encoding="utf-8")
_ROUNDS = 4
_ROOM = {"max_inflight": 100, "lease_s": 300, "max_attempts": 3}
_SCANS = """
select relname::text, pg_stat_get_xact_numscans(oid) from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')
"""

# Tables that hold a line a slot, a sum or a job that is going on, however long the service has run.
SMALL_TABLES = {"erasures", "portal_schemas", "portal_aliases", "rules", "counters", "queue"}


@dataclass(frozen=True)
class Touched:
    """What one call touched.

    Attributes:
        pages: shared buffers, each as often as it was looked at.
        indexes: of jobs and of the queue, that were scanned.
        read_through: tables that were read from end to end, small ones left out.
    """

    pages: int
    indexes: frozenset[str]
    read_through: frozenset[str]


def load(superuser_url: str, jobs: int) -> None:
    """Fill an empty migrated database with this many jobs, and let Postgres count what is there."""
    with psycopg.connect(superuser_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        with connection.transaction():
            connection.execute(_LOAD.encode(), {"jobs": jobs, "user": USER})
        connection.execute("vacuum analyze")


def touched_by_calls(url: str) -> dict[str, Touched]:
    """Each call on a loaded database, undone afterwards."""
    found = {}
    with psycopg.connect(url) as connection:
        known = _known(connection)
        for name, prepare in CALLS.items():
            rounds = []
            for _ in range(_ROUNDS):  # the first ones also read catalogs and plan
                with connection.transaction(force_rollback=True):
                    rounds.append(_touched(connection, *prepare(connection, known)))
            found[name] = min(rounds, key=lambda one: one.pages)
        connection.rollback()
    return found


def _touched(connection: psycopg.Connection[Any], role: str, function: str, arguments: Mapping[str, Any]) -> Touched:
    query, given = call_statement(function, arguments)
    before = dict(connection.execute(_SCANS).fetchall())
    connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps({"sub": USER})])
    connection.execute(f"set local role {role}".encode())
    row = connection.execute(b"explain (analyze, buffers, format json) " + query, given).fetchone()
    connection.execute("reset role")
    assert row is not None
    plan = row[0][0]["Plan"]
    scans = {name for name, count in connection.execute(_SCANS) if count > before[name]}
    tables = {name for (name,) in connection.execute("select relname::text from pg_class where relkind = 'r'")}
    return Touched(
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        indexes=frozenset(name for name in scans - tables if name.startswith(("jobs_", "queue_"))),
        read_through=frozenset(scans & tables - SMALL_TABLES),
    )


def _known(connection: psycopg.Connection[Any]) -> dict[str, dict[str, Any]]:
    """A job of each kind that the calls are about, as its row."""
    kinds = {
        "completed": "status = 'completed' and user_id = %s order by created_at limit 1 offset 100",
        "processing": "status = 'processing' order by created_at limit 1",
        "waiting": "status = 'pending' and user_id = %s order by created_at desc limit 1",
    }
    rows = {}
    for kind, condition in kinds.items():
        query = f"select to_jsonb(j) from public.jobs j where {condition}".encode()  # noqa: S608  conditions of ours
        row = connection.execute(query, [USER] if b"%s" in query else None).fetchone()
        assert row is not None, kind
        rows[kind] = row[0]
    return rows


Prepare = Callable[[psycopg.Connection[Any], dict[str, dict[str, Any]]], tuple[str, str, dict[str, Any]]]


def _list(**changed: object) -> Prepare:
    page = {"status": None, "limit": 20, "before_at": None, "before_id": None}
    return lambda _, __: ("authenticated", "jobs_list", page | changed)


def _list_further(_: object, known: dict[str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    job = known["completed"]
    page = {"status": None, "limit": 20, "before_at": job["created_at"], "before_id": job["id"]}
    return "authenticated", "jobs_list", page


def _get(kind: str) -> Prepare:
    return lambda _, known: ("authenticated", "job_get", {"job_id": known[kind]["id"]})


def _tick(connection: psycopg.Connection[Any], known: dict[str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    """One job to reconcile and one to start."""
    query = "update public.jobs set lease_until = now() - interval '1 second' where id = %s"
    connection.execute(query, [known["processing"]["id"]])
    return "service_role", "jobs_tick", _ROOM


def _last_place(connection: psycopg.Connection[Any], _: object) -> tuple[str, str, dict[str, Any]]:
    """One user alone has jobs in flight and waiting, while others were here lately."""
    connection.execute("update public.queue set user_id = %s where state = 'in_flight'", [USER])
    connection.execute("delete from public.queue where state = 'pending' and user_id <> %s", [USER])
    row = connection.execute("select count(*) from public.queue where state = 'in_flight'").fetchone()
    assert row is not None
    return "service_role", "jobs_tick", _ROOM | {"max_inflight": row[0] + 1}


def _settle(connection: psycopg.Connection[Any], known: dict[str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    """The settlement of a claimed success, with the tick that comes with it."""
    job = known["processing"]
    query = "update public.jobs set claim = gen_random_uuid(), claim_until = now() where id = %s returning claim::text"
    row = connection.execute(query, [job["id"]]).fetchone()
    assert row is not None
    return "service_role", "job_finish", finish(job, row[0], _ROOM)


def _fail(_: object, known: dict[str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    return "service_role", "job_fail_attempt", failure(known["processing"], _ROOM) | {"metrics": METRICS}


def _duplicate(_: object, known: dict[str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    job = known["completed"]
    about = {name: job[name] for name in ("user_id", "document_id")}
    return "service_role", "job_claim_settlement", {"job_id": job["id"], "attempt": 1, "claim_s": 60, **about}


def _create(_: object, __: object) -> tuple[str, str, dict[str, Any]]:
    arguments = new_job(USER, None, _ROOM) | {"artifact_url": "https://example.org/a.jpg", "idempotency_key": "k"}
    return "service_role", "job_create", arguments | {"max_active_jobs": 1000}


CALLS: dict[str, Prepare] = {
    "list": _list(),
    "list of one status": _list(status="failed"),
    "list, a later page": _list_further,
    "status": _get("completed"),
    "status of a waiting job": _get("waiting"),
    "create": _create,
    "tick": _tick,
    "tick, the last place": _last_place,
    "settle": _settle,
    "fail": _fail,
    "duplicate webhook": _duplicate,
    "account": lambda _, __: ("service_role", "account_open", {"user_id": USER, "initial_credits": 3}),
    "metrics": lambda _, __: ("service_role", "metrics_snapshot", {}),
}
