"""Every method of `ports.Database`, by each way to the same Postgres, with the same answers."""

import datetime as dt
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest

from rythmiq.adapters.database import SqlDatabase, Transport
from rythmiq.ports import AccountErasedError
from rythmiq.ports.database import Capacity, Database
from tests.support.database_clients import (
    NO_ROOM,
    ROOM,
    WAYS,
    Steps,
    caller,
    finish,
    new_id,
    new_job,
    new_upload,
    transport_by,
)
from tests.support.postgres_fixture import PostgresForTests

ERROR = {"code": "OCR_FAILED", "stage": "ocr", "message": "the engine ended", "retryable": False, "detail": {"n": 1}}


@dataclass(frozen=True)
class Reached:
    """A database, and a way to it."""

    url: str
    transport: Transport


@pytest.fixture(scope="module", params=WAYS)
def reached(request: pytest.FixtureRequest, postgres: PostgresForTests) -> Iterator[Reached]:
    with postgres.database() as url, transport_by(request.param, url) as transport:
        yield Reached(url, transport)


@pytest.fixture
def database(reached: Reached) -> Iterator[SqlDatabase]:
    yield SqlDatabase(reached.transport)
    # The queue is everybody's: whoever waits in it would be started by the next test.
    with psycopg.connect(reached.url) as connection:
        connection.execute("update jobs set not_before = 'infinity' where awaiting_dispatch")
        connection.execute("update jobs set status = 'processing' where status = 'pending'")


@pytest.fixture
def steps(database: SqlDatabase) -> Steps:
    return Steps(database)


@pytest.fixture
def user_id() -> str:
    return new_id()


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


# --- creating --------------------------------------------------------------------------------------------------------


