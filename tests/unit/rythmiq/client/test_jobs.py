"""The client looks at jobs, waits for them, fetches what came of them, and lets go of them. Blocking and async."""

import hashlib
from typing import Any

import pytest

from rythmiq.client import (
    Client,
    ConflictError,
    FileMissingError,
    JobFailedError,
    NotFoundError,
    RefusedError,
    StoreRefusedError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    UnopenedError,
    UnreachableError,
    WaitTimeoutError,
)
from tests.support.client_both import Both, opened_clients
from tests.support.client_stub import Stub, running_stub


@pytest.fixture
def job_id(stub: Stub, client: Both) -> str:
    """A job that was submitted; what arrived so far is forgotten."""
    job_id: str = client.submit(b"photo", "neet-2026", "photo").job_id
    stub.seen.clear()
    return job_id


def steps(stub: Stub, *steps: dict[str, object]) -> None:
    """What each look at the job finds."""
    stub.only_job().steps = list(steps)


# --- watching ----------------------------------------------------------------


def test_a_watch_yields_each_change_and_ends_with_the_job(stub: Stub, client: Both, job_id: str) -> None:
    working: dict[str, object] = {"status": "processing", "stage": "decode"}
    steps(stub, {"status": "pending", "queue_position": 2}, working, working, {"status": "completed"})
    views = client.watch(job_id)
    assert [(view.status, view.stage) for view in views] == [
        ("pending", None),
        ("processing", "decode"),
        ("completed", None),
    ]


