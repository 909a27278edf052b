"""Dispatching a job that was just created: what is submitted, and what happens when that fails."""

import re
from typing import Any

import pytest

from rythmiq.contracts.errors import StoreUnavailableError
from rythmiq.contracts.keys import dispatch_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import DatabaseUnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import JobCreated
from tests.support.memory import Fault
from tests.support.service_rig import Rig, User
from tests.support.service_steps import refused_request

DOWN = StoreUnavailableError("the server answered 503")


# --- dispatch ---------------------------------------------------------------------------------------------------------


def test_beyond_the_capacity_a_job_waits(rig: Rig, user: User) -> None:
    """202 pending, with its place in the queue; nothing is given to the executor."""
    rig.capacity = Capacity(max_inflight=1, lease_s=300, max_attempts=3)
    rig.build()
    rig.create(user)
    second = rig.create(user)
    assert second.status == "pending"
    assert rig.view(user, second.job_id).queue_position == 1
    assert len(rig.executor.executions) == 1


@pytest.mark.parametrize("outcome", ["drop_request", "drop_reply"])
def test_an_unclear_submit_is_answered_202_all_the_same(rig: Rig, user: User, outcome: Any) -> None:
    """The reconciler goes on from there."""
    rig.executor.plan(outcome)
    assert rig.create(user).status == "processing"


def test_a_store_that_refuses_the_dispatch_object_is_answered_202_all_the_same(rig: Rig, user: User) -> None:
    """Nothing was given to the executor, which would have found nothing to do."""
    rig.store.plan(Fault("upload", DOWN, key_part="dispatch-a1"))
    accepted = rig.create(user)
    assert accepted.status == "processing"
    assert rig.executor.executions == []


def test_a_refused_submit_fails_the_job_with_a_refund(rig: Rig, user: User) -> None:
    """EXECUTOR_REJECTED is not tried again; the caller was answered 202."""
    rig.executor.plan("reject")
    accepted = rig.create(user)
    view = rig.view(user, accepted.job_id)
    assert view.status == "failed"
    assert view.error is not None
    assert (view.error["code"], view.error["stage"]) == ("EXECUTOR_REJECTED", "dispatch")
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]


def test_a_database_that_goes_away_after_the_job_was_made_is_answered_202(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The executor's word is lost, and asked for again by the reconciler."""

    def gone(*_: object, **__: object) -> bool:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(rig.database, "job_submitted", gone)
    accepted = rig.create(user)
    assert accepted.status == "processing"
    assert rig.row(accepted.job_id)["executor_ref"] is None


def test_an_outcome_that_this_release_does_not_know_is_no_202(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal without a job is a problem, whatever it is called."""
    monkeypatch.setattr(rig.database, "job_create", lambda *_, **__: JobCreated(outcome="created"))
    assert refused_request(rig, user).code == ProblemCode.INTERNAL


def test_the_dispatch_object_is_sealed_as_a_service_object_and_holds_no_key_in_the_clear(rig: Rig, user: User) -> None:
    """Its data key is one that no client has seen."""
    signed = rig.upload(user)
    accepted = rig.create(user, raw_path=signed.raw_path)
    key = dispatch_key(user.user_id, accepted.job_id, 1)
    data = rig.store.objects[key]
    assert data[:6] == b"RQE1\x02\x01"
    assert rig.ring is not None
    assert signed.encryption is not None
    assert signed.encryption.data_key.encode() not in data


def test_the_dispatch_object_says_what_the_worker_needs(rig: Rig, user: User) -> None:
    """Rules of the pinned version, the owner's options, the place to call back."""
    accepted = rig.create(user, options={"rotate": 90}, original_filename="IMG 1.jpg", mime_type="image/jpeg")
    dispatch = rig.dispatch_of(rig.order(accepted.job_id))
    assert (dispatch.portal_schema["portal"], dispatch.portal_schema["slot"]) == ("neet-2026", "photo")
    assert dispatch.portal_schema["schema_definition"]["kind"] == "photo"
    assert dispatch.options["rotate"] == 90
    assert dispatch.input.original_filename == "IMG 1.jpg"
    assert dispatch.callback.url == "https://api.test/internal/webhooks/camber"
    assert dispatch.callback.token.startswith("v2.")


def test_an_equal_request_is_the_same_job_after_the_ring_has_got_another_key(rig: Rig, user: User) -> None:
    """As long as the older key is there; the row holds nothing that a guess could be compared with."""
    rig.ring = KeyRing({1: b"A" * 32})
    rig.build()
    signed = rig.upload(user)
    first = rig.create(user, key="k", raw_path=signed.raw_path)
    kept = rig.row(first.job_id)["request_hash"]
    assert re.fullmatch("[0-9a-f]{64}", kept)
    rig.ring = KeyRing({2: b"B" * 32, 1: b"A" * 32})
    rig.build()
    assert rig.create(user, key="k", raw_path=signed.raw_path).job_id == first.job_id
    with pytest.raises(ProblemError) as caught:
        rig.create(user, key="k", raw_path=signed.raw_path, options={"rotate": 90})
    assert caught.value.code == ProblemCode.IDEMPOTENCY_MISMATCH
