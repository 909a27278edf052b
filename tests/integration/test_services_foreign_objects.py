"""Result and dispatch objects that the service did not write for this attempt settle nothing."""

import pytest

from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.result import Success
from rythmiq.crypto import DecryptionError
from tests.support.reconciling import code, set_state, status, tick_after
from tests.support.service_rig import Rig, User, lines

# --- a result that is not the launcher's ------------------------------------------------------------------------------


def forge(rig: Rig, user: User, how: str) -> tuple[str, bytes]:
    """A job, and a result object for it that its owner made up."""
    signed = rig.upload(user)
    accepted = rig.create(user, raw_path=signed.raw_path)
    body = rig.work(accepted.job_id).model_dump_json().encode()
    key = result_key(user.user_id, accepted.job_id, 1)
    if how == "plaintext":
        return accepted.job_id, body
    if how == "own key":
        return accepted.job_id, rig.sealed_by_client(signed, body, at=key)
    sealed = rig.sealed_by_client(signed, body, at=key)
    return accepted.job_id, sealed[:5] + b"\x01" + sealed[6:]


@pytest.mark.parametrize("how", ["plaintext", "own key", "own key, flagged as the service's"])
def test_a_result_object_that_a_client_forged_is_refused(
    rig: Rig, user: User, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It settles nothing: the executor's word counts."""
    job_id, forged = forge(rig, user, how)
    rig.store.objects[result_key(user.user_id, job_id, 1)] = forged
    set_state(rig, job_id, "running")
    tick_after(rig)
    assert status(rig, job_id) == ("processing", 1)
    assert rig.zip_writes() == []
    assert [line["event"] for line in lines(capsys.readouterr().err) if line["level"] == "error"] == ["result_refused"]


def test_a_result_of_another_attempt_or_job_is_refused_though_the_service_sealed_it(rig: Rig, user: User) -> None:
    """And what is not a report at all."""
    first, second = rig.create(user), rig.create(user)
    key = result_key(user.user_id, first.job_id, 1)
    of_second = rig.work(second.job_id)
    of_attempt_2 = rig.work(first.job_id).model_copy(update={"attempt": 2})
    for content in (of_second.model_dump_json(), of_attempt_2.model_dump_json(), "{}", "no JSON"):
        rig.store.objects[key] = rig.dispatch_ring.seal_service(content.encode(), storage_key=key)
        set_state(rig, first.job_id, "running")
        set_state(rig, second.job_id, "running")
        assert tick_after(rig).reconciled > 0
        assert [status(rig, job.job_id) for job in (first, second)] == [("processing", 1)] * 2


def test_a_result_with_another_users_keys_does_not_settle(rig: Rig, user: User) -> None:
    """A worker that went wrong: the attempt is given up."""
    accepted, theirs = rig.create(user), rig.create(User())
    foreign, body = rig.work(theirs.job_id), rig.work(accepted.job_id)
    assert isinstance(foreign.result, Success)
    assert isinstance(body.result, Success)
    result = body.result.model_copy(update={"artifacts": foreign.result.artifacts})
    rig.store_result(body.model_copy(update={"result": result}))
    set_state(rig, accepted.job_id, "succeeded")
    set_state(rig, theirs.job_id, "running")
    tick_after(rig)
    assert status(rig, accepted.job_id) == ("processing", 2)
    assert code(rig, accepted.job_id) == "EXECUTOR_LOST"


# --- a dispatch object that is not ours -------------------------------------------------------------------------------


def test_a_dispatch_object_that_a_client_wrote_opens_as_no_service_object(rig: Rig, user: User) -> None:
    """A forged result: sealed under the client's own data key, or flagged as a service object besides."""
    signed = rig.upload(user)
    accepted = rig.create(user, raw_path=signed.raw_path)
    key = dispatch_key(user.user_id, accepted.job_id, 1)
    genuine = rig.dispatch_ring.open_service(rig.store.objects[key], storage_key=key)
    forged = rig.sealed_by_client(signed, genuine.replace(b"neet-2026", b"us-visa"), at=key)
    for attempt in (genuine, forged, forged[:5] + b"\x01" + forged[6:]):
        with pytest.raises(DecryptionError):
            rig.dispatch_ring.open_service(attempt, storage_key=key)


def test_a_dispatch_object_of_another_job_opens_at_no_other_place(rig: Rig, user: User) -> None:
    """Copying one's own old dispatch object over another's gains nothing."""
    first, second = rig.create(user), rig.create(user)
    keys = [dispatch_key(user.user_id, job.job_id, 1) for job in (first, second)]
    with pytest.raises(DecryptionError):
        rig.dispatch_ring.open_service(rig.store.objects[keys[0]], storage_key=keys[1])
