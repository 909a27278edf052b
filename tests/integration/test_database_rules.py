"""A job runs all its attempts under the rules that it was created with."""

from typing import Any

import psycopg
import pytest

from tests.support.database_calls import PORTAL, Calls

SLOT = (PORTAL["portal"], PORTAL["slot"])
UPLOAD_FAILED = {"code": "UPLOAD_FAILED", "stage": "upload", "message": "no", "retryable": True, "detail": None}


def change_rules(sql: Calls) -> None:
    """What nobody should do: write other rules under the version that jobs have."""
    changed = (
        "update public.portal_schemas set name = 'Another', schema_definition = '{\"output_format\": \"pdf\"}'"
        " where portal = %s and slot = %s"
    )
    sql.connection.execute(changed, SLOT)


def next_attempt(sql: Calls, job: dict[str, Any]) -> dict[str, Any]:
    """End an attempt that may be repeated, and start the next one; what a dispatch is told of it."""
    sql("job_fail_attempt", job_id=job["id"], attempt=1, error=UPLOAD_FAILED, metrics=None, retry=True, **sql.capacity)
    sql.advance(60)
    dispatch: dict[str, Any] = sql("jobs_tick", **sql.capacity)["dispatch"]
    assert (dispatch["job_id"], dispatch["attempt"]) == (str(job["id"]), 2)
    return dispatch


def test_a_retry_runs_under_the_rules_of_the_first_attempt(sql: Calls) -> None:
    created = sql.create(sql.user())["started"]
    change_rules(sql)
    again = next_attempt(sql, {"id": created["job_id"]})
    assert again["schema_definition"] == created["schema_definition"]
    assert again["portal_name"] == created["portal_name"]


def test_a_job_that_waited_starts_under_the_rules_of_its_creation(sql: Calls) -> None:
    current = "select schema_definition from public.portal_schemas where portal = %s and slot = %s and is_current"
    rules = sql.value(current, *SLOT)
    sql.capacity["max_inflight"] = 0
    assert sql.create(sql.user())["started"] is None
    change_rules(sql)
    sql.capacity["max_inflight"] = 4
    assert sql("jobs_tick", **sql.capacity)["dispatch"]["schema_definition"] == rules


def test_a_job_that_is_created_later_runs_under_the_rules_of_then(sql: Calls) -> None:
    sql.create(sql.user())
    change_rules(sql)
    assert sql.create(sql.user())["started"]["schema_definition"] == {"output_format": "pdf"}


def test_equal_rules_are_kept_once(sql: Calls) -> None:
    for _ in range(3):
        sql.create(sql.user())
    assert sql.value("select count(*) from public.rules") == 1


def test_the_document_of_a_job_is_looked_for_under_the_name_of_its_own_rules(sql: Calls) -> None:
    user = sql.user()
    job = sql.job(user)
    change_rules(sql)
    sql.fail(job)
    keys = sql("job_delete", user_id=user, job_id=job["id"], **sql.capacity)["keys"]
    assert [key for key in keys if "_document." in key] == [key for key in keys if "_document.jpg" in key] != []


@pytest.mark.parametrize(
    "change",
    [
        "update public.rules set schema_definition = '{}'",
        "delete from public.rules",
        "truncate public.rules cascade",
        "update public.jobs set rules_hash = null",
    ],
)
def test_kept_rules_and_the_pin_of_a_job_never_change(sql: Calls, change: str) -> None:
    sql.create(sql.user())
    with pytest.raises(psycopg.errors.IntegrityError), sql.connection.transaction():
        sql.connection.execute(change.encode())
