"""What an older release left under a wrapping that this one refuses: counted, and erased when its operator says so.

Data keys were wrapped for nobody in particular up to migration 17 (RQE1 suite 1); no release of this tree opens them.
So rows with a data key in a database that has not got beyond it are of no use, and their objects neither.

Source: docs/specification/rqe1.md, docs/specification/database.md.
"""

import json
from dataclasses import dataclass
from typing import Any

import psycopg

from rythmiq.contracts.errors import ErrorCode, RythmiqError, failure

LAST_OLD = 17
"""The last migration of the tree that wrapped keys so."""
_BATCH = 200


class StillSettlingError(RythmiqError):
    """A job is being settled just now; the functions of the older release are still there."""


@dataclass(frozen=True, slots=True)
class OldRows:
    """Rows with a data key of the old wrapping."""

    jobs: int
    uploads: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.jobs or self.uploads)


def old_rows(connection: psycopg.Connection[Any], *, version: int) -> OldRows:
    """Count them.

    Args:
        connection: the owner's, in a transaction.
        version: of the last migration that was applied.
    """
    if not 1 <= version <= LAST_OLD:
        return OldRows(0, 0)
    # not while somebody else makes the database, nor of a test's own migrations
    readable = "coalesce(has_table_privilege('service_role', to_regclass('public.' || name), 'select'), false)"
    if connection.execute(
        f"select bool_and({readable}) from unnest(array['jobs', 'uploads']) name"  # noqa: S608  our own words
    ).fetchone() != (True,):
        return OldRows(0, 0)
    connection.execute("set local role service_role")  # row level security binds the owner too
    counted = [
        connection.execute(f"select count(*) from public.{table} where wrapped_key is not null").fetchone()  # noqa: S608  ditto
        for table in ("jobs", "uploads")
    ]
    connection.execute("reset role")
    jobs, uploads = (row[0] if row is not None else 0 for row in counted)
    return OldRows(jobs, uploads)


def erase(connection: psycopg.Connection[Any]) -> None:
    """End and erase every such job, with its refund where it had not ended, and every such upload.

    Their storage keys join `removals`, due at once: the ticks of the reconciler remove the objects. May be interrupted
    and run again.

    Raises:
        StillSettlingError: one is being settled.
    """
    for step in (_jobs, _uploads):
        more = True
        while more:
            with connection.transaction():
                connection.execute("set local role service_role")
                more = step(connection)


def _jobs(connection: psycopg.Connection[Any]) -> bool:
    rows = connection.execute(
        "select id, user_id, status, public.job_storage_keys(j) from public.jobs j where wrapped_key is not null"
        " order by id limit %s",
        [_BATCH],
    ).fetchall()
    report = failure(ErrorCode.EXECUTOR_CANCELLED, "the service was upgraded, and what it held was erased")
    for job_id, user_id, status, keys in rows:
        if status in {"pending", "processing"}:
            # no place for anybody: what waits is erased next, and must not be started
            ended = connection.execute(
                "select public.job_end(%s, %s, 0, 1, 1)", [job_id, json.dumps(report)]
            ).fetchone()
            if ended is not None and ended[0]["outcome"] == "busy":
                raise StillSettlingError("a job is being settled: stop the functions, and run it again in a minute")
        connection.execute("select public.job_erase(%s, %s)", [user_id, job_id])
        _remove(connection, job_id, keys)
    return bool(rows)


def _uploads(connection: psycopg.Connection[Any]) -> bool:
    rows = connection.execute(
        "delete from public.uploads where job_id in ("
        "  select job_id from public.uploads where wrapped_key is not null order by job_id limit %s"
        ") returning job_id, jsonb_build_array(raw_path)",
        [_BATCH],
    ).fetchall()
    for job_id, keys in rows:
        _remove(connection, job_id, keys)
    return bool(rows)


def _remove(connection: psycopg.Connection[Any], job_id: object, keys: list[str]) -> None:
    connection.execute(
        "insert into public.removals (job_id, keys, due_at) values (%s, %s, public.instant())"
        " on conflict (job_id) do update set keys = removals.keys || excluded.keys, due_at = excluded.due_at",
        [job_id, json.dumps(keys)],
    )