def test_the_first_look_is_answered_at_once_and_the_next_are_held(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"}, {"status": "completed"})
    client.watch(job_id)
    assert stub.lines() == [f"GET /api/jobs/{job_id}", f"GET /api/jobs/{job_id}?wait=10"]


def test_a_poll_shows_the_version_it_knows(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"}, {"status": "completed"})
    client.watch(job_id)
    assert [seen.headers.get("if-none-match") for seen in stub.seen] == [None, '"1"']


def test_an_unchanged_job_is_looked_at_again(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"}, {"status": "completed"})
    stub.next(f"GET /api/jobs/{job_id}?wait", 304, retry_after="0")
    assert [view.status for view in client.watch(job_id)] == ["pending", "completed"]


def test_a_service_that_holds_no_polls_is_asked_without(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"}, {"status": "completed"})
    stub.refuse(f"GET /api/jobs/{job_id}?wait", 422, "INVALID_FIELD")
    assert client.wait(job_id).status == "completed"
    assert stub.lines()[-1] == f"GET /api/jobs/{job_id}"


def test_a_watch_outlives_a_service_that_is_away_for_a_moment(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"}, {"status": "completed"})
    for status in (0, 502, 504):
        stub.next(f"GET /api/jobs/{job_id}", status)
    assert client.wait(job_id).status == "completed"


def test_waiting_for_a_job_that_fails_raises_what_the_catalogue_says(stub: Stub, client: Both, job_id: str) -> None:
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "no picture", "retryable": False}
    steps(stub, {"status": "failed", "error": error})
    with pytest.raises(JobFailedError, match="no picture") as failed:
        client.wait(job_id)
    assert (failed.value.code, failed.value.stage, failed.value.job_id) == ("DECODE_FAILED", "decode", job_id)
    assert "JPEG" in failed.value.advice


def test_a_wait_is_one_held_call_until_the_end(stub: Stub, client: Both, job_id: str) -> None:
    assert client.wait(job_id).status == "completed"
    assert stub.lines() == [f"GET /api/jobs/{job_id}?wait=10&until=ended"]


def test_a_wait_is_held_no_longer_than_it_lasts(stub: Stub, client: Both, job_id: str) -> None:
    client.wait(job_id, timeout_s=2.5)
    assert stub.lines() == [f"GET /api/jobs/{job_id}?wait=2.5&until=ended"]


def test_a_poll_that_brought_a_change_is_followed_at_once(stub: Stub, client: Both, job_id: str) -> None:
    """Whatever Retry-After says: the next one is held."""
    steps(stub, {"status": "pending"}, {"status": "processing"}, {"status": "completed"})
    stub.retry_after_s = 3_600
    assert [view.status for view in client.watch(job_id, timeout_s=60)] == ["pending", "processing", "completed"]


def test_a_poll_that_brought_nothing_is_not_followed_before_the_service_says(
    stub: Stub, client: Both, job_id: str
) -> None:
    steps(stub, {"status": "processing"})
    stub.next(f"GET /api/jobs/{job_id}?wait", 304, ETag='"1"', Retry_After="3600")
    with pytest.raises(WaitTimeoutError):
        client.watch(job_id, timeout_s=60)
    assert len(stub.lines()) == 2


def test_a_wait_that_is_over_leaves_the_job_alone(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "processing"})
    with pytest.raises(WaitTimeoutError) as over:
        client.wait(job_id, timeout_s=0.01)
    assert over.value.job_id == job_id
    assert not stub.lines("DELETE")


# --- downloading -------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "content"),
    [("document", b"the document"), ("preview", b"small"), ("before", b"small, of the upload"), ("text", b"read\n")],
)
def test_a_file_comes_opened(stub: Stub, client: Both, job_id: str, what: str, content: bytes) -> None:
    assert client.download(job_id, what) == content
    stored = {key: data for key, data in stub.objects.items() if key.startswith("output/")}
    assert content not in b"".join(stored.values())


def test_the_zip_comes_whole(client: Both, job_id: str) -> None:
    assert client.download(job_id, "output")[:2] == b"PK"


def test_a_job_without_text_says_so(stub: Stub, client: Both, job_id: str) -> None:
    del stub.result["text"]
    with pytest.raises(FileMissingError):
        client.download(job_id, "text")


def test_a_job_that_goes_on_has_no_document_yet(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "processing"})
    with pytest.raises(FileMissingError, match="processing"):
        client.download(job_id)


def test_a_link_that_ran_out_is_asked_for_again(stub: Stub, client: Both, job_id: str) -> None:
    stub.next("GET /store", 403)
    assert client.download(job_id) == b"the document"


def test_an_object_that_is_gone_is_told(stub: Stub, client: Both, job_id: str) -> None:
    stub.next("GET /store", 404)
    with pytest.raises(StoreRefusedError, match="404"):
        client.download(job_id)


def test_an_object_that_was_changed_does_not_open(stub: Stub, client: Both, job_id: str) -> None:
    client.download(job_id)
    key = next(key for key in stub.objects if key.endswith("/document"))
    stub.objects[key] = stub.objects[key][:-1] + bytes([stub.objects[key][-1] ^ 1])
    with pytest.raises(UnopenedError):
        client.download(job_id)


@pytest.mark.parametrize("what", ["document", "output"])
def test_a_document_that_is_not_the_receipt_s_is_refused(stub: Stub, client: Both, job_id: str, what: str) -> None:
    steps(stub, {"status": "completed", "receipt": {"document": {"filename": "photo.jpg", "sha256": "0" * 64}}})
    with pytest.raises(UnopenedError, match="receipt"):
        client.download(job_id, what)


@pytest.mark.parametrize("what", ["document", "preview", "output", "text"])
def test_a_file_that_is_not_the_one_that_was_made_is_refused(stub: Stub, client: Both, job_id: str, what: str) -> None:
    """An older one, which opens: the store put it back."""
    steps(stub, {"status": "completed", "hashes": {what: "0" * 64}})
    with pytest.raises(UnopenedError, match="made"):
        client.download(job_id, what)


def test_a_file_that_is_the_one_that_was_made_comes_opened(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "completed", "hashes": {"preview": hashlib.sha256(b"small").hexdigest()}})
    assert client.download(job_id, "preview") == b"small"
    assert client.download(job_id, "document") == b"the document"


