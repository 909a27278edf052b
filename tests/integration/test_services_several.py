"""POST /jobs of several uploads against a real database: what is refused, what is dispatched, what is removed."""

import threading
from typing import Any

import pytest

from rythmiq.contracts.bodies import UploadAnswer
from rythmiq.contracts.errors import StoreUnavailableError
from rythmiq.contracts.keys import master_key
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq_worker.launcher.dispatch import payload_of
from tests.support.memory import Fault
from tests.support.service_rig import PHOTO, Rig, User

PDF = {"portal": "aadhaar-update", "slot": "document-pdf"}


def signed(rig: Rig, user: User, count: int = 3) -> list[UploadAnswer]:
    return [rig.upload(user, filename=f"{index}.jpg") for index in range(count)]


def create(rig: Rig, user: User, sources: list[UploadAnswer], **request: Any) -> str:
    """The job's id."""
    asked = {"raw_path": None, "raw_paths": [source.raw_path for source in sources], **PDF, **request}
    return rig.create(user, **asked).job_id


def refused(rig: Rig, user: User, sources: list[UploadAnswer], **request: Any) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        create(rig, user, sources, **request)
    return caught.value


def told(problem: ProblemError) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in problem.errors]


def test_the_worker_is_told_every_upload_in_order_with_the_key_of_each(rig: Rig, user: User) -> None:
    sources = signed(rig, user)
    job_id = create(rig, user, sources)
    assert job_id == sources[0].job_id
    dispatch = rig.dispatch_of(rig.order(job_id))
    assert (dispatch.v, dispatch.input.raw_path) == (2, None)
    payload = Payload.model_validate(payload_of(dispatch))
    assert payload.input.raw_paths == tuple(source.raw_path for source in sources)
    assert payload.encryption is not None
    assert rig.ring is not None
    assert payload.encryption.input_data_keys is not None
    assert len(set(payload.encryption.input_data_keys)) == 3
    assert payload.encryption.data_key == payload.encryption.input_data_keys[0]
    assert rig.accounts.view(user.user_id).credits.available == 2


def test_a_slot_that_makes_pictures_and_takes_a_pdf_makes_a_pdf_of_several(rig: Rig, user: User) -> None:
    dispatch = rig.dispatch_of(rig.order(create(rig, user, signed(rig, user), slot="document")))
    assert dispatch.portal_schema["schema_definition"]["output_format"] == "pdf"


def test_a_slot_without_pdf_refuses_several(rig: Rig, user: User) -> None:
    problem = refused(rig, user, signed(rig, user), portal="neet-2026", slot="photo")
    assert (problem.status, told(problem)) == (422, [("/raw_paths", "NOT_ALLOWED")])


def test_more_than_the_pages_that_are_taken_are_refused_before_the_store_is_asked(rig: Rig, user: User) -> None:
    sources = signed(rig, user, 2)
    rig.max_pages = 2
    rig.build()
    assert create(rig, user, sources) == sources[0].job_id
    rig.store.calls.clear()
    problem = refused(rig, user, signed(rig, user, 3))
    assert told(problem) == [("/raw_paths", "WRONG_LENGTH")]
    assert "exists" not in {call for call, _ in rig.store.calls}


def test_a_master_a_repetition_and_what_is_no_key_are_named_by_their_place(rig: Rig, user: User) -> None:
    first, second = (source.raw_path for source in signed(rig, user, 2))
    master = master_key(user.user_id, "0d9c8b7a-6f5e-4d3c-8b2a-1f0e9d8c7b6a")
    for paths, wrong in (
        ([first, second, first], ("/raw_paths/2", "CONFLICT")),
        ([first, master], ("/raw_paths/1", "NOT_ALLOWED")),
        (["elsewhere/x", first], ("/raw_paths/0", "WRONG_FORMAT")),
    ):
        assert told(refused(rig, user, [], raw_paths=paths)) == [wrong]
    assert rig.accounts.view(user.user_id).credits.available == 3


def test_another_users_upload_makes_all_not_found(rig: Rig, user: User) -> None:
    mine, theirs = rig.upload(user), rig.upload(User())
    assert refused(rig, user, [mine, theirs]).code == ProblemCode.NOT_FOUND


def test_an_equal_request_is_the_same_job_and_another_order_is_claimed(rig: Rig, user: User) -> None:
    sources = signed(rig, user)
    first = create(rig, user, sources)
    assert create(rig, user, sources) == first
    assert refused(rig, user, sources[::-1]).code == ProblemCode.UPLOAD_CLAIMED
    assert refused(rig, user, [rig.upload(user), sources[2]]).code == ProblemCode.UPLOAD_CLAIMED
    assert refused(rig, user, sources, key="k", options={"rotate": [90]}).code == ProblemCode.UPLOAD_CLAIMED


def test_one_that_is_not_in_the_store_is_told(rig: Rig, user: User) -> None:
    sources = signed(rig, user)
    del rig.store.objects[sources[1].raw_path]
    assert refused(rig, user, sources).code == ProblemCode.OBJECT_MISSING
    assert rig.accounts.view(user.user_id).credits.available == 3


def test_together_they_are_no_larger_than_one_may_be(rig: Rig, user: User) -> None:
    rig.max_upload_bytes = 2 * len(PHOTO)
    rig.build()
    assert create(rig, user, signed(rig, user, 2))
    problem = refused(rig, user, signed(rig, user, 3))
    assert (problem.code, problem.status) == (ProblemCode.UPLOAD_TOO_LARGE, 413)


def test_the_store_is_asked_for_all_at_once(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, met = signed(rig, user), threading.Barrier(3, timeout=30)
    ask = rig.store.object_exists

    def together(key: str, **how: Any) -> int | None:
        met.wait()
        return ask(key, **how)

    monkeypatch.setattr(rig.store, "object_exists", together)
    assert create(rig, user, sources)


def test_a_store_that_does_not_answer_for_one_is_unavailable(rig: Rig, user: User) -> None:
    sources = signed(rig, user)
    rig.store.plan(Fault("exists", StoreUnavailableError("503"), key_part="1.jpg"))
    assert refused(rig, user, sources).code == ProblemCode.UNAVAILABLE


def test_sealed_beside_plain_is_refused(rig: Rig, user: User) -> None:
    sources = signed(rig, user, 2)
    rig.sql("update public.uploads set kid = null, wrapped_key = null where job_id = %s", sources[1].job_id)
    assert told(refused(rig, user, sources)) == [("/raw_paths", "CONFLICT")]


def test_deletion_removes_every_upload(rig: Rig, user: User) -> None:
    sources = signed(rig, user)
    job_id = create(rig, user, sources)
    rig.webhooks.receive(rig.failure(job_id))
    rig.jobs.delete(user.user_id, job_id)
    assert rig.store.objects == {}


def test_a_job_of_several_is_sealed_under_the_key_that_its_owner_is_shown(rig: Rig, user: User) -> None:
    sources = signed(rig, user)
    job_id = create(rig, user, sources)
    rig.webhooks.receive(rig.work(job_id))
    view = rig.view(user, job_id)
    assert view.encryption is not None
    assert sources[0].encryption is not None
    assert view.encryption.data_key == sources[0].encryption.data_key
    assert "receipt.html" in rig.zip_of(view)
