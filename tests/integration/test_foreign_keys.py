"""Whoever can write to the database, and has an account, makes the API open and sign nothing of another's (H5)."""

import base64
import dataclasses
import json
import uuid
from collections.abc import Callable

import pytest

from rythmiq.contracts.bodies import UploadRequest
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto import DecryptionError
from rythmiq.crypto.key_ring import KeyRing
from tests.support.service_rig import BASE_URL, LEASE_S, Rig, User

THEIRS = ("kid", "wrapped_key", "artifacts", "document_id", "raw_path")


@pytest.fixture
def signed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every key that the store signs from now on."""
    keys: list[str] = []
    for name in ("generate_upload_url", "generate_download_url"):
        sign = getattr(rig.store, name)

        def spy(key: str, sign: Callable[..., object] = sign, **terms: object) -> object:
            keys.append(key)
            return sign(key, **terms)

        monkeypatch.setattr(rig.store, name, spy)
    return keys


@pytest.fixture
def victims(rig: Rig) -> str:
    """A completed job of somebody else."""
    victim = User()
    job_id = rig.create(victim).job_id
    assert rig.webhooks.receive(rig.work(job_id)) == "completed"
    return job_id


def _copied(rig: Rig, mallory: User, victims: str, columns: tuple[str, ...], **others: object) -> str:
    """Insert a completed job of one's own with these columns of the victim's, as the service key allows."""
    ours = str(uuid.uuid4())
    row = rig.row(victims)
    row |= {"id": ours, "user_id": mallory.user_id, "idempotency_key": None, **others}
    for name in set(THEIRS) - set(columns):
        row[name] = {"document_id": str(uuid.uuid4()), "kid": None, "wrapped_key": None}.get(name)
    row["raw_path"] = row["raw_path"] or f"raw/{mallory.user_id}/{ours}/20260102T030405Z_a.jpg.enc"
    _insert(rig, row)
    return ours


def _unguarded(rig: Rig, query: str, *arguments: object) -> None:
    """What the guards of jobs refuse: a promise about keys must not hang on them."""
    rig.sql("alter table public.jobs disable trigger user")
    rig.sql(query, *arguments)
    rig.sql("alter table public.jobs enable trigger user")


def _insert(rig: Rig, row: dict[str, object]) -> None:
    query = "insert into public.jobs select * from jsonb_populate_record(null::public.jobs, %s::jsonb)"
    _unguarded(rig, query, json.dumps(row))


def _shown(rig: Rig, mallory: User, job_id: str) -> str:
    """All that the API answers, or the problem's code."""
    try:
        viewed = rig.jobs.view(mallory.caller, job_id, base_url=BASE_URL)
    except ProblemError as error:
        return error.code.value
    assert viewed.view is not None
    return viewed.view.model_dump_json()


@pytest.mark.parametrize(
    "columns",
    [THEIRS, ("artifacts",), ("artifacts", "document_id"), ("kid", "wrapped_key")],
    ids=["all", "artifacts", "artifacts-and-document", "keys"],
)
def test_a_row_of_ones_own_with_anothers_keys_shows_nothing(
    rig: Rig, user: User, victims: str, columns: tuple[str, ...], signed: list[str]
) -> None:
    """The red team's attack: it gave the data key and links to everything, and the ZIP opened."""
    ours = _copied(rig, user, victims, columns)
    paths = "artifacts" in columns
    assert _shown(rig, user, ours) == (ProblemCode.INTERNAL if paths else ProblemCode.NOT_CONFIGURED)
    assert signed == []


def test_an_artifact_of_another_job_of_ones_own_is_not_signed(rig: Rig, user: User) -> None:
    first, second = rig.create(user).job_id, rig.create(user).job_id
    for job_id in (first, second):
        assert rig.webhooks.receive(rig.work(job_id)) == "completed"
    row = rig.row(first)
    ours = str(uuid.uuid4())
    _insert(rig, row | {"id": ours, "idempotency_key": None, "document_id": str(uuid.uuid4())})
    assert _shown(rig, user, ours) == ProblemCode.INTERNAL


def test_a_job_that_was_given_to_another_user_shows_nothing(rig: Rig, user: User, victims: str) -> None:
    """An update in place, with the guard of ended jobs put aside as a rotation does."""
    _unguarded(rig, "update public.jobs set user_id = %s where id = %s", user.user_id, victims)
    assert _shown(rig, user, victims) == ProblemCode.INTERNAL


def test_a_wrapped_key_of_an_upload_does_not_unwrap_for_another(rig: Rig, user: User) -> None:
    theirs = rig.sign(User())
    mine = rig.sign(user)
    assert theirs.encryption is not None
    rig.sql(
        "update public.uploads set kid = %s, wrapped_key = %s where job_id = %s",
        theirs.encryption.kid,
        theirs.encryption.wrapped_key,
        mine.job_id,
    )
    with pytest.raises(ProblemError) as refused:
        rig.uploads.create(user.user_id, UploadRequest(job_id=mine.job_id))
    assert refused.value.code == ProblemCode.NOT_CONFIGURED


