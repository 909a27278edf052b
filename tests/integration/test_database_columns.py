"""Every column of the database is one of a person or none: what of it is left when the account is erased."""

from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from tests.support.database_calls import Calls, handed_out

NOBODYS = {"portal_schemas", "portal_aliases", "rules", "counters", "key_fingerprints", "account_key"}
"""Tables of the service alone."""
EMPTIED = {"uploads", "documents", "queue", "removals", "erasures", "metrics"}
"""Tables that hold nothing of an erased account, once its files are gone (`metrics`, which name a job, in 90 days)."""

TAKEN, FRESH, BOOKS = "taken", "fresh", "books"
"""Nulled or emptied; replaced by an id that leads to nobody; kept, because it tells what happened and not to whom."""
COLUMNS: dict[str, dict[str, str]] = {
    "jobs": {
        **dict.fromkeys(
            (
                *("raw_path", "raw_paths", "artifact_url", "mime_type", "original_filename", "options", "advice"),
                *("idempotency_key", "request_hash", "kid", "wrapped_key", "input_kid", "input_wrapped_key"),
                *("quality_score", "conforms", "warnings", "artifacts", "hashes", "metrics", "receipt", "executor_ref"),
                *("lease_until", "not_before", "claim", "claim_until"),
            ),
            TAKEN,
        ),
        "user_id": FRESH,
        **dict.fromkeys(
            (
                *("id", "document_id", "status", "stage", "attempt", "portal", "slot", "portal_version", "rules_hash"),
                *("dispatched_at", "started_at", "submitted_at", "executor", "awaiting_dispatch", "packaging_failures"),
                *("error_details", "ended_at", "erased_at", "row_version", "created_at", "updated_at"),
            ),
            BOOKS,
        ),
    },
    "credit_ledger": {
        "user_id": FRESH,
        **dict.fromkeys(("id", "job_id", "kind", "amount", "created_at", "granted_as"), BOOKS),
    },
    "user_credits": {
        "user_id": FRESH,
        **dict.fromkeys(
            (
                *("balance", "reserved", "opened_at", "updated_at", "is_guest"),
                *("usage_day", "failures_today", "bytes_today", "posts_until", "polls"),
            ),
            BOOKS,
        ),
    },
    "operator_events": {
        "user_id": FRESH,
        **dict.fromkeys(("id", "act", "actor", "database_role", "job_id", "details", "created_at"), BOOKS),
    },
    "cpu_usage": dict.fromkeys(("job_id", "attempt", "stage", "cpu_ms", "created_at"), BOOKS),
    "erased_accounts": dict.fromkeys(("mac", "receipt_id", "jobs", "uploads", "objects", "erased_at"), BOOKS),
}
EMPTY: tuple[object, ...] = (None, "", [], {})
NEEDLES = (
    *("scan.jpg", "0.123456", "key-of-a-person", "ref-of-a-person", "AAAAAAAA", "advice-of-a-person"),
    *("hash-of-a-person", "receipt-of-a-person", "words-of-a-person"),
)


@pytest.fixture
def erased(sql: Calls) -> dict[str, Any]:
    """Jobs that ended well and badly with all that a job can hold, as they were, and erased with their account."""
    user = sql.user(9)
    done, failed = (
        sql.job(user, idempotency_key=f"key-of-a-person-{n}", options={"face": {"x": 0.123456, "y": 0.5}})
        for n in range(2)
    )
    for job in (done, failed):
        sql("job_submitted", job_id=job["id"], attempt=1, executor="camber", executor_ref="ref-of-a-person")
    receipt, advice = {"conforms": True, "of": "receipt-of-a-person"}, [{"code": "advice-of-a-person"}]
    hashes = {"document": "hash-of-a-person"}
    claim = sql.claim(done)["claim"]
    assert sql.finish(done, claim, receipt=receipt, advice=advice, hashes=hashes)["outcome"] == "completed"
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "words-of-a-person", "retryable": False}
    sql.fail(failed, error={**error, "detail": {"what": "words-of-a-person"}})
    sql.upload(user)
    sql("operator_credits_grant", user_id=user, amount=1, actor="root@host")
    before = [sql.row(job["id"]) for job in (done, failed)]
    assert sql("account_erase", user_id=user, actor="root@host")["outcome"] == "erased"
    return {"user": user, "before": before, "after": [sql.row(job["id"]) for job in (done, failed)]}


def columns(sql: Calls) -> dict[str, set[str]]:
    """All columns of all tables."""
    found: dict[str, set[str]] = {}
    for table, column in sql.rows(
        "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0"
        " and not a.attisdropped"
    ):
        found.setdefault(table, set()).add(column)
    return found


def test_every_column_of_a_table_that_keeps_rows_of_people_is_classified(sql: Calls) -> None:
    kept = {table: names for table, names in columns(sql).items() if table not in NOBODYS | EMPTIED}
    assert kept == {table: set(classes) for table, classes in COLUMNS.items()}


def test_what_leads_to_a_person_is_taken_from_the_rows_that_stay(erased: dict[str, Any]) -> None:
    taken = [name for name, what in COLUMNS["jobs"].items() if what is TAKEN]
    assert {name: row[name] for row in erased["after"] for name in taken if row[name] not in EMPTY} == {}


def test_what_is_taken_was_there(erased: dict[str, Any]) -> None:
    """But for what a job in these states never has: other sources, and who runs or settles it."""
    never = {"raw_paths", "artifact_url", "input_kid", "input_wrapped_key", "lease_until", "not_before", "claim"}
    taken = {name for name, what in COLUMNS["jobs"].items() if what is TAKEN} - never - {"claim_until", "mime_type"}
    assert taken - {name for row in erased["before"] for name in taken if row[name] not in EMPTY} == set()


@pytest.mark.parametrize("table", [table for table, classes in COLUMNS.items() if FRESH in classes.values()])
def test_ids_of_people_are_replaced_by_one_that_is_nobodys(sql: Calls, erased: dict[str, Any], table: str) -> None:
    query = SQL("select distinct user_id::text from public.{} where user_id is not null").format(Identifier(table))
    assert sql.connection.execute(query).fetchall() == [(erased["after"][0]["user_id"],)]


def test_no_row_of_any_table_holds_a_trace_once_the_files_are_gone(sql: Calls, erased: dict[str, Any]) -> None:
    """A search over all rows of all tables, so that no column is forgotten."""
    for wait_s in (0, 3_601, 24 * 3_600):
        sql.advance(wait_s)
        while removals := handed_out(sql):
            sql("removals_done", job_ids=list(removals))
    for table in columns(sql):
        for needle in (erased["user"], *NEEDLES):
            query = SQL("select from public.{} t where to_jsonb(t)::text like %s").format(Identifier(table))
            assert sql.connection.execute(query, [f"%{needle}%"]).rowcount == 0, (table, needle)


def test_each_trace_was_there(erased: dict[str, Any]) -> None:
    assert [needle for needle in NEEDLES if needle not in str(erased["before"])] == []
