"""Deleting a job: what goes, what stays, and when it is refused."""

import uuid
from typing import Any

from rythmiq.contracts.errors import StoreUnavailableError
from rythmiq.contracts.problems import ProblemCode
from rythmiq.ports.database import Capacity
from tests.support.memory import Fault
from tests.support.service_rig import BASE_URL, LEASE_S, Rig, User
from tests.support.service_steps import done, look, refused


def page(rig: Rig, user: User, **how: Any) -> Any:
    return rig.jobs.page(user.caller, base_url=BASE_URL, **{"status": None, **how})


# --- deletion ---------------------------------------------------------------------------------------------------------


def test_a_waiting_job_is_cancelled_with_a_refund(rig: Rig, user: User) -> None:
    """It stays visible as failed; a second time it is erased."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    rig.create(user)
    waiting = rig.create(user)
    rig.jobs.delete(user.user_id, waiting.job_id)
    view = rig.view(user, waiting.job_id)
    assert view.status == "failed"
    assert view.error is not None
    assert view.error["code"] == "EXECUTOR_CANCELLED"
    assert rig.ledger(waiting.job_id) == ["reserve", "refund"]
    rig.jobs.delete(user.user_id, waiting.job_id)
    assert refused(look, rig, user, waiting.job_id).code == ProblemCode.NOT_FOUND


def waiting_job(rig: Rig, user: User) -> str:
    """A job that waits for the only place."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    rig.create(User())
    return rig.create(user).job_id


def test_cancelling_removes_the_upload_at_once(rig: Rig, user: User) -> None:
    """Nobody has to ask twice for a picture to go."""
    job_id = waiting_job(rig, user)
    path = rig.row(job_id)["raw_path"]
    assert path in rig.store.objects
    rig.jobs.delete(user.user_id, job_id)
    assert path not in rig.store.objects
    assert rig.view(user, job_id).status == "failed"


def test_an_upload_that_cannot_be_removed_at_its_cancellation_is_swept(rig: Rig, user: User) -> None:
    """The job is cancelled all the same; a 503 would make clients send a second DELETE, which erases."""
    job_id = waiting_job(rig, user)
    path = rig.row(job_id)["raw_path"]
    rig.store.plan(Fault("delete", StoreUnavailableError("the server answered 503"), key_part=job_id))
    rig.jobs.delete(user.user_id, job_id)
    assert path in rig.store.objects
    rig.advance(3_601)
    rig.loop.tick()
    assert path not in rig.store.objects


def test_what_an_open_signature_brings_back_is_swept(rig: Rig, user: User) -> None:
    """A PUT after the DELETE, until the signature expires, and after a first sweep."""
    signed = rig.upload(user)
    accepted = rig.create(user, raw_path=signed.raw_path)
    rig.webhooks.receive(rig.work(accepted.job_id))
    rig.jobs.delete(user.user_id, accepted.job_id)
    for _ in range(2):
        rig.store.objects[signed.raw_path] = b"back again"
        rig.advance(3_601)
        rig.loop.tick()
        assert signed.raw_path not in rig.store.objects


def test_a_job_in_processing_is_not_deleted(rig: Rig, user: User) -> None:
    """409; somebody may be writing its objects."""
    accepted = rig.create(user)
    problem = refused(rig.jobs.delete, user.user_id, accepted.job_id)
    assert (problem.code, problem.status) == (ProblemCode.JOB_PROCESSING, 409)


def test_a_deleted_job_leaves_no_object_and_a_tombstone(rig: Rig, user: User) -> None:
    """Raw, document, preview, before, text, master and ZIP; the ledger keeps its entries."""
    signed = rig.upload(user)
    accepted = rig.create(user, raw_path=signed.raw_path)
    body = rig.work(accepted.job_id)
    rig.store_result(body)
    rig.webhooks.receive(body)
    assert len(rig.store.objects) == 7
    rig.jobs.delete(user.user_id, accepted.job_id)
    assert rig.store.objects == {}
    row = rig.row(accepted.job_id)
    assert (row["status"], row["raw_path"], row["artifacts"], row["wrapped_key"]) == ("completed", None, None, None)
    assert rig.ledger(accepted.job_id) == ["reserve", "settle"]
    assert refused(look, rig, user, accepted.job_id).code == ProblemCode.NOT_FOUND
    assert page(rig, user).jobs == ()


