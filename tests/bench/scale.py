"""A long time of service through the real SQL, with a simulated executor of measured stage costs, on a leaping clock.

`python -m tests.bench.scale 10000` runs another number of jobs; `million` runs a million. Calls of clients, their bill
and their limits are worked out from what the simulation measured; docs/scale.md says what to do about them.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.portals import load_portal
from rythmiq_cli.local.postgres import LocalPostgres
from rythmiq_cli.local.store.s3_server import local_store
from tests.support import worker_uploads
from tests.support.fault_parts import CLOCK
from tests.support.postgres_fixture import PostgresForTests
from tests.support.worker_run import Job

JOBS = 100_000
JOBS_A_USER = 5
IN_FLIGHT = 32
LOAD = 0.8
"""Of what the executor can do in the long run; bursts come on top."""
BURST_EVERY = 10_000
EVENTS = 5_000
"""Of the simulation between two looks of autovacuum."""
START_MS = (3_000, 5_000, 8_000)
"""From submit to the launcher's first line, as Camber was seen to take."""
SIMULATE = Path(__file__).with_suffix(".sql").read_bytes()
METRICS_MOST_MS = 50.0

# DigitalOcean Functions: 600 invocations a minute and 120 at once per namespace.
INVOCATIONS_A_MINUTE, AT_ONCE = 600, 120
POLL_S, PROGRESS_S = 10, 5
# Dollars, to be held against the vendors' pages: a GiB-second of a function, an hour of Camber's XXSMALL (4 cores).
FUNCTION_GIB_S, FUNCTION_GIB, EXECUTOR_HOUR = 0.0000185, 0.25, 0.16
SETTLE_S, CALL_S = 1.0, 0.15
"""What a webhook and any other call take of a function's time, roughly; a long poll takes as long as it waits."""

TIMED = {
    "GET /internal/metrics": "public.metrics_snapshot()",
    "a tick": "public.jobs_tick(0, 300, 3)",
    "an operator's list": "public.jobs_search('failed', null, 50)",
}


def main(jobs: int = JOBS) -> None:
    """Measure the stages, simulate, and print the rows."""
    costs = stage_costs()
    with (
        tempfile.TemporaryDirectory(prefix="rythmiq-bench-", ignore_cleanup_errors=True) as directory,
        LocalPostgres(Path(directory), throwaway=True) as server,
    ):
        server.provision()
        postgres = PostgresForTests(server)
        with postgres.database() as url:
            found = simulated(postgres.superuser_url(url.rsplit("/", 1)[1]), jobs, costs)
    print(json.dumps(rows(jobs, costs, found)))


def stage_costs() -> list[dict[str, Any]]:
    """The metrics that the worker itself reports of a photo and of a card with OCR."""
    measured = []
    with local_store() as running:
        for portal, slot, picture in (
            ("neet-2026", "photo", worker_uploads.portrait()),
            ("aadhaar-update", "document", worker_uploads.card()),
        ):
            slots = load_portal(portal).slots
            entry = next((one for one in slots if one.slot == slot), slots[0])
            job = Job(
                SpacesStore(running.config), rules=entry.schema_definition.model_dump(mode="json", exclude_none=True)
            )
            job.upload(picture)
            measured.append(job.run().success.metrics.model_dump(mode="json"))
    return measured


def run_ms(cost: dict[str, Any]) -> float:
    """How long a job runs: the CPU time of its stages, which does not depend on what else this machine does."""
    return float(sum(stage["cpu_ms"] for stage in cost["stages"]))