@pytest.mark.parametrize(
    "theirs", ["raw/{other}/{job}/20260102T030405Z_a.jpg.enc", "raw/{me}/{job}/dispatch-a1.json.enc", "no key"]
)
def test_no_upload_is_signed_for_a_key_that_is_not_the_rows(
    rig: Rig, user: User, theirs: str, signed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table has a check of its own, which an owner of the database can drop: the row is changed on its way."""
    mine = rig.sign(user)
    found = rig.database.upload_get(user.user_id, mine.job_id)
    assert found.upload is not None
    path = theirs.format(other=User().user_id, me=user.user_id, job=mine.job_id)
    changed = found.model_copy(update={"upload": found.upload.model_copy(update={"raw_path": path})})
    monkeypatch.setattr(rig.database, "upload_get", lambda *_, **__: changed)
    signed.clear()
    with pytest.raises(ProblemError) as refused:
        rig.uploads.create(user.user_id, UploadRequest(job_id=mine.job_id))
    assert refused.value.code == ProblemCode.NOT_FOUND
    assert signed == []


Change = Callable[[Rig, User, str, str], None]


def _key_of_another(rig: Rig, _mallory: User, job_id: str, victims: str) -> None:
    row = rig.row(victims)
    query = "update public.jobs set kid = %s, wrapped_key = %s where id = %s"
    _unguarded(rig, query, row["kid"], row["wrapped_key"], job_id)


def _master_of_another(rig: Rig, _mallory: User, job_id: str, victims: str) -> None:
    row = rig.row(victims)
    path = row["artifacts"]["master_path"]
    query = "update public.jobs set raw_path = %s, input_kid = %s, input_wrapped_key = %s where id = %s"
    _unguarded(rig, query, path, row["kid"], row["wrapped_key"], job_id)


def _upload_of_another(rig: Rig, _mallory: User, job_id: str, victims: str) -> None:
    _unguarded(rig, "update public.jobs set raw_path = %s where id = %s", rig.row(victims)["raw_path"], job_id)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_key_of_another, "INTERNAL_ERROR"),
        (_master_of_another, "PAYLOAD_INVALID"),
        (_upload_of_another, "PAYLOAD_INVALID"),
    ],
    ids=["key", "master", "upload"],
)
def test_no_order_is_made_from_what_is_anothers(rig: Rig, user: User, victims: str, change: Change, code: str) -> None:
    """A waiting job of one's own, changed before it is dispatched: it fails with the credit back, nothing unwrapped."""
    rig.capacity = rig.capacity.__class__(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    busy = rig.create(User()).job_id
    waiting = rig.create(user).job_id
    change(rig, user, waiting, victims)
    before = set(rig.store.objects)
    assert rig.webhooks.receive(rig.failure(busy)) == "failed"
    row = rig.row(waiting)
    assert (row["status"], row["error_details"]["code"]) == ("failed", code)
    assert rig.ledger(waiting) == ["reserve", "refund"]
    assert not {key for key in set(rig.store.objects) - before if "dispatch" in key}


def test_a_ring_that_lost_a_kid_is_retried_and_a_key_of_another_is_not(rig: Rig, user: User) -> None:
    rig.capacity = rig.capacity.__class__(max_inflight=1, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    busy = rig.create(User()).job_id
    waiting = rig.create(user).job_id
    ring, rig.ring = rig.ring, KeyRing.parse(KeyRing.new_entry(9))
    rig.build()
    rig.webhooks.receive(rig.failure(busy))
    row = rig.row(waiting)
    assert (row["status"], row["attempt"], row["awaiting_dispatch"]) == ("processing", 2, True)
    assert row["error_details"]["attempts"][0]["detail"] == {"reason": "data_key", "cause": "unknown_kid"}
    rig.ring = ring
    rig.build()
    rig.advance(60)
    rig.loop.tick()
    assert rig.webhooks.receive(rig.work(waiting, 2)) == "completed"


def test_without_dispatch_keys_no_data_key_leaves_the_api(rig: Rig, user: User) -> None:
    """Settings refuse it; the dispatcher does so too."""
    rig.backends = dataclasses.replace(rig.backends, dispatch_ring=None)
    rig.build(rig.backends)
    job_id = rig.create(user).job_id
    assert not [key for key in rig.store.objects if "dispatch" in key]
    assert rig.row(job_id)["error_details"]["attempts"][0]["detail"]["reason"] == "data_key"


def test_a_settlement_opens_nothing_with_anothers_key(rig: Rig, user: User, victims: str) -> None:
    job_id = rig.create(user).job_id
    done = rig.work(job_id)
    _key_of_another(rig, user, job_id, victims)
    with pytest.raises(ProblemError) as refused:
        rig.webhooks.receive(done)
    assert refused.value.code == ProblemCode.PACKAGING_TROUBLE


def test_the_masters_owner_may_use_it_and_its_key_is_stored_with_the_job(rig: Rig, user: User) -> None:
    """The one exception: the source of a job may be a master of the same user."""
    first = rig.create(user)
    rig.webhooks.receive(rig.work(first.job_id))
    view = rig.view(user, first.job_id)
    assert view.artifacts is not None
    assert view.encryption is not None
    again = rig.create(user, raw_path=view.artifacts["master_path"], portal="jee-main-2026", slot="photo").job_id
    dispatch = rig.dispatch_of(rig.order(again))
    assert dispatch.encryption is not None
    assert dispatch.encryption.input_data_key == view.encryption.data_key
    row = rig.row(again)
    assert rig.ring is not None
    theirs = base64.b64decode(row["input_wrapped_key"])
    assert (
        base64.b64encode(rig.ring.unwrap(row["input_kid"], theirs, user.user_id)).decode() == view.encryption.data_key
    )
    with pytest.raises(DecryptionError):
        rig.ring.unwrap(row["input_kid"], theirs, User().user_id)