def test_a_failed_job_leaves_nothing_of_any_attempt(rig: Rig, user: User) -> None:
    """Also not what a worker stored before it failed."""
    accepted = rig.create(user)
    rig.work(accepted.job_id)
    rig.store_result(rig.failure(accepted.job_id, retryable=True))
    rig.webhooks.receive(rig.failure(accepted.job_id, retryable=True))
    rig.advance(LEASE_S)
    rig.loop.tick()
    rig.work(accepted.job_id, 2)
    rig.webhooks.receive(rig.failure(accepted.job_id, 2))
    rig.jobs.delete(user.user_id, accepted.job_id)
    assert rig.store.objects == {}


def test_a_second_deletion_is_no_error(rig: Rig, user: User) -> None:
    """Whatever became of the first one's answer."""
    view = done(rig, user)
    rig.jobs.delete(user.user_id, view.job_id)
    rig.jobs.delete(user.user_id, view.job_id)


def test_another_users_job_is_not_deleted(rig: Rig, user: User) -> None:
    """It is not even found."""
    view = done(rig, user)
    for job_id in (view.job_id, str(uuid.uuid4()), "x"):
        assert refused(rig.jobs.delete, User().user_id, job_id).code == ProblemCode.NOT_FOUND
    assert rig.view(user, view.job_id).status == "completed"


def test_while_an_object_cannot_be_removed_the_row_still_says_which(rig: Rig, user: User) -> None:
    """503; the repeat finishes the work."""
    view = done(rig, user)
    rig.store.plan(Fault("delete", StoreUnavailableError("the server answered 503"), key_part="master"))
    problem = refused(rig.jobs.delete, user.user_id, view.job_id)
    assert (problem.code, problem.retry_after_s) == (ProblemCode.UNAVAILABLE, 5)
    assert rig.view(user, view.job_id).status == "completed"
    rig.jobs.delete(user.user_id, view.job_id)
    assert rig.store.objects == {}


def test_a_master_that_another_job_was_made_of_outlives_that_job(rig: Rig, user: User) -> None:
    """It belongs to the first."""
    first = done(rig, user)
    assert first.artifacts is not None
    second = rig.create(user, raw_path=first.artifacts["master_path"], portal="jee-main-2026", slot="photo")
    rig.webhooks.receive(rig.work(second.job_id))
    rig.jobs.delete(user.user_id, second.job_id)
    assert first.artifacts["master_path"] in rig.store.objects
    assert all(path in rig.store.objects for path in first.artifacts.values())


def test_cancelling_starts_the_next_job_if_there_is_room(rig: Rig, user: User) -> None:
    """The place is not wasted: what waits is looked at again."""
    rig.capacity = Capacity(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    rig.create(user)
    second, third = rig.create(user), rig.create(user)
    rig.capacity = Capacity(max_inflight=2, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    rig.jobs.delete(user.user_id, second.job_id)
    assert rig.view(user, third.job_id).status == "processing"
    assert len(rig.executor.of(third.job_id)) == 1


# --- the account ------------------------------------------------------------------------------------------------------


def test_the_account_shows_what_may_be_spent_and_what_is_held(rig: Rig, user: User) -> None:
    """Newest entries first, one for each thing that happened."""
    done(rig, user)
    open_job = rig.create(user)
    account = rig.accounts.view(user.user_id)
    assert (account.credits.available, account.credits.reserved) == (1, 1)
    assert [(entry.kind, entry.amount) for entry in account.entries] == [
        ("reserve", -1),
        ("settle", 0),
        ("reserve", -1),
        ("grant", 3),
    ]
    assert account.entries[0].job_id == open_job.job_id
    assert account.limits.max_active_jobs == 20


def test_an_account_is_opened_by_looking_at_it(rig: Rig, user: User) -> None:
    """With the initial credits, once."""
    assert rig.accounts.view(user.user_id).credits.available == 3
    assert len(rig.accounts.view(user.user_id).entries) == 1