def simulated(superuser_url: str, jobs: int, costs: list[dict[str, Any]]) -> dict[str, Any]:
    """Run the simulation on an empty migrated database; what was measured."""
    holds_ms = [start_ms + run_ms(cost) for start_ms in START_MS for cost in costs]
    per_s = LOAD * IN_FLIGHT / (sum(holds_ms) / len(holds_ms) / 1000)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute("select set_config('test.now', '2026-11-25T12:00:00Z', false)")
        connection.execute(CLOCK.encode())
        connection.execute(SIMULATE)
        before = written(connection)
        connection.execute("select setseed(0.25)")
        terms = [EVENTS, jobs, jobs // JOBS_A_USER, per_s, IN_FLIGHT, BURST_EVERY, holds_ms, json.dumps(costs)]
        while one(connection, "call bench.simulate(false, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)", terms):
            made = one(connection, "select made from bench.state")
            print(f"scale: {made:.0f} jobs ...", file=sys.stderr)
        after = written(connection)
        connection.execute("vacuum analyze")
        calls = connection.execute("select function, calls, ms / calls from bench.calls order by 1").fetchall()
        return {
            "per_s": per_s,
            "holds_ms": holds_ms,
            "rows": (after[0] - before[0]) / jobs,
            "wal_bytes": (after[1] - before[1]) / jobs,
            "calls": {function: (count, ms) for function, count, ms in calls},
            "queued": connection.execute(
                "select percentile_cont(array[0.5, 0.95, 1]) within group (order by value) from public.metrics"
                " where name = 'queued_ms'"
            ).fetchone()[0],  # type: ignore[index]  # an aggregate always answers one row
            "total_s": one(connection, "select avg(value) / 1000 from public.metrics where name = 'total_ms'"),
            "polls": one(connection, "select avg(ceil(value / 10000)) from public.metrics where name = 'total_ms'"),
            "gb": one(connection, "select pg_database_size(current_database()) / 1e9"),
            "timed": {name: timed(connection, call) for name, call in TIMED.items()},
            "open": one(connection, "select count(*) from public.jobs where status in ('pending', 'processing')"),
        }


def one(connection: psycopg.Connection[Any], query: str, terms: Sequence[object] = ()) -> float:
    """The one number that a query answers."""
    row = connection.execute(query.encode(), terms or None).fetchone()
    assert row is not None
    return float(row[0])


def written(connection: psycopg.Connection[Any]) -> tuple[float, float]:
    """Rows and bytes of WAL written so far; rows of the simulation's own tables left out."""
    connection.execute("select pg_stat_force_next_flush()")
    connection.execute("select pg_stat_clear_snapshot()")
    rows_written = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables where schemaname = 'public'"
    return one(connection, rows_written), one(connection, "select pg_current_wal_lsn() - '0/0'::pg_lsn")


def timed(connection: psycopg.Connection[Any], call: str) -> float:
    """Milliseconds of a call inside the database: the middle of nine."""
    times = []
    for _ in range(9):
        with connection.transaction(force_rollback=True):
            row = connection.execute(f"explain (analyze, format json) select {call}".encode()).fetchone()
        assert row is not None
        times.append(row[0][0]["Execution Time"])
    return float(sorted(times)[4])


def rows(jobs: int, costs: list[dict[str, Any]], found: dict[str, Any]) -> list[dict[str, object]]:
    """The figures."""
    hold_s = sum(found["holds_ms"]) / len(found["holds_ms"]) / 1000
    run_s = sum(map(run_ms, costs)) / len(costs) / 1000
    polls, total_s = found["polls"], found["total_s"]
    reports = 1 + run_s // PROGRESS_S + 1
    invocations = 2 + polls + reports
    by_rate, by_polls = INVOCATIONS_A_MINUTE / invocations, AT_ONCE / total_s * 60
    function_s = CALL_S * (1 + reports) + SETTLE_S + total_s
    dollars = 1000 * (function_s * FUNCTION_GIB * FUNCTION_GIB_S + run_s / 3600 * EXECUTOR_HOUR)
    database_ms = sum(count * ms for count, ms in found["calls"].values()) / jobs
    times = ", ".join(f"{function} {ms:.2f}" for function, (_, ms) in found["calls"].items())
    middle, late, last = (value / 1000 for value in found["queued"])
    first = "calls a minute" if by_rate < by_polls else "calls at once"

    def row(what: str, measured: str, unit: str | None = None, note: str = "", **bar: Any) -> dict[str, object]:
        about = {"what": f"{jobs:,} jobs: {what}", "measured": measured, "bar": None, "holds": None}
        return {**about, **bar, "unit": unit, "note": note}

    return [
        row("jobs that never ended", str(int(found["open"])), bar="0", holds=found["open"] == 0),
        row("queue age, middle", f"{middle:.1f}", "s", f"{LOAD:.0%} load on {IN_FLIGHT} places of {hold_s:.1f} s each"),
        row("queue age, 95 of 100", f"{late:.1f}", "s", f"a burst of {BURST_EVERY // 20} every {BURST_EVERY:,} jobs"),
        row("queue age, the longest", f"{last:.0f}", "s"),
        row("time in the database a job", f"{database_ms:.2f}", "ms", f"ms a call: {times}; on this machine as loaded"),
        row("rows written a job", f"{found['rows']:.1f}", None, f"{found['wal_bytes'] / 1000:.1f} KB of WAL"),
        row("the database's size", f"{found['gb']:.2f}", "GB", f"{found['gb'] * 1e6 / jobs:.1f} KB a job"),
        *(
            row(
                f"{name}, time in the database",
                f"{ms:.2f}",
                "ms",
                **({"bar": f"<= {METRICS_MOST_MS:g}", "holds": ms <= METRICS_MOST_MS} if "metrics" in name else {}),
            )
            for name, ms in found["timed"].items()
        ),
        row("invocations a job", f"{invocations:.1f}", None, f"{polls:.1f} of them polls of {POLL_S} s"),
        row("the most by calls a minute", f"{by_rate:.0f}", "jobs/min", f"{INVOCATIONS_A_MINUTE} per namespace"),
        row(
            "the most by calls at once",
            f"{by_polls:.0f}",
            "jobs/min",
            f"{AT_ONCE} per namespace, polls of {total_s:.1f} s in all",
        ),
        row(
            "the most by the executor",
            f"{IN_FLIGHT / hold_s * 60:.0f}",
            "jobs/min",
            f"4 places: {4 / hold_s * 60:.0f}; the first limit of the functions is {first}",
        ),
        row(
            "cost of 1,000 jobs",
            f"{dollars:.2f}",
            "$",
            "functions at 0.25 GiB and Camber's XXSMALL while it runs; without free allowances, store and database",
        ),
    ]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
