"""What a client might write where the service reads: with the launcher's own eyes, it gains nothing."""

import base64
from collections.abc import Callable

import pytest

from rythmiq.contracts.bodies import UploadAnswer
from rythmiq.contracts.keys import dispatch_key
from rythmiq.contracts.payload import Payload
from rythmiq_worker.launcher.dispatch import DispatchRefusedError, Launch, opened, payload_of
from tests.support.service_rig import LEASE_S, Rig, User

Forge = Callable[[Rig, UploadAnswer, str, bytes], bytes]


def _plaintext(_rig: Rig, _signed: UploadAnswer, _key: str, genuine: bytes) -> bytes:
    return genuine


def _own_key(rig: Rig, signed: UploadAnswer, key: str, genuine: bytes) -> bytes:
    return rig.sealed_by_client(signed, genuine, at=key)


def _own_key_flagged(rig: Rig, signed: UploadAnswer, key: str, genuine: bytes) -> bytes:
    sealed = rig.sealed_by_client(signed, genuine, at=key)
    return sealed[:5] + b"\x01" + sealed[6:]


def _old_object(rig: Rig, _signed: UploadAnswer, _key: str, _genuine: bytes) -> bytes:
    mine = User()
    old = rig.create(mine)
    return rig.store.objects[dispatch_key(mine.user_id, old.job_id, 1)]


def _nothing(_rig: Rig, _signed: UploadAnswer, _key: str, _genuine: bytes) -> bytes:
    return b""


FORGERIES = [_plaintext, _own_key, _own_key_flagged, _old_object, _nothing]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__.strip("_"))
def test_a_client_that_overwrites_a_dispatch_object_gains_nothing(rig: Rig, user: User, forge: Forge) -> None:
    """The launcher refuses it; the tick gives the attempt up, and the next one is genuine and completes."""
    signed = rig.upload(user)
    job_id = rig.create(user, raw_path=signed.raw_path).job_id
    key = dispatch_key(user.user_id, job_id, 1)
    genuine = rig.dispatch_ring.open_service(rig.store.objects[key], storage_key=key)
    rig.store.objects[key] = forge(rig, signed, key, genuine)
    with pytest.raises(DispatchRefusedError):
        opened(rig.store.objects[key], storage_key=key, launch=Launch(user.user_id, job_id, 1), ring=rig.dispatch_ring)
    for execution in rig.executor.of(job_id):
        execution.state = "failed"
    for _ in range(3):
        rig.advance(LEASE_S + 1)
        rig.loop.tick()
    assert rig.webhooks.receive(rig.work(job_id, 2)) == "completed"
    assert rig.ledger(job_id) == ["reserve", "settle"]


def test_the_launcher_reads_what_was_dispatched_and_makes_a_payload_of_it(rig: Rig, user: User) -> None:
    """Both sides have the same words: the worker takes the payload, with the client's own data key in it."""
    signed = rig.upload(user)
    job_id = rig.create(user, raw_path=signed.raw_path, options={"rotate": 90}, original_filename="मेरा.jpg").job_id
    key = dispatch_key(user.user_id, job_id, 1)
    dispatch = opened(
        rig.store.objects[key], storage_key=key, launch=Launch(user.user_id, job_id, 1), ring=rig.dispatch_ring
    )
    payload = Payload.model_validate(payload_of(dispatch))
    assert signed.encryption is not None
    assert payload.encryption is not None
    assert payload.encryption.data_key == base64.b64decode(signed.encryption.data_key)
    assert (payload.input.raw_path, payload.input.original_filename) == (signed.raw_path, "मेरा.jpg")
    assert (payload.options.rotate, payload.dispatched_at) == (90, dispatch.dispatched_at)
    assert payload.portal_schema.schema_definition.kind == "photo"


def test_a_plaintext_jobs_dispatch_is_sealed_where_there_are_keys(rig: Rig, user: User) -> None:
    """It holds the token of the callback."""
    keys, rig.ring = rig.ring, None
    rig.build()
    signed = rig.upload(user)
    rig.ring = keys
    rig.build()
    job_id = rig.create(user, raw_path=signed.raw_path).job_id
    key = dispatch_key(user.user_id, job_id, 1)
    data = rig.store.objects[key]
    assert data.startswith(b"RQE1")
    dispatch = opened(data, storage_key=key, launch=Launch(user.user_id, job_id, 1), ring=rig.dispatch_ring)
    assert dispatch.encryption is None
    assert rig.webhooks.receive(rig.work(job_id)) == "completed"
    assert rig.view(user, job_id).encryption is None
