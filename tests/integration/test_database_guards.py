"""What holds whoever writes: the tables' owner too, who is refused here."""

from typing import Any, LiteralString

import psycopg
import pytest

from tests.support.database_calls import Calls, new_id

APPEND_ONLY: list[LiteralString] = ["credit_ledger", "cpu_usage"]


def refused(sql: Calls, statement: LiteralString, *parameters: object) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught, sql.connection.transaction():
        sql.connection.execute(statement, parameters)
    return caught.value


EDGES = {("pending", "processing"), ("processing", "completed"), ("processing", "failed")}
STATES = ("pending", "processing", "completed", "failed")


def job_in(sql: Calls, status: str) -> dict[str, Any]:
    sql.capacity["max_inflight"] = 0 if status == "pending" else 4
    job = sql.job()
    if status in {"completed", "failed"}:
        {"completed": sql.complete, "failed": sql.fail}[status](job)
    return sql.row(job["id"])


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_no_other_edge_can_be_taken(sql: Calls, before: str, after: str) -> None:
    job = job_in(sql, before)
    statement: LiteralString = "update public.jobs set status = %s where id = %s"
    if (before, after) in EDGES or (before == after and before in {"pending", "processing"}):
        sql.connection.execute(statement, [after, job["id"]])
    else:
        assert isinstance(refused(sql, statement, after, job["id"]), psycopg.errors.CheckViolation)


@pytest.mark.parametrize("status", ["processing", "completed", "failed"])
def test_a_job_starts_as_pending(sql: Calls, status: str) -> None:
    refused(
        sql,
        "insert into public.jobs (id, user_id, document_id, portal, slot, portal_version, request_hash, status)"
        " values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'neet-2026', 'photo', '2026.1', '', %s)",
        status,
    )


@pytest.mark.parametrize(
    "column", ["receipt", "artifacts", "warnings", "advice", "error_details", "lease_until", "executor_ref"]
)
def test_a_job_that_has_ended_stays_as_it_is(sql: Calls, column: str) -> None:
    for status in ("completed", "failed"):
        job = job_in(sql, status)
        value = {"lease_until": "2026-01-01", "executor_ref": "1"}.get(column, "[]")
        statement: LiteralString = f"update public.jobs set {column} = %s where id = %s"  # noqa: S608  names of ours
        assert "erasure" in str(refused(sql, statement, value, job["id"]))


@pytest.mark.parametrize(
    "change", ["portal = portal", "status = 'failed'", "attempt = attempt + 1", "ended_at = null", "receipt = '{}'"]
)
def test_erasure_takes_away_and_changes_nothing_else(sql: Calls, change: str) -> None:
    """Alone, an erasure must take the personal data; with it, nothing else may change."""
    job = job_in(sql, "completed")
    statement: LiteralString = f"update public.jobs set erased_at = now(), {change} where id = %s"  # noqa: S608  changes of ours
    assert "erasure" in str(refused(sql, statement, job["id"]))


@pytest.mark.parametrize(
    "change",
    ["user_id", "id", "document_id", "portal", "slot", "portal_version", "created_at"],
)
def test_whose_job_it_is_and_what_for_is_fixed(sql: Calls, change: str) -> None:
    job = job_in(sql, "processing")
    value = {"portal": "ibps", "slot": "signature", "portal_version": "1", "created_at": "2020-01-01"}
    statement: LiteralString = f"update public.jobs set {change} = %s where id = %s"  # noqa: S608  names of ours
    assert "fixed" in str(refused(sql, statement, value.get(change, new_id()), job["id"]))


def test_an_attempt_never_falls(sql: Calls) -> None:
    job = sql.job()
    sql.fail(job, retry=True)
    assert "never falls" in str(refused(sql, "update public.jobs set attempt = 1 where id = %s", job["id"]))


@pytest.mark.parametrize("status", STATES)
def test_a_job_is_never_deleted(sql: Calls, status: str) -> None:
    job = job_in(sql, status)
    refused(sql, "delete from public.jobs where id = %s", job["id"])
    refused(sql, "truncate public.jobs cascade")


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_is_append_only_is_neither_changed_nor_removed(sql: Calls, table: LiteralString) -> None:
    job = job_in(sql, "completed")
    for statement in (
        "update public.{} set created_at = now() where job_id = %s",
        "delete from public.{} where job_id = %s",
    ):
        error = refused(sql, statement.replace("{}", table), job["id"])
        assert isinstance(error, psycopg.errors.RestrictViolation)
    for statement in ("truncate public.{}", "truncate public.{} cascade"):
        error = refused(sql, statement.replace("{}", table))
        assert isinstance(error, psycopg.errors.RestrictViolation)