def test_a_job_with_room_is_started_with_everything_that_dispatch_needs(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    job = new_job(upload)
    created = database.job_create(job, ROOM)
    started = created.started
    assert (created.outcome, created.job_id, created.status) == ("created", upload.job_id, "processing")
    assert started is not None
    assert (started.job_id, started.user_id, started.attempt) == (upload.job_id, user_id, 1)
    assert (started.document_id, started.raw_path, started.kid) == (job.document_id, upload.raw_path, upload.kid)
    assert started.wrapped_key == upload.wrapped_key
    assert (started.portal, started.slot, started.options) == ("upsc-2026", "photo", {"rotate": 90})
    assert started.schema_definition["kind"] == "photo"
    assert started.created_at.utcoffset() == started.dispatched_at.utcoffset() == dt.timedelta(0)


def test_a_job_without_room_waits(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    created = database.job_create(new_job(upload), NO_ROOM)
    assert (created.outcome, created.status, created.started) == ("created", "pending", None)


def test_a_refused_job_says_why(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=0)
    refused = database.job_create(new_job(upload, initial_credits=0), ROOM)
    assert (refused.outcome, refused.job_id, refused.started) == ("no_credit", None, None)
    assert database.job_create(new_job(upload, portal="no-such"), ROOM).outcome == "portal_unknown"
    assert database.job_create(new_job(upload, object_bytes=None), ROOM).outcome == "object_missing"


def test_an_option_that_the_slot_does_not_allow_is_named_with_the_source_of_its_rule(
    database: SqlDatabase, user_id: str
) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    refused = database.job_create(new_job(upload, slot="photo", options={"background": "white"}), ROOM)
    assert (refused.outcome, refused.job_id) == ("option_refused", None)
    assert [entry.option for entry in refused.refused] == ["background"]
    assert database.job_create(new_job(upload, options={"face": {"x": 0.5, "y": 0.25}}), ROOM).outcome == "created"


def test_several_uploads_are_one_job_and_dispatch_learns_of_each_with_its_key(
    database: SqlDatabase, user_id: str
) -> None:
    uploads = [new_upload(user_id, wrapped_key=key) for key in ("d3JhcHBlZA==", "b3RoZXI=")]
    for upload in uploads:
        database.upload_create(upload, initial_credits=3)
    paths = tuple(upload.raw_path for upload in uploads)
    job = replace(
        new_job(uploads[0], portal="aadhaar-update", slot="document-pdf"),
        raw_path=None,
        raw_paths=paths,
        object_bytes=None,
        objects_bytes=(1_124, 1_124),
    )
    created = database.job_create(job, ROOM)
    started = created.started
    assert (created.outcome, created.job_id) == ("created", uploads[0].job_id)
    assert started is not None
    assert (started.raw_path, started.raw_paths) == (None, paths)
    assert [(entry.kid, entry.wrapped_key) for entry in started.inputs or ()] == [(1, "d3JhcHBlZA=="), (1, "b3RoZXI=")]
    assert database.job_create(job, ROOM).outcome == "replayed"
    assert {database.upload_get(user_id, upload.job_id).outcome for upload in uploads} == {"claimed"}


def test_a_job_from_a_url_has_its_own_id_and_key(database: SqlDatabase, user_id: str) -> None:
    job = replace(
        new_job(new_upload(user_id)),
        raw_path=None,
        object_bytes=None,
        artifact_url="https://a/b",
        kid=2,
        wrapped_key="eA==",
    )
    created = database.job_create(job, ROOM)
    assert created.started is not None
    assert (created.job_id, created.started.artifact_url) == (job.job_id, "https://a/b")
    assert (created.started.raw_path, created.started.kid, created.started.wrapped_key) == (None, 2, "eA==")


def test_text_that_postgres_cannot_store_is_stored_without_what_it_cannot(database: SqlDatabase, user_id: str) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    job = new_job(upload, original_filename="a\0b\ud800c.jpg", options={"note\0": "\udfff"})
    started = database.job_create(job, ROOM).started
    assert started is not None
    assert started.original_filename == "a\ufffdb\ufffdc.jpg"
    assert started.options == {"note\ufffd": "\ufffd"}


@pytest.mark.parametrize(
    "name", ["o'clock", "back\\slash", 'quo"ted', "per%cent%s", "$$; drop table jobs; --", "नमस्ते 🙂"]
)
def test_text_arrives_as_it_was_sent(database: SqlDatabase, user_id: str, name: str) -> None:
    upload = new_upload(user_id)
    database.upload_create(upload, initial_credits=3)
    started = database.job_create(new_job(upload, original_filename=name, options={name: [name]}), ROOM).started
    assert started is not None
    assert (started.original_filename, started.options) == (name, {name: [name]})


# --- an attempt ------------------------------------------------------------------------------------------------------


def test_the_executors_word_is_kept_for_the_current_attempt_only(
    database: SqlDatabase, steps: Steps, user_id: str
) -> None:
    job_id, _ = steps.processing(user_id)
    assert database.job_submitted(job_id, 1, executor="local", executor_ref="17") is True
    assert database.job_submitted(job_id, 2, executor="local", executor_ref="18") is False
    inspected = database.job_inspect(job_id)
    assert inspected is not None
    assert (inspected.executor, inspected.executor_ref) == ("local", "17")


def test_progress_sets_the_stage_of_the_current_attempt_only(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id, _ = steps.processing(user_id)
    assert database.job_progress(job_id, 1, "ocr") is True
    assert database.job_progress(job_id, 2, "schema") is False
    row = database.job_get(caller(user_id), job_id)
    assert row is not None
    assert row.stage == "ocr"


def test_a_lease_is_extended_for_the_current_attempt_only(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id, _ = steps.processing(user_id)
    before = database.job_inspect(job_id)
    assert database.job_extend(job_id, 1, lease_s=200_000) is True
    assert database.job_extend(job_id, 2, lease_s=200_000) is False
    after = database.job_inspect(job_id)
    assert before is not None
    assert after is not None
    assert before.lease_until is not None
    assert after.lease_until is not None
    assert after.lease_until > before.lease_until


# --- settling --------------------------------------------------------------------------------------------------------


def test_a_settlement_is_claimed_once(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id, document_id = steps.processing(user_id)
    claim = database.job_claim_settlement(job_id, None, user_id=user_id, document_id=document_id)
    assert claim.outcome == "claimed"
    assert claim.claim
    assert claim.job is not None
    assert (claim.job.job_id, claim.job.document_id, claim.job.packaging_failures) == (job_id, document_id, 0)
    again = database.job_claim_settlement(job_id, 1, user_id=user_id, document_id=document_id)
    assert (again.outcome, again.claim, again.job) == ("busy", None, None)


def test_a_claim_given_back_counts_a_failure_of_packaging(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id, claim = steps.claimed(user_id)
    assert database.job_release_settlement(job_id, str(claim.claim)) == 1


def test_a_success_completes_the_job_and_keeps_all_that_it_said(
    database: SqlDatabase, steps: Steps, user_id: str
) -> None:
    job_id, claim = steps.claimed(user_id)
    done = finish(job_id, str(claim.claim))
    assert database.job_finish(done, NO_ROOM).outcome == "completed"
    assert database.job_finish(done, NO_ROOM).outcome == "terminal"
    row = database.job_get(caller(user_id), job_id)
    assert row is not None
    assert (row.status, row.quality_score, row.conforms) == ("completed", done.quality_score, True)
    assert (row.warnings, row.artifacts, row.receipt) == (done.warnings, done.artifacts, done.receipt)
    assert row.advice == done.advice


def test_a_failure_that_may_be_tried_again_leaves_the_job_processing(
    database: SqlDatabase, steps: Steps, user_id: str
) -> None:
    job_id, _ = steps.processing(user_id)
    ended = database.job_fail_attempt(job_id, 1, error=ERROR, metrics=None, retry=True, capacity=NO_ROOM)
    assert ended.outcome == "retrying"
    row = database.job_inspect(job_id)
    assert row is not None
    assert (row.status, row.attempt) == ("processing", 2)


def test_a_failure_ends_the_job_with_its_whole_error_and_starts_the_next(
    database: SqlDatabase, steps: Steps, user_id: str
) -> None:
    job_id, _ = steps.processing(user_id)
    waiting = steps.pending(user_id)
    metrics = {"stages": [{"stage": "ocr", "wall_ms": 5, "cpu_ms": 4}]}
    ended = database.job_fail_attempt(job_id, 1, error=ERROR, metrics=metrics, retry=False, capacity=ROOM)
    assert ended.outcome == "failed"
    assert ended.work.dispatch is not None
    assert ended.work.dispatch.job_id == waiting
    row = database.job_get(caller(user_id), job_id)
    assert row is not None
    assert row.error is not None
    assert {name: row.error[name] for name in ERROR} == ERROR


def test_a_failure_that_holds_the_claim_may_end_the_job(database: SqlDatabase, steps: Steps, user_id: str) -> None:
    job_id, claim = steps.claimed(user_id)
    told = {"error": ERROR, "metrics": None, "retry": False, "capacity": NO_ROOM}
    assert database.job_fail_attempt(job_id, 1, **told).outcome == "busy"  # type: ignore[arg-type]
    assert database.job_fail_attempt(job_id, 1, **told, claim=claim.claim).outcome == "failed"  # type: ignore[arg-type]


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