@pytest.mark.parametrize("kind", ["blocking", "async", pytest.param("node", marks=pytest.mark.node)])
def test_more_than_any_file_has_is_not_read(stub: Stub, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    monkeypatch.setattr("rythmiq.client.jobs.MAX_FILE_BYTES", 10)
    with opened_clients(stub.url, "token-1", kind=kind) as client:
        job_id = client.submit(b"photo", "neet-2026", "photo").job_id
        with pytest.raises(UnreachableError):
            client.download(job_id)
    assert len(stub.lines("GET /store")) == 1


# --- listing, cancelling, deleting -------------------------------------------


def test_jobs_come_page_after_page(stub: Stub, client: Both) -> None:
    ids = {client.submit(b"photo", "neet-2026", "photo").job_id for _ in range(5)}
    found = [item.job_id for item in client.jobs(page_size=2)]
    assert len(found) == 5
    assert set(found) == ids
    assert len(stub.lines("GET /api/jobs?")) == 3


def test_jobs_of_one_status_are_asked_for(stub: Stub, client: Both, job_id: str) -> None:
    assert [item.status for item in client.jobs(status="failed")] == ["failed"]
    assert stub.lines() == ["GET /api/jobs?status=failed&limit=100"]
    assert job_id


def test_a_pending_job_is_cancelled(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"})
    assert client.cancel(job_id) is True
    assert stub.deletions == [job_id]


@pytest.mark.parametrize("status", ["processing", "completed", "failed"])
def test_cancelling_what_has_begun_removes_nothing(stub: Stub, client: Both, job_id: str, status: str) -> None:
    steps(stub, {"status": status})
    assert client.cancel(job_id) is False
    assert not stub.lines("DELETE")


def test_a_job_that_begins_while_it_is_cancelled_goes_on(stub: Stub, client: Both, job_id: str) -> None:
    steps(stub, {"status": "pending"})
    stub.refuse("DELETE", 409, "JOB_PROCESSING")
    assert client.cancel(job_id) is False


def test_a_cancel_whose_answer_is_lost_is_not_sent_again(stub: Stub, client: Both, job_id: str) -> None:
    """A second DELETE would remove the job that the first one cancelled."""
    steps(stub, {"status": "pending"})
    stub.next("DELETE", after=True)
    assert client.cancel(job_id) is True
    assert stub.deletions == [job_id]


def test_deleting_a_job_that_is_processed_is_refused(stub: Stub, client: Both, job_id: str) -> None:
    stub.refuse("DELETE", 409, "JOB_PROCESSING")
    with pytest.raises(ConflictError):
        client.delete(job_id)


def test_a_job_is_deleted(stub: Stub, client: Both, job_id: str) -> None:
    client.delete(job_id)
    assert stub.deletions == [job_id]


def test_an_upload_is_deleted_and_the_call_is_repeated_when_its_answer_is_lost(
    stub: Stub, client: Both, job_id: str
) -> None:
    stub.next("DELETE /api/uploads", after=True)
    client.delete_upload(job_id)
    assert stub.deletions == [job_id, job_id]
    assert not stub.objects


def test_an_upload_that_has_a_job_is_refused(stub: Stub, client: Both, job_id: str) -> None:
    stub.refuse("DELETE /api/uploads", 409, "UPLOAD_CLAIMED")
    with pytest.raises(ConflictError):
        client.delete_upload(job_id)


# --- the account, the rule book, the service ---------------------------------


def test_the_account_tells_credits_and_ignores_what_a_later_version_adds(client: Both) -> None:
    account = client.account()
    assert (account.credits.available, account.entries[0].kind, account.limits.max_active_jobs) == (3, "grant", 20)


def test_an_account_is_erased_and_the_receipt_comes_back(stub: Stub, client: Both) -> None:
    receipt = client.erase_account()
    assert (receipt.jobs, receipt.uploads, receipt.objects) == (2, 3, 18)
    assert stub.lines() == ["DELETE /api/account"]


def test_an_erasure_whose_answer_is_lost_is_not_sent_again(stub: Stub, client: Both) -> None:
    """The second would be refused, as everything is from then on."""
    stub.next("DELETE /api/account", after=True)
    with pytest.raises(UnreachableError):
        client.erase_account()
    assert stub.lines() == ["DELETE /api/account"]


def test_an_erased_account_is_told_with_what_to_do(stub: Stub, client: Both) -> None:
    stub.refuse("GET /api/account", 403, "ACCOUNT_ERASED")
    with pytest.raises(RefusedError, match="ACCOUNT_ERASED") as refused:
        client.account()
    assert "sign up again" in refused.value.advice


def test_another_s_job_is_not_found(stub: Stub, client: Both) -> None:
    stub.refuse("GET /api/jobs/x", 404, "NOT_FOUND")
    with pytest.raises(NotFoundError):
        client.job("x")


def test_what_is_not_this_service_is_named(stub: Stub, client: Both) -> None:
    stub.next("GET /api/account", 200, body={"hello": "world"})
    with pytest.raises(UnexpectedAnswerError, match="AccountAnswer"):
        client.account()
    stub.next("GET /api/account", 404, body=b"<html>")
    with pytest.raises(UnexpectedAnswerError):
        client.account()


def test_a_redirect_is_not_followed_with_the_token(stub: Stub, client: Both) -> None:
    stub.next("GET /api/account", 302, location=f"{stub.url}/elsewhere")
    with pytest.raises(UnexpectedAnswerError):
        client.account()
    assert len(stub.seen) == 1


def test_a_service_in_lasting_trouble_is_given_up(stub: Stub, client: Both) -> None:
    for _ in range(6):
        stub.next("GET /api/account", 500)
    with pytest.raises(UnreachableError, match="500"):
        client.account()
    assert len(stub.seen) == 6


@pytest.mark.parametrize("kind", ["blocking", "async", pytest.param("node", marks=pytest.mark.node)])
def test_nobody_at_the_address_is_unreachable(stub: Stub, kind: str) -> None:
    with running_stub() as gone, opened_clients(gone.url, "t", kind="blocking") as client:
        url = gone.url
        assert client.account()
    with (
        opened_clients(url, "t", kind=kind) as client,  # type: ignore[arg-type]  # one of its three words
        pytest.raises(UnreachableError),
    ):
        client.account()
    assert stub.url != url


@pytest.mark.parametrize("kind", ["blocking", "async", pytest.param("node", marks=pytest.mark.node)])
def test_a_token_that_is_over_is_asked_for_once_more(stub: Stub, kind: str) -> None:
    fresh = iter(["old", "new"])
    stub.refuse("GET /api/account", 401, "UNAUTHENTICATED")
    with opened_clients(stub.url, lambda: next(fresh), kind=kind) as client:  # type: ignore[arg-type]  # ditto
        client.account()
    assert [seen.headers["authorization"] for seen in stub.seen] == ["Bearer old", "Bearer new"]


def test_a_coroutine_may_give_the_token(stub: Stub) -> None:
    async def token() -> str:
        return "from afar"

    with opened_clients(stub.url, token, kind="async") as client:
        client.account()
    assert stub.seen[0].headers["authorization"] == "Bearer from afar"


def test_a_token_that_stays_wrong_is_told(stub: Stub) -> None:
    stub.refuse("GET /api/account", 401, "UNAUTHENTICATED")
    stub.refuse("GET /api/account", 401, "UNAUTHENTICATED")
    with Client(stub.url, lambda: "wrong") as client, pytest.raises(UnauthenticatedError):
        client.account()


@pytest.mark.parametrize("suffix", ["", "/", "/api", "/api/", "/api/v1/web/fn-1"])
def test_the_address_may_end_with_api_or_not(stub: Stub, suffix: str) -> None:
    stub.next("GET", 404)
    with Client(stub.url + suffix, "t") as client, pytest.raises(UnexpectedAnswerError):
        client.account()
    assert stub.lines() == [f"GET {suffix.rstrip('/').removesuffix('/api')}/api/account"]


@pytest.mark.parametrize(
    "url", ["", "rythmiq.example.com", "ftp://x.example.com", "http://rythmiq.example.com", "https://u:p@x.example.com"]
)
def test_an_address_that_would_show_tokens_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Client(url, "t")
