"""Row level security and privileges: everything in the catalog, tried as every role, against one table of answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.rls.access_table import (
    FUNCTIONS,
    HIDDEN_COLUMNS,
    READABLE_COLUMNS,
    RELATIONS,
    SECURITY_DEFINERS,
    USERS,
    VERBS,
)
from tests.rls.conftest import People
from tests.support.database_calls import new_id

API_ROLES = ("anon", "authenticated", "service_role")


@contextmanager
def acting(people: People, role: str, user_id: str | None = None) -> Iterator[psycopg.Connection[Any]]:
    """Everything in here happens in a role and under a user's claims, and is undone."""
    connection = people.calls.connection
    claims = "" if user_id is None else json.dumps({"sub": user_id, "role": role})
    with connection.transaction(force_rollback=True):
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield connection


def relations(people: People) -> list[str]:
    """Every table and view of schema public."""
    return [
        name
        for (name,) in people.calls.rows(
            "select relname from pg_class"
            " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm') order by relname"
        )
    ]


def columns(people: People, relation: str) -> list[str]:
    """Every column of a table or view."""
    query = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
    return [name for (name,) in people.calls.rows(query, f"public.{relation}")]


def statement(people: People, relation: str, verb: str, role: str) -> sql.Composed:
    """A statement that is refused only when the role may not do this at all."""
    readable = READABLE_COLUMNS.get(relation) if role == "authenticated" else None
    shown = sql.SQL(", ").join(map(sql.Identifier, sorted(readable or columns(people, relation))))
    last = sql.Identifier(columns(people, relation)[-1])
    return {
        "select": sql.SQL("select {shown} from public.{relation}"),
        "insert": sql.SQL("insert into public.{relation} default values"),
        "update": sql.SQL("update public.{relation} set {last} = {last}"),
        "delete": sql.SQL("delete from public.{relation}"),
        "truncate": sql.SQL("truncate public.{relation} cascade"),
    }[verb].format(relation=sql.Identifier(relation), shown=shown, last=last)


def tried(people: People, relation: str, verb: str, role: str, user_id: str | None) -> str:
    """`no` when it is refused for want of a privilege; of a select, whose rows came; else `yes`."""
    try:
        with acting(people, role, user_id) as connection:
            cursor = connection.execute(statement(people, relation, verb, role))
            if verb != "select":
                return "yes"
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return "no"
    except psycopg.errors.WrongObjectType:  # TRUNCATE of a view
        return "no"
    except psycopg.Error:  # a constraint, a trigger: the privilege was there
        return "yes"
    if "user_id" not in names or len(rows) == 0:
        return "all" if rows else "none"
    users = {str(row[names.index("user_id")]) for row in rows}
    return "own" if users == {user_id} else "all" if {people.owner, people.other} <= users else "others"


def test_every_table_and_view_gives_every_role_what_is_written_down_and_no_more(people: People) -> None:
    found = {
        (relation, role, verb): tried(people, relation, verb, role, people.owner)
        for relation in relations(people)
        for role in API_ROLES
        for verb in VERBS
    }
    wanted = {
        (relation, role, verb): RELATIONS[relation].get(role, {}).get(verb, "no")
        for relation in RELATIONS
        for role in API_ROLES
        for verb in VERBS
    }
    assert found == wanted


def test_another_user_sees_the_other_users_rows_and_none_of_these(people: People) -> None:
    found = {
        relation: tried(people, relation, "select", "authenticated", people.other) for relation in relations(people)
    }
    assert found == {
        relation: RELATIONS[relation].get("authenticated", {}).get("select", "no") for relation in RELATIONS
    }


@pytest.mark.parametrize("user_id", [None, new_id()], ids=["nobody", "stranger"])
def test_somebody_without_rows_or_without_a_name_sees_the_rule_book_alone(people: People, user_id: str | None) -> None:
    found = {relation: tried(people, relation, "select", "authenticated", user_id) for relation in relations(people)}
    assert {relation for relation, seen in found.items() if seen not in {"no", "none"}} == {
        "portal_schemas",
        "portal_aliases",
    }


