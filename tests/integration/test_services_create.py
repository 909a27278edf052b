"""POST /jobs against a real database: what is refused and in which order, replays, and what is dispatched."""

import json
import uuid
from typing import Any

import pytest

from rythmiq.contracts.errors import StoreUnavailableError
from rythmiq.contracts.job_bodies import JobAccepted
from rythmiq.contracts.keys import dispatch_key, master_key, output_key
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq_worker.launcher.dispatch import payload_of
from tests.support.memory import Fault
from tests.support.service_rig import Rig, User, at_once
from tests.support.service_steps import refused_request

DOWN = StoreUnavailableError("the server answered 503")


def pointers(problem: ProblemError) -> list[str]:
    return [error.pointer for error in problem.errors]


@pytest.mark.parametrize(
    ("asked", "pointer", "words"),
    [
        ({"portal": "neet-2062", "slot": "photo"}, "/portal", "no such portal. Did you mean neet-2026"),
        ({"portal": "qqqqqqqq", "slot": "photo"}, "/portal", "no such portal. Look it up"),
        ({"portal": "neet-2026", "slot": "foto"}, "/slot", "neet-2026 has no such slot. Did you mean photo"),
        ({"portal": "neet-2026", "slot": "zzz"}, "/slot", "There is "),
        ({"portal": "neet", "slot": "foto"}, "/slot", "neet has no such slot. Did you mean photo"),
        (
            {"portal": "neet-2026", "slot": "photo", "portal_version": "qqq"},
            "/portal_version",
            "neet-2026 has no such version. There is ",
        ),
    ],
)
def test_a_name_that_the_rule_book_does_not_have_is_told_with_what_is_near(
    rig: Rig, user: User, asked: dict[str, Any], pointer: str, words: str
) -> None:
    problem = refused_request(rig, user, raw_path=rig.upload(user).raw_path, **asked)
    assert (problem.code, problem.status) == (ProblemCode.PORTAL_UNKNOWN, 404)
    assert pointers(problem) == [pointer]
    assert words in problem.detail


# --- what a job is made from ------------------------------------------------------------------------------------------


CAPTION = {"name": "Asha Rao", "date": "2026-11-28"}


def slot_with(rig: Rig, **rules: Any) -> dict[str, str]:
    """A portal of one slot with these rules; what a request is to ask for."""
    name = f"test-{uuid.uuid4()}"
    rig.sql(
        "insert into public.portal_schemas (portal, slot, version, name, schema_definition)"
        " values (%s, 'photo', '1', 'One', %s)",
        name,
        json.dumps({"kind": "photo", **rules}),
    )
    return {"portal": name, "slot": "photo"}


def test_an_option_that_the_slot_does_not_allow_is_refused_with_the_reason(rig: Rig, user: User) -> None:
    """422 with a pointer for each, no credit, and the upload is still to be had; the caption is not quoted."""
    source = {
        "source_url": "https://example.org/notice.pdf",
        "source_kind": "official",
        "checked_on": "2026-11-28",
        "confidence": "high",
        "note": "the photo is compared with a live picture",
    }
    slot = slot_with(rig, sources={"background_edit": source})
    signed = rig.upload(user)
    options = {"background": "white", "caption": CAPTION}
    problem = refused_request(rig, user, raw_path=signed.raw_path, options=options, **slot)
    assert (problem.code, problem.status) == (ProblemCode.INVALID_FIELD, 422)
    assert [(error.pointer, error.code, error.detail) for error in problem.errors] == [
        (
            "/options/background",
            "NOT_ALLOWED",
            f"Leave it out: the portal's rules do not allow it: {source['note']} ({source['source_url']}).",
        ),
        ("/options/caption", "NOT_ALLOWED", "Leave it out: the portal's rules do not allow it."),
    ]
    assert rig.accounts.view(user.user_id).credits.available == 3
    assert rig.create(user, raw_path=signed.raw_path, **slot).job_id == signed.job_id


