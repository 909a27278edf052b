"""An account with a job of each kind, and its erasure."""

from typing import Any

import psycopg
import psycopg.sql
import pytest

from tests.support.database_calls import Calls

ERASED = "RY403"


def erase(sql: Calls, user: str, actor: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = sql("account_erase", user_id=user, actor=actor)
    return answer


def is_refused(sql: Calls, function: str, *, as_user: str | None = None, **arguments: Any) -> bool:
    """Whether a call is refused because the account was erased."""
    try:
        with sql.connection.transaction():
            if as_user is None:
                sql(function, **arguments)
            else:
                sql.as_user(as_user, function, **arguments)
    except psycopg.Error as error:
        return error.sqlstate == ERASED
    return False


@pytest.fixture
def account(sql: Calls) -> dict[str, Any]:
    """Somebody with a job of each kind, a tombstone, and an upload that no job has."""
    sql.capacity["max_inflight"] = 10
    user = sql.user(10)
    completed, failed, tombstone, running, retrying = (sql.job(user, idempotency_key=f"k{n}") for n in range(5))
    sql.complete(completed)
    sql.fail(failed)
    sql.complete(tombstone)
    sql("job_erase", user_id=user, job_id=tombstone["id"])
    sql.fail(retrying, retry=True)
    sql.capacity["max_inflight"] = 0
    waiting = sql.job(user)
    upload = sql.upload(user)
    return {
        "user": user,
        "jobs": [job["id"] for job in (completed, failed, running, retrying, waiting)],
        "tombstone": tombstone["id"],
        "running": running,
        "waiting": waiting,
        "completed": completed,
        "upload": upload,
    }


def everywhere(sql: Calls, needle: str) -> set[str]:
    """Tables of which a row holds this text."""
    found = set()
    for (table,) in sql.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    ):
        query = f"select from public.{table} t where to_jsonb(t)::text like %s"
        if sql.connection.execute(query.encode(), [f"%{needle}%"]).rowcount:
            found.add(table)
    return found
