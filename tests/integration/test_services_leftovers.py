"""What an attempt leaves for the service goes once it has settled, and what the store puts back is noticed (L4)."""

import datetime as dt

import pytest

from rythmiq.contracts.errors import AccessDeniedError
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from tests.support.memory import Fault
from tests.support.service_rig import DOCUMENT, LEASE_S, PHOTO, PREVIEW, TEXT, Rig, User, sha256

DAY_S = 24 * 60 * 60


def service_objects(rig: Rig) -> set[str]:
    """Dispatch and result objects, by attempt."""
    return {key.rpartition("/")[2] for key in rig.store.objects if "/dispatch-a" in key or "/result-a" in key}


def test_order_and_result_of_a_completed_attempt_are_gone_once_it_stands(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    done = rig.work(job_id)
    rig.store_result(done)
    assert service_objects(rig) == {"dispatch-a1.json.enc", "result-a1.json.enc"}
    assert rig.webhooks.receive(done) == "completed"
    assert service_objects(rig) == set()


@pytest.mark.parametrize(("retryable", "outcome"), [(True, "retrying"), (False, "failed")])
def test_so_are_those_of_a_failed_attempt(rig: Rig, user: User, *, retryable: bool, outcome: str) -> None:
    job_id = rig.create(user).job_id
    failed = rig.failure(job_id, code="UPLOAD_FAILED", stage="upload", retryable=retryable)
    rig.store_result(failed)
    assert rig.webhooks.receive(failed) == outcome
    assert service_objects(rig) == set()


def test_so_are_those_that_the_reconciler_settles(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    rig.store_result(rig.work(job_id))
    rig.advance(LEASE_S + 1)
    rig.loop.tick()
    assert rig.row(job_id)["status"] == "completed"
    assert service_objects(rig) == set()


def test_so_is_the_order_that_an_executor_refuses(rig: Rig, user: User) -> None:
    rig.executor.plan("reject")
    job_id = rig.create(user).job_id
    assert rig.row(job_id)["status"] == "failed"
    assert service_objects(rig) == set()


def test_a_report_that_settles_nothing_removes_nothing(rig: Rig, user: User) -> None:
    """Of another attempt, and of one whose packaging fails for now."""
    job_id = rig.create(user).job_id
    done = rig.work(job_id)
    rig.store_result(done)
    kept = service_objects(rig)
    with pytest.raises(ProblemError):
        rig.webhooks.receive(rig.report(done.result, job_id, 2))
    assert service_objects(rig) == kept
    preview = next(key for key in rig.store.objects if key.endswith("preview.jpg.enc"))
    del rig.store.objects[preview]
    with pytest.raises(ProblemError):
        rig.webhooks.receive(done)
    assert service_objects(rig) == kept


def test_a_store_that_refuses_does_not_undo_a_settlement(
    rig: Rig, user: User, capfd: pytest.CaptureFixture[str]
) -> None:
    job_id = rig.create(user).job_id
    failed = rig.failure(job_id)
    rig.store_result(failed)
    rig.store.plan(Fault("delete", AccessDeniedError("by plan")))
    assert rig.webhooks.receive(failed) == "failed"
    assert "clear_up_trouble" in capfd.readouterr().err


def test_a_result_that_comes_late_is_removed_when_its_token_has_expired(rig: Rig, user: User) -> None:
    """A launcher that was slow stores it again; nobody reads it any more."""
    job_id = rig.create(user).job_id
    done = rig.work(job_id)
    assert rig.webhooks.receive(done) == "completed"
    rig.store_result(done)
    for _ in range(3):
        rig.advance(3_600)
        rig.loop.tick()
    assert service_objects(rig) == {"result-a1.json.enc"}
    rig.advance(DAY_S)
    rig.loop.tick()
    assert service_objects(rig) == set()
    rig.advance(DAY_S)
    assert rig.loop.tick().reconciled == 0
    assert rig.sql("select from public.removals") == []


def test_so_are_those_of_every_attempt_of_a_job_that_failed(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    first = rig.failure(job_id, code="UPLOAD_FAILED", stage="upload", retryable=True)
    rig.webhooks.receive(first)
    rig.advance(60)
    rig.loop.tick()
    second = rig.failure(job_id, 2)
    assert rig.webhooks.receive(second) == "failed"
    rig.store_result(first)
    rig.store_result(second)
    rig.advance(DAY_S + 3_600)
    for _ in range(4):
        rig.loop.tick()
    assert service_objects(rig) == set()


def test_a_replay_on_an_ended_job_is_answered_without_a_look_at_the_store(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    done = rig.work(job_id)
    assert rig.webhooks.receive(done) == "completed"
    before = len(rig.store.calls)
    assert rig.webhooks.receive(done) == "terminal"
    assert rig.webhooks.receive(rig.failure(job_id)) == "terminal"
    assert len(rig.store.calls) == before


# --- hashes ---------------------------------------------------------------------------------------------------------


def test_the_owner_is_shown_the_hashes_of_what_was_made(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    rig.webhooks.receive(rig.work(job_id))
    view = rig.view(user, job_id)
    assert view.hashes is not None
    zipped = view.hashes["output"]
    assert view.hashes == {
        "preview": sha256(PREVIEW),
        "document": sha256(DOCUMENT),
        "text": sha256(TEXT),
        "master": sha256(PHOTO),
        "output": zipped,
    }
    assert len(zipped) == 64


def test_without_a_text_there_is_no_hash_of_one(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    rig.webhooks.receive(rig.work(job_id, text=False))
    view = rig.view(user, job_id)
    assert view.hashes is not None
    assert "text" not in view.hashes


@pytest.mark.parametrize("name", ["preview.jpg.enc", "_text.txt.enc", "_document.jpg.enc", "master"])
def test_an_older_object_in_its_place_is_not_packed(
    rig: Rig, user: User, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """L4: sealed with the job's own key for that very place, as an earlier attempt would have left it."""
    job_id = rig.create(user).job_id
    dispatch = rig.dispatch_of(rig.order(job_id))
    done = rig.work(job_id)
    (key,) = (
        key for key in rig.store.objects if (key.endswith(name) or key.startswith(f"{name}/")) and "before" not in key
    )
    rig.put(dispatch, key, b"an older one")
    with pytest.raises(ProblemError) as refused:
        rig.webhooks.receive(done)
    assert refused.value.code == ProblemCode.PACKAGING_TROUBLE
    assert "is not the one" in capfd.readouterr().err


def test_a_result_of_an_older_worker_has_no_hashes_and_is_packed(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    done = rig.work(job_id)
    old = done.model_copy(update={"result": done.result.model_copy(update={"hashes": None})})
    assert '"hashes"' not in old.model_dump_json()
    assert rig.webhooks.receive(old) == "completed"
    view = rig.view(user, job_id)
    assert view.hashes is not None
    assert set(view.hashes) == {"output"}


def test_a_master_that_is_too_large_to_open_here_is_not_held_against_its_hash(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rythmiq.services.output.MAX_MASTER_BYTES", len(PHOTO) - 1)
    job_id = rig.create(user).job_id
    assert rig.webhooks.receive(rig.work(job_id)) == "completed"


def test_hashes_go_with_the_erasure(rig: Rig, user: User) -> None:
    job_id = rig.create(user).job_id
    rig.webhooks.receive(rig.work(job_id))
    rig.jobs.delete(user.user_id, job_id)
    assert rig.row(job_id)["hashes"] is None


def test_order_and_result_have_the_names_that_are_removed(rig: Rig, user: User) -> None:
    """SQL writes them by itself."""
    job_id = rig.create(user).job_id
    rig.webhooks.receive(rig.failure(job_id, code="UPLOAD_FAILED", stage="upload", retryable=True))
    rig.advance(60)
    rig.loop.tick()
    rig.webhooks.receive(rig.work(job_id, 2))
    ((keys, due_at),) = rig.sql(
        "select keys, due_at from public.removals where job_id = %s", rig.row(job_id)["document_id"]
    )
    assert keys == [result_key(user.user_id, job_id, attempt) for attempt in (1, 2)]
    assert due_at - rig.clock.now() >= dt.timedelta(hours=24)
    assert dispatch_key(user.user_id, job_id, 2) not in rig.store.objects