def test_a_user_reads_the_columns_that_are_written_down_and_no_others(people: People) -> None:
    for relation in relations(people):
        if "authenticated" not in RELATIONS[relation]:
            continue
        readable = set()
        for column in columns(people, relation):
            try:
                with acting(people, "authenticated", people.owner) as connection:
                    connection.execute(
                        sql.SQL("select {} from public.{}").format(sql.Identifier(column), sql.Identifier(relation))
                    )
                readable.add(column)
            except psycopg.errors.InsufficientPrivilege:
                pass
        assert readable == READABLE_COLUMNS[relation]
        assert readable | HIDDEN_COLUMNS.get(relation, set()) == set(columns(people, relation))


def test_no_user_reads_a_key_that_the_ring_wrapped(people: People) -> None:
    keys = {(relation, name) for relation in relations(people) for name in columns(people, relation) if "key" in name}
    assert {(r, n) for r, n in keys if n in READABLE_COLUMNS.get(r, set())} == set()


def test_every_table_has_row_level_security_for_its_owner_too(people: People) -> None:
    open_tables = people.calls.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not (relrowsecurity and relforcerowsecurity)"
    )
    assert open_tables == []


def test_no_policy_lets_anybody_write(people: People) -> None:
    policies = people.calls.rows("select cmd, roles::text from pg_policies where schemaname = 'public'")
    assert set(policies) == {("SELECT", "{authenticated}")}


def test_every_view_asks_with_the_rights_of_who_looks(people: People) -> None:
    views = people.calls.rows(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')"
        " and not coalesce('security_invoker=true' = any (reloptions), false)"
    )
    assert views == []


# --- functions --------------------------------------------------------------------------------------------------------


def functions(people: People) -> dict[str, tuple[int, str, bool, list[str] | None, bool]]:
    """Every function of schema public: oid, volatility, whether it is a security definer, settings, is a trigger."""
    rows = people.calls.rows(
        "select proname, oid::int, provolatile::text, prosecdef, proconfig, prorettype = 'trigger'::regtype"
        " from pg_proc where pronamespace = 'public'::regnamespace"
    )
    found = {name: rest for name, *rest in rows}
    assert len(found) == len(rows), "a function is overloaded, and the Data API could not tell them apart"
    return {
        name: (oid, volatile, definer, config, trigger)
        for name, (oid, volatile, definer, config, trigger) in found.items()
    }


def test_every_function_is_executed_by_whom_it_is_written_down_for(people: People) -> None:
    found = {
        (name, role): people.calls.value("select has_function_privilege(%s::name, %s::oid, 'execute')", role, oid)
        for name, (oid, *_) in functions(people).items()
        for role in API_ROLES
    }
    assert found == {(name, role): role in roles for name, roles in FUNCTIONS.items() for role in API_ROLES}


def test_nobody_else_executes_a_function(people: People) -> None:
    public = people.calls.rows(
        "select proname from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) acl"
        " where pronamespace = 'public'::regnamespace and acl.grantee = 0"
    )
    assert public == []


def test_a_call_without_the_privilege_is_refused(people: People) -> None:
    """The catalog says so above; this is what a caller of the Data API meets."""
    for name, (oid, *_, trigger) in functions(people).items():
        if trigger:
            continue
        arguments = people.calls.value(
            "select coalesce(string_agg('null::' || format_type(t, null), ', ' order by n), '')"
            " from pg_proc, unnest(proargtypes::oid[]) with ordinality a (t, n) where oid = %s::oid",
            oid,
        )
        for role in API_ROLES:
            refused = False
            try:
                with acting(people, role, people.owner) as connection:
                    connection.execute(f"select public.{name}({arguments})".encode())
            except psycopg.errors.InsufficientPrivilege:
                refused = True
            except psycopg.Error:
                pass  # null is no good argument: the privilege was there
            assert refused == (role not in FUNCTIONS[name]), (name, role)


