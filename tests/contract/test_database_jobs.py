"""A job through `ports.Database`, from its creation to its end, by each way to the same Postgres."""

import datetime as dt
from dataclasses import replace

import pytest

from rythmiq.adapters.database import SqlDatabase
from tests.support.database_clients import (
    NO_ROOM,
    ROOM,
    Steps,
    caller,
    finish,
    new_job,
    new_upload,
)
from tests.support.database_ways import ERROR, database, reached, steps, user_id

__all__ = ["database", "reached", "steps", "user_id"]


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
