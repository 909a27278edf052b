"""The database of use cases as its operator sees it: what it holds, its clock, and how it is emptied."""

import threading
from functools import cached_property
from typing import Any

import psycopg

SET_CLOCK = (
    "create or replace function public.instant() returns timestamptz language sql stable set search_path = ''"
    " as $$ select pg_catalog.now() + interval '{seconds:f} seconds' $$"
)


class OperatorsDatabase:
    """Its owner's questions, by one connection.

    Args:
        url: its owner's.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._turn = threading.Lock()

    @cached_property
    def _connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if "_connection" in vars(self):
            self._connection.close()

    def sql(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask as the operator of the database; row level security is out of the way."""
        with self._turn:
            self._connection.execute("set role service_role" if query.lstrip().startswith("select") else "reset role")
            cursor = self._connection.execute(query.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    def row(self, job_id: str) -> dict[str, Any]:
        """A job's whole row."""
        [(row,)] = self.sql("select to_jsonb(j) from public.jobs j where id = %s", job_id)
        assert isinstance(row, dict)
        return row

    def ledger(self, job_id: str) -> list[str]:
        """The kinds of a job's entries, in order."""
        return [
            kind for (kind,) in self.sql("select kind from public.credit_ledger where job_id = %s order by id", job_id)
        ]

    def balances_are_the_ledgers(self) -> bool:
        """Whether what is kept summed up equals the ledger, for everybody."""
        return not self.sql(
            "select c.user_id from public.user_credits c left join ("
            "  select user_id, sum(amount) as total, count(*) filter (where kind = 'reserve')"
            "    - count(*) filter (where kind in ('settle', 'refund')) as open"
            "  from public.credit_ledger group by user_id"
            ") l using (user_id) where c.balance <> coalesce(l.total, 0) or c.reserved <> coalesce(l.open, 0)"
        )


def empty(superuser: psycopg.Connection[Any]) -> None:
    """Empty what the triggers keep from being emptied, and set the database's clock right."""
    superuser.execute("set session_replication_role = replica")
    tables = superuser.execute(
        "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables"
        " where schemaname = 'public' and tablename not in ('portal_schemas', 'portal_aliases')"
    ).fetchone()
    assert tables is not None
    superuser.execute(f"truncate {tables[0]}".encode())
    superuser.execute(SET_CLOCK.format(seconds=0).encode())