def test_what_users_execute_only_reads_and_reads_as_the_user(people: People) -> None:
    for name, (_, volatile, definer, *_) in functions(people).items():
        assert definer == (name in SECURITY_DEFINERS), name
        if USERS & FUNCTIONS[name]:
            assert volatile == "s", name


def test_no_function_can_be_led_to_another_schema(people: People) -> None:
    settings = {name: config or [] for name, (_, _, _, config, _) in functions(people).items()}
    assert {name for name, config in settings.items() if 'search_path=""' not in config} == set()
    assert {name: config for name, config in settings.items() if len(config) > 1}.keys() == {"queue_lock"}


# --- user A and what is B's -------------------------------------------------------------------------------------------


def test_a_users_functions_find_nothing_of_another(people: People) -> None:
    everything = {"status": None, "limit": 100, "before_at": None, "before_id": None}
    for job_id in (people.done, people.waiting):
        assert people.calls.as_user(people.owner, "job_get", job_id=job_id) is not None
        assert people.calls.as_user(people.other, "job_get", job_id=job_id) is None
        assert people.calls.as_user(people.other, "queue_state", job_id=job_id) is None
    listed = people.calls.as_user(people.other, "jobs_list", **everything)
    theirs = people.calls.rows("select id::text from public.jobs where user_id = %s", people.other)
    assert {(line["job_id"],) for line in listed} == set(theirs)
    assert not {people.done, people.waiting} & {line["job_id"] for line in listed}


def test_the_services_functions_check_whose_it_is(people: People) -> None:
    """They run past RLS: a wrong `p_user_id` must find nothing and change nothing."""
    calls = people.calls
    before = calls.rows("select * from public.jobs order by id")
    for job_id in (people.done, people.waiting):
        about = {"user_id": people.other, "job_id": job_id}
        assert calls("job_key", **about) is None
        assert calls("upload_get", **about)["outcome"] == "unknown"
        assert calls("job_delete", **about, **calls.capacity)["outcome"] == "unknown"
        assert calls("job_erase", **about) == {"outcome": "unchanged"}
    assert calls.rows("select * from public.jobs order by id") == before


def test_a_token_whose_subject_is_no_id_reads_nothing(people: People) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        people.calls.as_user("' or true --", "job_get", job_id=people.done)


# --- around the tables ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", API_ROLES)
def test_no_role_of_the_api_makes_objects_or_uses_sequences(people: People, role: str) -> None:
    privileges = people.calls.rows(
        "select 'create' where has_schema_privilege(%s::name, 'public', 'create')"
        " union all select relname from pg_class where relnamespace = 'public'::regnamespace"
        " and case relkind when 'S' then has_sequence_privilege(%s::name, oid, 'usage, select, update') end",
        role,
        role,
    )
    assert privileges == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_the_record_of_migrations_is_no_users_business(people: People, role: str) -> None:
    assert people.calls.value("select has_schema_privilege(%s, 'rythmiq_ops', 'usage')", role) is False


@pytest.mark.parametrize("role", API_ROLES)
@pytest.mark.parametrize(
    ("made", "use"),
    [
        (
            "create function public.later() returns integer language sql as 'select 1'",
            "select public.later()",
        ),
        ("create table public.later as select 1 as one", "select * from public.later"),
        ("create sequence public.later", "select nextval('public.later')"),
    ],
    ids=["function", "table", "sequence"],
)
def test_what_the_owner_makes_later_is_nobodys_until_it_is_granted(
    people: People, role: str, made: str, use: str
) -> None:
    connection = people.calls.connection
    with connection.transaction(force_rollback=True):
        connection.execute(made.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting(people, role, people.owner) as acted:
            acted.execute(use.encode())
