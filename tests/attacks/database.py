"""The database as somebody sees it who has the public key, a token, or the service's own: every table and function."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from psycopg import sql

from tests.attacks.arena import Arena, Attack
from tests.rls.access_table import FUNCTIONS, HIDDEN_COLUMNS, RELATIONS, VERBS
from tests.rls.test_access import acting, tried

OPEN = frozenset({"portal_schemas", "portal_aliases"})
"""The rule book, which every user may read."""


def _relation(relation: str, verb: str, role: str) -> Callable[[Arena], None]:
    """Neither nobody nor a user reads what is another's, and neither writes anything."""

    def run(arena: Arena) -> None:
        people = arena.people
        seen = tried(people, relation, verb, role, people.other if role == "authenticated" else None)
        harmless = {"no", "none"}
        if verb == "select" and role == "authenticated":
            harmless |= {"own"} | ({"all"} if relation in OPEN else set())
        assert seen in harmless, seen

    return run


def _function(name: str, role: str) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        rows = arena.people.calls.rows(
            "select coalesce(string_agg('null::' || format_type(t, null), ', ' order by n), '') from pg_proc p"
            " left join unnest(proargtypes::oid[]) with ordinality a (t, n) on true"
            " where proname = %s and pronamespace = 'public'::regnamespace",
            name,
        )
        try:
            with acting(arena.people, role, arena.people.other) as connection:
                connection.execute(f"select public.{name}({rows[0][0]})".encode())
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.FeatureNotSupported,
        ):  # a trigger is called by nobody
            return
        raise AssertionError("it was carried out")

    return run


def _hidden(relation: str, column: str) -> Callable[[Arena], None]:
    """Keys, claims and secrets stand in no column that a user reads, not even of the user's own rows."""

    def run(arena: Arena) -> None:
        try:
            with acting(arena.people, "authenticated", arena.people.owner) as connection:
                query = sql.SQL("select {} from {}")
                connection.execute(query.format(sql.Identifier(column), sql.Identifier("public", relation)))
        except psycopg.errors.InsufficientPrivilege:
            return
        raise AssertionError("it was read")

    return run


SERVICE: dict[str, str] = {
    "the ledger is rewritten": "update public.credit_ledger set amount = 1000000",
    "the ledger is emptied": "delete from public.credit_ledger",
    "the ledger is truncated": "truncate public.credit_ledger",
    "a job is deleted": "delete from public.jobs",
    "a job that has ended runs again": "update public.jobs set status = 'processing' where status = 'completed'",
    "a failed job is completed": "update public.jobs set status = 'completed' where status = 'failed'",
    "a job gets another owner": "update public.jobs set user_id = gen_random_uuid()",
    "a completed job gets another's key": (
        "update public.jobs set wrapped_key ="
        " (select j.wrapped_key from public.jobs j where j.status = 'failed' limit 1)"
        " where status = 'completed'"
    ),
    "a completed job gets other artifacts": "update public.jobs set artifacts = '{}' where status = 'completed'",
    "an account has less than nothing": "update public.user_credits set balance = -1",
    "CPU time is rewritten": "update public.cpu_usage set cpu_ms = 0",
    "the rule book is rewritten": "update public.portal_schemas set schema_definition = '{}'",
    "a job's rules are rewritten": "update public.rules set definition = '{}'",
    "a role is taken": "set role postgres",
    "a trigger is turned off": "alter table public.jobs disable trigger all",
    "triggers are turned off": "set session_replication_role = replica",
    "a function is replaced": (
        "create or replace function public.instant() returns timestamptz language sql as 'select now()'"
    ),
    "a table is made": "create table public.evil (x int)",
    "a file is read": "select pg_read_file('/etc/passwd')",
    "a program is started": "copy (select 1) to program 'id'",
    "another schema is read": "select * from auth.secrets",
}
"""What the service's own role is kept from by privileges, guards and constraints."""


def _service(statement: str) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        changed: Any = None
        try:
            with acting(arena.people, "service_role", arena.people.owner) as connection:
                changed = connection.execute(statement.encode()).rowcount
        except psycopg.Error:
            return
        raise AssertionError(f"it was carried out, on {changed} rows")

    return run


def rows() -> Iterator[Attack]:
    """Every table, column and function, by every role that may not."""
    for relation in RELATIONS:
        for role in ("anon", "authenticated"):
            for verb in VERBS:
                yield Attack("database", relation, f"{verb} as {role}", _relation(relation, verb, role))
    for relation, columns in HIDDEN_COLUMNS.items():
        for column in sorted(columns):
            yield Attack("database", relation, f"its {column}", _hidden(relation, column))
    for function, roles in FUNCTIONS.items():
        for role in sorted({"anon", "authenticated"} - roles):
            yield Attack("database", function, f"called as {role}", _function(function, role))
        if roles & {"anon", "authenticated"}:
            continue  # the user's own: what it answers is the endpoints' matter
    for name, statement in SERVICE.items():
        yield Attack("database", "service_role", name, _service(statement))
