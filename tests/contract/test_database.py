"""Every method of `ports.Database`, by each way to the same Postgres, with the same answers."""

import inspect
from typing import TYPE_CHECKING

import psycopg
import pytest

from rythmiq.adapters.database import SqlDatabase
from rythmiq.ports import AccountErasedError
from rythmiq.ports.database import Capacity, Database
from tests.support.database_clients import (
    NO_ROOM,
    ROOM,
    Steps,
    caller,
    new_id,
    new_job,
    new_upload,
)
from tests.support.database_ways import Reached, database, reached, steps, user_id

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["database", "reached", "steps", "user_id"]


def test_the_adapter_has_every_method_of_the_port_with_its_parameters() -> None:
    for name, method in inspect.getmembers(Database, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(SqlDatabase, name)) == inspect.signature(method), name


# --- uploads ---------------------------------------------------------------------------------------------------------


def test_an_upload_is_written_and_found_as_it_was(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id)
    created = database.upload_create(upload, initial_credits=3)
    assert (created.outcome, created.upload) == ("created", upload)
    found = database.upload_get(user_id, upload.job_id)
    assert (found.outcome, found.upload) == ("found", upload)


def test_an_upload_without_a_key_has_none(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id, kid=None, wrapped_key=None)
    database.upload_create(upload, initial_credits=3)
    assert database.upload_get(user_id, upload.job_id).upload == upload