def test_deleting_a_user_leaves_the_ledger_alone(sql: Calls) -> None:
    """No foreign key leads from our tables to auth.users, so that nothing can cascade from there."""
    assert (
        sql.rows(
            "select conname from pg_constraint where contype = 'f' and confrelid = 'auth.users'::regclass"
            " or (contype = 'f' and confdeltype <> 'a' and connamespace = 'public'::regnamespace)"
        )
        == []
    )


@pytest.mark.parametrize(
    "change",
    ["balance = balance + 1", "reserved = 0", "balance = 0, reserved = 0", "user_id = gen_random_uuid()"],
)
def test_credits_change_by_an_entry_in_the_ledger_alone(sql: Calls, change: str) -> None:
    user = sql.user(3)
    sql.job(user)
    statement: LiteralString = f"update public.user_credits set {change} where user_id = %s"  # noqa: S608  changes of ours
    refused(sql, statement, user)
    refused(sql, "delete from public.user_credits where user_id = %s", user)
    refused(sql, "insert into public.user_credits (user_id, balance) values (%s, 5)", new_id())
    refused(sql, "truncate public.user_credits")


ENTRIES: list[LiteralString] = [
    "('grant', 0, null::uuid)",
    "('grant', -1, null::uuid)",
    "('grant', 1, (select id from public.jobs limit 1))",
    "('reserve', -2, (select id from public.jobs limit 1))",
    "('reserve', -1, null::uuid)",
    "('settle', 1, (select id from public.jobs limit 1))",
    "('refund', 2, (select id from public.jobs limit 1))",
    "('gift', 1, null::uuid)",
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_one_of_four_kinds_with_its_own_amount(sql: Calls, entry: LiteralString) -> None:
    sql.job()
    error = refused(
        sql,
        "insert into public.credit_ledger (user_id, kind, amount, job_id)"
        " select gen_random_uuid(), e.* from (values {}) e".replace("{}", entry),
    )
    assert isinstance(error, psycopg.errors.CheckViolation)


def test_a_job_has_one_reserve_and_one_end_in_the_ledger(sql: Calls) -> None:
    job = job_in(sql, "completed")
    entry: LiteralString = "insert into public.credit_ledger (user_id, job_id, kind, amount) values (%s, %s, %s, %s)"
    for kind, amount in (("reserve", -1), ("settle", 0), ("refund", 1)):
        error = refused(sql, entry, job["user_id"], job["id"], kind, amount)
        assert isinstance(error, psycopg.errors.UniqueViolation)


def test_a_credit_that_is_not_there_cannot_be_reserved(sql: Calls) -> None:
    job = sql.job(sql.user(1))
    other = sql.job(sql.user(1))
    assert isinstance(
        refused(
            sql,
            "insert into public.credit_ledger (user_id, job_id, kind, amount) values (%s, %s, 'refund', 1),"
            " (%s, %s, 'settle', 0)",
            job["user_id"],
            job["id"],
            job["user_id"],
            other["id"],
        ),
        psycopg.errors.CheckViolation,
    )


def test_an_entry_for_a_job_that_does_not_exist_is_refused(sql: Calls) -> None:
    error = refused(
        sql,
        "insert into public.credit_ledger (user_id, job_id, kind, amount) values (%s, %s, 'settle', 0)",
        sql.user(3),
        new_id(),
    )
    assert isinstance(error, psycopg.errors.CheckViolation | psycopg.errors.ForeignKeyViolation)


def test_a_job_has_one_source(sql: Calls) -> None:
    job = job_in(sql, "processing")
    error = refused(sql, "update public.jobs set artifact_url = 'https://example.org' where id = %s", job["id"])
    assert isinstance(error, psycopg.errors.CheckViolation)
    refused(sql, "update public.jobs set raw_path = null where id = %s", job["id"])


def test_every_change_makes_a_new_version_of_the_row(sql: Calls) -> None:
    job = sql.job()
    sql("job_progress", job_id=job["id"], attempt=1, stage="ocr")
    row = sql.row(job["id"])
    assert (row["row_version"], row["updated_at"] > job["updated_at"]) == (job["row_version"] + 1, True)