def test_the_options_that_a_slot_allows_reach_the_worker_with_the_version_that_it_must_know(
    rig: Rig, user: User
) -> None:
    slot = slot_with(rig, background_edit="allowed", caption="allowed", text_layer="allowed")
    options = {"background": "white", "caption": CAPTION, "face": {"x": 0.25, "y": 0.5}, "rotate": 0}
    dispatch = rig.dispatch_of(rig.order(rig.create(user, options=options, **slot).job_id))
    assert (dispatch.v, dispatch.options) == (2, options)
    payload = Payload.model_validate(payload_of(dispatch))
    assert payload.options.caption is not None
    assert (payload.v, payload.options.caption.name) == (2, "Asha Rao")


def test_a_job_without_anything_new_is_one_that_the_worker_of_the_release_before_takes(rig: Rig, user: User) -> None:
    dispatch = rig.dispatch_of(rig.order(rig.create(user, options={"rotate": 90}, **slot_with(rig)).job_id))
    assert (dispatch.v, dispatch.options) == (1, {"rotate": 90})


def test_another_name_of_a_portal_and_its_own_are_two_requests(rig: Rig, user: User) -> None:
    """Equal is what was asked in the same words: where a name leads changes from year to year."""
    rig.sql("insert into public.portal_aliases values ('any-name', 'neet-2026') on conflict do nothing")
    signed = rig.upload(user)
    asked = {"raw_path": signed.raw_path, "slot": "photo"}
    first = rig.create(user, portal="any-name", **asked)
    assert rig.view(user, first.job_id).portal == "neet-2026"
    assert rig.create(user, portal="any-name", **asked).job_id == first.job_id
    assert refused_request(rig, user, portal="neet-2026", **asked).code == ProblemCode.UPLOAD_CLAIMED


@pytest.mark.parametrize("path", ["elsewhere/x", "raw/../x", "raw/%2e%2e/x"])
def test_what_is_no_storage_key_is_an_invalid_field(rig: Rig, user: User, path: str) -> None:
    """The field is named."""
    assert pointers(refused_request(rig, user, raw_path=path)) == ["/raw_path"]


def test_another_users_upload_is_not_found(rig: Rig, user: User) -> None:
    """Whether it is there or not."""
    theirs = rig.upload(User())
    problem = refused_request(rig, user, raw_path=theirs.raw_path)
    assert (problem.code, problem.status) == (ProblemCode.NOT_FOUND, 404)


def test_another_users_master_is_not_found(rig: Rig, user: User) -> None:
    """Nor one's own that no job made."""
    other = User()
    done = rig.create(other)
    rig.webhooks.receive(rig.work(done.job_id))
    theirs = rig.view(other, done.job_id).artifacts
    assert theirs is not None
    assert refused_request(rig, user, raw_path=theirs["master_path"]).code == ProblemCode.NOT_FOUND
    assert (
        refused_request(rig, user, raw_path=master_key(user.user_id, str(uuid.uuid4()))).code == ProblemCode.NOT_FOUND
    )


def test_the_services_own_objects_are_no_source(rig: Rig, user: User) -> None:
    """A dispatch or result object named as an upload would be opened under a key that a client knows."""
    signed = rig.upload(user)
    mine = (user.user_id, signed.job_id)
    for path in (dispatch_key(*mine, 1), output_key(*mine, "result-a1.json.enc")):
        assert pointers(refused_request(rig, user, raw_path=path)) == ["/raw_path"]


@pytest.mark.parametrize(
    "url",
    ["https://elsewhere.test/a.jpg", "http://169.254.169.254/x", "file:///etc/passwd", "https://store.test/other/x"],
)
def test_a_foreign_origin_is_refused_before_anything_is_charged(rig: Rig, user: User, url: str) -> None:
    """422, and the user has every credit."""
    assert pointers(refused_request(rig, user, artifact_url=url)) == ["/artifact_url"]
    assert rig.accounts.view(user.user_id).credits.available == 3


def test_a_listed_origin_makes_a_job_that_is_sealed_like_any_other(rig: Rig, user: User) -> None:
    """It has a key of its own, which the owner is shown."""
    accepted = rig.create(user, artifact_url="https://files.test/me.jpg?token=x")
    dispatch = rig.dispatch_of(rig.order(accepted.job_id))
    assert dispatch.input.artifact_url == "https://files.test/me.jpg?token=x"
    assert dispatch.encryption is not None
    view = rig.view(user, accepted.job_id)
    assert view.encryption is not None
    assert view.encryption.kid == dispatch.encryption.kid