def test_an_upload_of_a_job_is_claimed(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    assert database.upload_get(user_id, steps.pending(user_id)).outcome == "claimed"


def test_an_upload_without_a_job_is_deleted_and_one_with_a_job_is_not(
    database: SqlDatabase, steps: Steps, user_id: str
) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    assert database.upload_delete(new_id(), upload.job_id).outcome == "unknown"
    for outcome in ("deleted", "gone"):
        deletion = database.upload_delete(user_id, upload.job_id)
        assert (deletion.outcome, deletion.keys) == (outcome, (upload.raw_path,))
    assert database.upload_delete(user_id, steps.pending(user_id)).outcome == "claimed"


def test_another_users_upload_is_unknown(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    found = database.upload_get(new_id(), upload.job_id)
    assert (found.outcome, found.upload) == ("unknown", None)


# --- the queue -------------------------------------------------------------------------------------------------------


def test_a_tick_starts_a_waiting_job(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id = steps.pending(user_id)
    work = database.jobs_tick(ROOM)
    assert work.overdue is None
    assert work.dispatch is not None
    assert work.dispatch.job_id == job_id
    assert set(work.purged) == {"uploads", "metrics"}


def test_a_tick_hands_out_one_overdue_job(database: SqlDatabase, steps: Steps, user_id: str, reached: Reached) -> None:
    job_id, _ = steps.processing(user_id)
    database.job_submitted(job_id, 1, executor="local", executor_ref="17")
    with psycopg.connect(reached.url) as connection:
        connection.execute("update jobs set lease_until = now() - interval '1 s' where id = %s", [job_id])
    overdue = database.jobs_tick(ROOM).overdue
    assert overdue is not None
    assert (overdue.job_id, overdue.executor, overdue.executor_ref) == (job_id, "local", "17")
    assert database.jobs_tick(ROOM).overdue is None


def test_a_tick_with_nothing_to_do_says_so(database: SqlDatabase) -> None:
    work = database.jobs_tick(Capacity())
    assert (work.overdue, work.dispatch) == (None, None)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_waiting_job_shows_its_place_in_the_queue(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    row = database.job_get(caller(user_id), steps.pending(user_id))
    assert row is not None
    assert (row.status, row.attempt, row.sealed) == ("pending", 0, True)
    assert row.queue_position is not None
    assert (row.artifacts, row.receipt, row.error) == (None, None, None)


def test_an_unknown_job_is_none(database: SqlDatabase, user_id: str) -> None:
    assert database.job_get(caller(user_id), new_id()) is None
    assert database.job_inspect(new_id()) is None
    assert database.job_key(user_id, new_id()) is None


def test_a_list_is_newest_first_and_goes_on_where_it_ended(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    made = [steps.pending(user_id) for _ in range(3)]
    who = caller(user_id)
    first = database.jobs_list(who, status=None, limit=2, before=None)
    assert [row.job_id for row in first] == made[:0:-1]
    rest = database.jobs_list(who, status=None, limit=2, before=(first[-1].created_at, first[-1].job_id))
    assert [row.job_id for row in rest] == made[:1]


def test_a_list_can_be_of_one_status(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    pending = steps.pending(user_id)
    assert [r.job_id for r in database.jobs_list(caller(user_id), status="pending", limit=9, before=None)] == [pending]
    assert database.jobs_list(caller(user_id), status="completed", limit=9, before=None) == ()


def test_the_data_key_of_ones_own_job_is_the_uploads(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id = steps.pending(user_id)
    key = database.job_key(user_id, job_id)
    assert key is not None
    assert (key.kid, key.wrapped_key) == (1, "d3JhcHBlZA==")
    assert database.job_key(new_id(), job_id) is None


# --- deleting --------------------------------------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_with_its_refund(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id = steps.pending(user_id)
    assert database.job_delete(user_id, job_id, NO_ROOM).outcome == "cancelled"
    account = database.account(user_id, initial_credits=3)
    assert (account.balance, account.reserved) == (3, 0)


def test_a_completed_job_is_erased_after_its_objects(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id = steps.completed(user_id)
    deletion = database.job_delete(user_id, job_id, NO_ROOM)
    assert deletion.outcome == "erasable"
    assert "o" in deletion.keys
    database.job_erase(user_id, job_id)
    assert database.job_get(caller(user_id), job_id) is None
    assert database.job_delete(user_id, job_id, NO_ROOM).outcome == "gone"


# --- accounts ------------------------------------------------------------------------------------------------------


def test_an_erased_account_is_refused_by_every_call_over_either_way(
    database: SqlDatabase, steps: Steps, user_id: str
) -> None:
    job_id = steps.completed(user_id)
    exported = database.account_export(user_id, actor="asha@desk")
    assert [job["id"] for job in exported["jobs"]] == [job_id]
    erasure = database.account_erase(user_id, actor="asha@desk")
    assert (erasure.outcome, erasure.jobs, erasure.uploads) == ("erased", 1, 1)
    assert database.account_erase(user_id).outcome == "gone"
    calls: tuple[Callable[[], object], ...] = (
        lambda: database.account(user_id, initial_credits=3),
        lambda: database.upload_create(new_upload(user_id), initial_credits=3),
        lambda: database.upload_get(user_id, job_id),
        lambda: database.upload_delete(user_id, job_id),
        lambda: database.job_create(new_job(new_upload(user_id)), ROOM),
        lambda: database.job_delete(user_id, job_id, NO_ROOM),
        lambda: database.job_get(caller(user_id), job_id),
        lambda: database.jobs_list(caller(user_id), status=None, limit=9, before=None),
        lambda: database.credits_grant(user_id, 1, actor="asha@desk"),
        lambda: database.account_export(user_id, actor="asha@desk"),
    )
    for one in calls:
        with pytest.raises(AccountErasedError):
            one()


def test_an_operator_s_acts_are_read_newest_first(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    error = {"code": "EXECUTOR_CANCELLED", "stage": "dispatch", "message": "x", "retryable": True, "detail": None}
    job_id = steps.pending(user_id)
    database.credits_grant(user_id, 2, actor="asha@desk")
    assert database.job_end(job_id, error=error, capacity=NO_ROOM, actor="asha@desk").outcome == "failed"
    ended, granted = database.operator_events(2)
    assert (ended.act, ended.job_id, ended.user_id, ended.actor) == ("job.end", job_id, user_id, "asha@desk")
    assert (granted.act, granted.details, granted.database_role) == (
        "credits.grant",
        {"amount": 2},
        ended.database_role,
    )


# --- credits ---------------------------------------------------------------------------------------------------------


def test_the_first_look_at_an_account_grants_its_credits_once(database: SqlDatabase, user_id: str) -> None:
    for _ in range(2):
        account = database.account(user_id, initial_credits=3)
        assert (account.balance, account.reserved) == (3, 0)
    assert [(entry.kind, entry.amount, entry.job_id) for entry in account.entries] == [("grant", 3, None)]


def test_a_look_that_grants_nothing_grants_nothing(database: SqlDatabase, user_id: str) -> None:
    account = database.account(user_id, initial_credits=None)
    assert (account.balance, account.reserved, account.entries) == (0, 0, ())


def test_credits_are_granted_and_reserved(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    assert database.credits_grant(user_id, 5).balance == 5
    job_id = steps.pending(user_id)
    account = database.account(user_id, initial_credits=3)
    assert (account.balance, account.reserved) == (7, 1)
    assert ("reserve", -1, job_id) in {(entry.kind, entry.amount, entry.job_id) for entry in account.entries}


# --- operators -------------------------------------------------------------------------------------------------------


def test_an_operator_finds_anybodys_jobs(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id, other = steps.pending(user_id), steps.pending(new_id())
    assert [row.job_id for row in database.jobs_search(status=None, user_id=None, limit=2)] == [other, job_id]
    assert [row.job_id for row in database.jobs_search(status="pending", user_id=user_id, limit=9)] == [job_id]
    assert database.jobs_search(status="failed", user_id=user_id, limit=9) == ()


def test_the_snapshot_counts_jobs(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    assert database.metrics_snapshot()["jobs"]["pending"] == 0
    steps.pending(user_id)
    assert database.metrics_snapshot()["jobs"]["pending"] == 1


def test_health_says_which_migration_is_in(database: SqlDatabase) -> None:
    assert database.health()["schema_version"] >= 1
