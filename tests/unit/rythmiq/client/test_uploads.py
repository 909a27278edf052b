"""The client submits a file: sealed, and charged once, whatever breaks on the way. Blocking and on an event loop."""

import base64
import json
from pathlib import Path

import pytest

from rythmiq.client import (
    Client,
    ConflictError,
    InvalidRequestError,
    JobOptions,
    NoCreditError,
    StoreRefusedError,
    TooManyJobsError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from rythmiq.crypto import is_sealed
from tests.support.client_both import Both
from tests.support.client_stub import Stub

CONTENT = b"\xff\xd8 a photo of a person"


def test_a_file_arrives_sealed_under_its_storage_key(stub: Stub, client: Both) -> None:
    job = client.submit(CONTENT, "neet-2026", "photo", filename="me.jpg")
    assert is_sealed(stub.objects[stub.only_job().raw_path])
    assert stub.uploaded(job.job_id) == CONTENT
    assert stub.lines() == ["POST /api/uploads", f"PUT /store/{stub.only_job().raw_path}", "POST /api/jobs"]


def test_a_path_gives_content_name_and_type(stub: Stub, client: Both, tmp_path: Path) -> None:
    (tmp_path / "मेरा कार्ड.heic").write_bytes(CONTENT)
    job = client.submit(tmp_path / "मेरा कार्ड.heic", "aadhaar-update")
    assert stub.uploaded(job.job_id) == CONTENT
    asked = stub.seen[0].body.decode()
    assert '"mime_type":"image/heic"' in asked
    assert "मेरा कार्ड.heic" in asked
    assert f'"size_bytes":{len(CONTENT)}' in asked


def test_options_travel(stub: Stub, client: Both) -> None:
    client.submit(CONTENT, "neet-2026", "photo", options=JobOptions(rotate=90))
    assert '"rotate":90' in stub.seen[-1].body.decode()


def test_the_token_goes_to_the_service_and_never_to_the_store(stub: Stub, client: Both) -> None:
    client.submit(CONTENT, "neet-2026", "photo")
    assert [seen.headers.get("authorization") for seen in stub.seen] == ["Bearer token-1", None, "Bearer token-1"]


def test_a_form_carries_the_file_last(stub: Stub, client: Both) -> None:
    stub.upload_method = "POST"
    job = client.submit(CONTENT, "neet-2026", "photo")
    assert stub.uploaded(job.job_id) == CONTENT


def test_who_uploads_is_told_how_far_it_is(stub: Stub, client: Both) -> None:
    told: list[int] = []
    client.submit(bytes(200_000), "neet-2026", "photo", on_sent=told.append)
    assert told == sorted(told)
    assert told[-1] == len(stub.objects[stub.only_job().raw_path])


def test_a_repeated_put_that_meets_its_own_object_counts_as_uploaded(stub: Stub, client: Both) -> None:
    stub.next("PUT /store", after=True)  # stored, and the answer lost
    job = client.submit(CONTENT, "neet-2026", "photo")
    assert len(stub.lines("PUT")) == 2
    assert stub.uploaded(job.job_id) == CONTENT


def test_several_files_are_one_job_in_their_order_named_after_the_first(
    stub: Stub, client: Both, tmp_path: Path
) -> None:
    (tmp_path / "front.png").write_bytes(CONTENT)
    told: list[int] = []
    job = client.submit([tmp_path / "front.png", b"the back", b"more"], "aadhaar-update", on_sent=told.append)
    asked = json.loads(stub.seen[-1].body)
    held = list(stub.jobs.values())
    assert asked["raw_paths"] == [entry.raw_path for entry in held]
    assert "raw_path" not in asked
    assert (asked["original_filename"], asked["mime_type"]) == ("front.png", "image/png")
    assert [stub.uploaded(entry.job_id) for entry in held] == [CONTENT, b"the back", b"more"]
    assert (job.job_id, stub.seen[-1].headers["idempotency-key"]) == (held[0].job_id, held[0].job_id)
    assert told == sorted(told)
    assert told[-1] == sum(len(stub.objects[path]) for path in asked["raw_paths"])


def test_no_file_at_all_is_nothing_to_submit(stub: Stub, client: Both) -> None:
    with pytest.raises(ValueError, match="no file"):
        client.submit([], "aadhaar-update")
    assert not stub.seen


def test_several_files_that_were_interrupted_go_on_under_the_firsts_id(stub: Stub, client: Both) -> None:
    stub.next("PUT /store", 400)
    with pytest.raises(StoreRefusedError) as refused:
        client.submit([CONTENT, b"the back"], "aadhaar-update")
    first = str(refused.value.job_id)
    job = client.submit([CONTENT, b"the back"], "aadhaar-update", job_id=first)
    assert job.job_id == first
    assert json.loads(stub.seen[-1].body)["raw_paths"][0] == stub.jobs[first].raw_path


def test_a_store_in_trouble_is_asked_again(stub: Stub, client: Both) -> None:
    stub.next("PUT /store", 503)
    assert client.submit(CONTENT, "neet-2026", "photo").status == "pending"


def test_a_signature_that_ran_out_is_made_again_for_the_same_upload(stub: Stub, client: Both) -> None:
    stub.next("PUT /store", 403)
    job = client.submit(CONTENT, "neet-2026", "photo")
    assert stub.seen[2].body.decode() == f'{{"encrypted":true,"job_id":"{job.job_id}"}}'
    assert list(stub.jobs) == [job.job_id]


def test_a_store_that_refuses_is_named_with_the_job(stub: Stub, client: Both) -> None:
    stub.next("PUT /store", 403)
    stub.next("PUT /store", 403)
    with pytest.raises(StoreRefusedError) as refused:
        client.submit(CONTENT, "neet-2026", "photo")
    assert refused.value.job_id in stub.jobs
    assert not stub.lines("POST /api/jobs")


def test_a_create_whose_answer_is_lost_makes_one_job(stub: Stub, client: Both) -> None:
    stub.next("POST /api/jobs", after=True)
    job = client.submit(CONTENT, "neet-2026", "photo")
    sent = [seen.headers["idempotency-key"] for seen in stub.seen if seen.line == "POST /api/jobs"]
    assert sent == [job.job_id, job.job_id]
    assert stub.only_job().job_id == job.job_id


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_says_when_is_asked_again_then(stub: Stub, client: Both, status: int) -> None:
    stub.refuse("POST /api/jobs", status, "TOO_MANY_JOBS", retry_after="0")
    assert client.submit(CONTENT, "neet-2026", "photo").status == "pending"
    assert len(stub.lines("POST /api/jobs")) == 2


def test_a_wait_longer_than_ones_patience_is_told_at_once(stub: Stub, client: Both) -> None:
    stub.refuse("POST /api/jobs", 429, "TOO_MANY_JOBS", retry_after="900")
    with pytest.raises(TooManyJobsError) as refused:
        client.submit(CONTENT, "neet-2026", "photo")
    assert refused.value.retry_after_s == 900
    assert refused.value.request_id == "req-1"
    assert "Retry-After" in refused.value.advice
    assert len(stub.lines("POST /api/jobs")) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "UNAUTHENTICATED", UnauthenticatedError),
        (402, "NO_CREDIT", NoCreditError),
        (409, "OBJECT_MISSING", ConflictError),
        (413, "UPLOAD_TOO_LARGE", InvalidRequestError),
        (422, "IDEMPOTENCY_MISMATCH", InvalidRequestError),
    ],
)
def test_a_refusal_is_an_exception_of_its_kind_and_is_not_repeated(
    stub: Stub, client: Both, status: int, code: str, kind: type[Exception]
) -> None:
    stub.refuse("POST /api/jobs", status, code)
    with pytest.raises(kind, match=f"{code} it is") as refused:
        client.submit(CONTENT, "neet-2026", "photo")
    assert getattr(refused.value, "code", None) == code
    assert len(stub.lines("POST /api/jobs")) == 1