def test_a_url_into_our_own_bucket_is_the_key_that_it_names(rig: Rig, user: User) -> None:
    """The upload is claimed by it, and the worker is told the key and not the signature."""
    signed = rig.upload(user)
    url = rig.store.generate_download_url(signed.raw_path)
    accepted = rig.create(user, artifact_url=url)
    assert accepted.job_id == signed.job_id
    dispatch = rig.dispatch_of(rig.order(accepted.job_id))
    assert (dispatch.input.raw_path, dispatch.input.artifact_url) == (signed.raw_path, None)
    assert rig.create(user, raw_path=signed.raw_path).job_id == accepted.job_id


def test_a_url_into_our_own_bucket_must_be_ones_own(rig: Rig, user: User) -> None:
    """404 as for a key; 422 when it is not even a key."""
    theirs = rig.upload(User())
    assert (
        refused_request(rig, user, artifact_url=f"https://store.test/rythmiq/{theirs.raw_path}").code
        == ProblemCode.NOT_FOUND
    )
    assert pointers(refused_request(rig, user, artifact_url="https://store.test/rythmiq/x")) == ["/artifact_url"]


def test_a_finished_document_is_made_into_one_for_another_portal(rig: Rig, user: User) -> None:
    """The new job has its own key, and the worker is given the old one for the input."""
    done = rig.create(user)
    rig.webhooks.receive(rig.work(done.job_id))
    view = rig.view(user, done.job_id)
    paths, done_key = view.artifacts, view.encryption
    assert paths is not None
    assert done_key is not None
    again = rig.create(user, raw_path=paths["master_path"], portal="jee-main-2026", slot="photo")
    assert again.job_id != done.job_id
    dispatch = rig.dispatch_of(rig.order(again.job_id))
    before = rig.row(done.job_id)
    assert dispatch.encryption is not None
    assert dispatch.encryption.input_data_key == done_key.data_key
    assert dispatch.encryption.wrapped_key != before["wrapped_key"]


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_an_upload_that_is_not_in_the_store_makes_no_job(rig: Rig, user: User) -> None:
    """409; after the upload the same call makes one."""
    signed = rig.sign(user)
    assert refused_request(rig, user, raw_path=signed.raw_path).code == ProblemCode.OBJECT_MISSING
    rig.store.objects[signed.raw_path] = rig.sealed_by_client(signed, b"x")
    assert rig.create(user, raw_path=signed.raw_path).job_id == signed.job_id


def test_an_object_larger_than_announced_makes_no_job(rig: Rig, user: User) -> None:
    """413, whatever the store let through."""
    signed = rig.upload(user, b"0123456789")
    rig.store.objects[signed.raw_path] += b"x"
    assert refused_request(rig, user, raw_path=signed.raw_path).code == ProblemCode.UPLOAD_TOO_LARGE


def test_an_object_larger_than_anybody_may_send_makes_no_job(rig: Rig, user: User) -> None:
    """A master has no announced size: the general limit holds."""
    done = rig.create(user)
    rig.webhooks.receive(rig.work(done.job_id))
    paths = rig.view(user, done.job_id).artifacts
    assert paths is not None
    rig.store.objects[paths["master_path"]] = bytes(rig.max_upload_bytes + 125)
    assert refused_request(rig, user, raw_path=paths["master_path"]).code == ProblemCode.UPLOAD_TOO_LARGE


@pytest.mark.parametrize(
    "asked",
    [{"portal": "nowhere"}, {"slot": "nothing"}, {"portal_version": "1066"}],
)
def test_what_the_rule_book_does_not_have_is_not_found(rig: Rig, user: User, asked: dict[str, str]) -> None:
    """Portal, slot and version alike."""
    problem = refused_request(rig, user, **asked)
    assert (problem.code, problem.status) == (ProblemCode.PORTAL_UNKNOWN, 404)


def test_the_slot_has_to_be_named_where_the_portal_has_several(rig: Rig, user: User) -> None:
    """It may be left out elsewhere."""
    assert pointers(refused_request(rig, user, slot=None)) == ["/slot"]
    assert rig.create(user, portal="us-visa", slot=None).status == "processing"


def test_a_user_has_only_so_many_active_jobs(rig: Rig, user: User) -> None:
    """429 says when to come back, and goes before 402."""
    rig.max_active_jobs, rig.initial_credits = 2, 2
    rig.build()
    rig.create(user)
    rig.create(user)
    problem = refused_request(rig, user)
    assert (problem.code, problem.status, problem.retry_after_s) == (ProblemCode.TOO_MANY_JOBS, 429, 30)


def test_without_credit_there_is_no_job(rig: Rig, user: User) -> None:
    """402; the upload is not claimed."""
    for _ in range(3):
        rig.create(user)
    signed = rig.upload(user)
    assert refused_request(rig, user, raw_path=signed.raw_path).code == ProblemCode.NO_CREDIT
    assert rig.database.upload_get(user.user_id, signed.job_id).outcome == "found"


def test_a_store_that_does_not_answer_is_told_as_such(rig: Rig, user: User) -> None:
    """503 with Retry-After; nothing was charged."""
    signed = rig.upload(user)
    rig.store.plan(Fault("exists", DOWN))
    problem = refused_request(rig, user, raw_path=signed.raw_path)
    assert (problem.code, problem.retry_after_s) == (ProblemCode.UNAVAILABLE, 5)
    assert rig.create(user, raw_path=signed.raw_path).job_id == signed.job_id
    assert rig.accounts.view(user.user_id).credits.available == 2


# --- the same request again -------------------------------------------------------------------------------------------


def test_the_same_key_and_request_find_the_same_job_in_its_present_state(rig: Rig, user: User) -> None:
    """Also when it has ended, and its upload is long claimed."""
    signed = rig.upload(user)
    first = rig.create(user, key="k-1", raw_path=signed.raw_path)
    rig.webhooks.receive(rig.work(first.job_id))
    again = rig.create(user, key="k-1", raw_path=signed.raw_path)
    assert (again.job_id, again.status) == (first.job_id, "completed")
    assert len(rig.executor.executions) == 1


def test_the_same_key_with_another_request_is_refused(rig: Rig, user: User) -> None:
    """422, even when the upload would be in conflict too."""
    first = rig.upload(user)
    rig.create(user, key="k-1", raw_path=first.raw_path)
    problem = refused_request(rig, user, key="k-1", raw_path=first.raw_path, options={"rotate": 90})
    assert (problem.code, problem.status) == (ProblemCode.IDEMPOTENCY_MISMATCH, 422)


def test_the_same_upload_with_another_request_is_claimed(rig: Rig, user: User) -> None:
    """409; with an equal request it is a replay, without any key."""
    signed = rig.upload(user)
    first = rig.create(user, raw_path=signed.raw_path)
    assert rig.create(user, raw_path=signed.raw_path).job_id == first.job_id
    problem = refused_request(rig, user, raw_path=signed.raw_path, options={"rotate": 90})
    assert (problem.code, problem.status) == (ProblemCode.UPLOAD_CLAIMED, 409)
    problem = refused_request(rig, user, raw_path=signed.raw_path, portal="nowhere")
    assert (problem.code, problem.status) == (ProblemCode.PORTAL_UNKNOWN, 404)


def test_two_users_keys_do_not_meet(rig: Rig, user: User) -> None:
    """An idempotency key is its user's."""
    assert rig.create(user, key="k-1").job_id != rig.create(User(), key="k-1").job_id


def test_twenty_equal_calls_at_once_make_one_job(rig: Rig, user: User) -> None:
    """One is created, nineteen are replays, one credit is reserved, one execution is started."""
    signed = rig.upload(user)
    came = at_once(20, lambda _: rig.create(user, key="k-1", raw_path=signed.raw_path))
    assert {answer.job_id for answer in came if isinstance(answer, JobAccepted)} == {signed.job_id}
    assert all(isinstance(answer, JobAccepted) for answer in came)
    assert len(rig.executor.executions) == 1
    assert rig.accounts.view(user.user_id).credits.reserved == 1


def test_twenty_jobs_on_four_credits_are_four_jobs(rig: Rig, user: User) -> None:
    """And sixteen refusals."""
    rig.initial_credits = 4
    rig.build()
    places = [rig.upload(user).raw_path for _ in range(20)]
    came = at_once(20, lambda number: rig.create(user, raw_path=places[number]))
    codes = [answer.code for answer in came if isinstance(answer, ProblemError)]
    assert codes == [ProblemCode.NO_CREDIT] * 16
    assert rig.balances_are_the_ledgers()