def test_wrong_fields_are_named(stub: Stub, client: Both) -> None:
    problem = {
        "title": "Invalid field",
        "status": 422,
        "code": "INVALID_FIELD",
        "detail": "Look",
        "errors": [{"pointer": "/mime_type", "code": "pattern", "detail": "is not a media type"}],
    }
    stub.next("POST /api/uploads", 422, body=problem, content_type="application/problem+json")
    with pytest.raises(InvalidRequestError, match="/mime_type") as refused:
        client.submit(CONTENT, "neet-2026", "photo")
    assert [error.pointer for error in refused.value.errors] == ["/mime_type"]


def test_a_misconfigured_service_is_not_waited_for(stub: Stub, client: Both) -> None:
    stub.refuse("POST /api/uploads", 503, "NOT_CONFIGURED")
    with pytest.raises(UnreachableError) as refused:
        client.submit(CONTENT, "neet-2026", "photo")
    assert refused.value.code == "NOT_CONFIGURED"
    assert len(stub.lines()) == 1


def test_an_interrupted_submit_goes_on_with_its_job(stub: Stub, client: Both) -> None:
    for _ in range(6):
        stub.next("POST /api/jobs")
    with pytest.raises(UnreachableError) as broken:
        client.submit(CONTENT, "neet-2026", "photo")
    job = client.submit(CONTENT, "neet-2026", "photo", job_id=broken.value.job_id)
    assert job.job_id == broken.value.job_id
    assert stub.uploaded(job.job_id) == CONTENT
    assert list(stub.jobs) == [job.job_id]


def test_a_submit_that_was_done_after_all_is_found_again(stub: Stub, client: Both) -> None:
    first = client.submit(CONTENT, "neet-2026", "photo")
    again = client.submit(CONTENT, "neet-2026", "photo", job_id=first.job_id)
    assert again.job_id == first.job_id
    assert len(stub.lines("POST /api/jobs")) == 1


def test_a_file_is_never_sent_open_when_no_key_comes(stub: Stub, client: Both) -> None:
    stub.plaintext = True
    with pytest.raises(UnexpectedAnswerError):
        client.submit(CONTENT, "neet-2026", "photo")
    assert not stub.objects


def test_plaintext_goes_where_it_is_asked_for(stub: Stub, client: Both) -> None:
    stub.plaintext = True
    job = client.submit(CONTENT, "neet-2026", "photo", encrypted=False)
    assert stub.objects[stub.jobs[job.job_id].raw_path] == CONTENT
    assert client.download(job.job_id) == b"the document"


def test_a_job_can_be_made_of_what_stands_there_already(stub: Stub, client: Both) -> None:
    first = client.submit(CONTENT, "neet-2026", "photo")
    client.create_job("ibps", "photo", raw_path=stub.jobs[first.job_id].raw_path)
    keys = [seen.headers["idempotency-key"] for seen in stub.seen if seen.line == "POST /api/jobs"]
    assert len(set(keys)) == 2


def test_what_cannot_be_asked_is_refused_before_anything_is_sent(stub: Stub) -> None:
    with Client(stub.url, "token-1") as client, pytest.raises(ValueError, match="JobRequest"):
        client.create_job("No Such Slug", raw_path="raw/x")
    assert not stub.seen


def test_the_data_key_is_in_no_representation(stub: Stub, client: Both) -> None:
    client.submit(CONTENT, "neet-2026", "photo")
    held = stub.only_job()
    assert held.key is not None
    assert base64.b64encode(held.key.data_key).decode() not in repr(client) + repr(vars(client))
