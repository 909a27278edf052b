"""The hand-off's checklist by its own words: paths, presigned URLs, the worker's success and failures, webhooks."""

import datetime as dt
import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from rythmiq.client import Client, JobFailedError
from rythmiq.contracts.attempt import derive_token
from rythmiq.contracts.errors import CATALOGUE
from rythmiq.contracts.keys import MasterKey, OutputKey, RawKey, master_key, output_key, parse_key
from tests.e2e.cloud_process import CloudProcess, within
from tests.e2e.conftest import CREDITS, Cloud
from tests.support import loopback

HOUR = dt.timedelta(hours=1)
RECEIPT = {
    "portal": "college-generic",
    "slot": "signature",
    "version": "1",
    "conforms": True,
    "clauses": [],
    "document": {
        "filename": "a.jpg",
        "sha256": "0" * 64,
        "bytes": 1,
        "width_px": 1,
        "height_px": 1,
        "dpi": None,
        "format": "jpeg",
    },
    "operations": [],
    "padded_bytes": 0,
    "versions": {},
}


@pytest.fixture(scope="module")
def done(cloud: Cloud, portrait: bytes) -> Iterator[tuple[Client, str]]:
    """A client and its completed job."""
    with cloud.process.client() as client:
        job_id = client.submit(portrait, "neet-2026", "photo", filename="my photo.jpg").job_id
        client.wait(job_id, timeout_s=240)
        yield client, job_id


@pytest.fixture
def held(cloud: Cloud, client: Client) -> Iterator[str]:
    """A job whose worker the test plays."""
    with cloud.held_job(client) as job_id:
        yield job_id


def failure(job_id: str, code: str, **error: Any) -> dict[str, Any]:
    """The webhook of a failed job."""
    entry = next(entry for entry in CATALOGUE.values() if entry.code == code)
    told = {
        "code": code,
        "stage": entry.stage or "decode",
        "message": "for a test",
        "retryable": entry.retryable,
        **error,
    }
    result = {"status": "failed", "job_id": job_id, "error": told}
    return {"camber_job_id": None, "job_id": job_id, "attempt": 1, "status": "failed", "result": result}


# --- paths ----------------------------------------------------------------------------------------------------------


def test_uploads_masters_and_outputs_stand_where_the_paths_say(done: tuple[Client, str], process: CloudProcess) -> None:
    client, job_id = done
    job = process.job(job_id)
    ((raw_path,),) = process.rows("select raw_path from public.jobs where id = %s", job_id)
    raw = parse_key(raw_path)
    assert isinstance(raw, RawKey)
    assert (raw.user_id, raw.job_id, raw.filename) == (job["user_id"], job_id, "my_photo.jpg")
    artifacts = client.job(job_id).artifacts or {}
    master = parse_key(artifacts.pop("master_path"))
    assert master == MasterKey(job["user_id"], job["document_id"])
    outputs = {name: parse_key(key) for name, key in artifacts.items()}
    assert {(key.user_id, key.job_id) for key in outputs.values() if isinstance(key, OutputKey)} == {
        (job["user_id"], job_id)
    }
    assert {name: getattr(key, "artifact", None) for name, key in outputs.items()} == {
        "preview_path": "preview",
        "before_path": "before",
        "document_path": "document",
        "output_path": "zip",
    }


# --- presigned URLs -------------------------------------------------------------------------------------------------


def test_a_presigned_put_works_once_and_an_expired_one_gets_403(cloud: Cloud, user_id: str) -> None:
    body = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 10}
    with cloud.process.http(user_id) as http:
        signed = http.post("/uploads", json=body).json()["upload"]
        expiring = http.post("/uploads", json=body).json()["upload"]
    answers = [loopback.put(signed["url"], headers=signed["headers"], content=b"x" * 134) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 412]
    now = cloud.guard.now
    cloud.guard.now = lambda: now() + HOUR
    try:
        assert loopback.put(expiring["url"], headers=expiring["headers"], content=b"x" * 134).status_code == 403
    finally:
        cloud.guard.now = now


def test_presigned_gets_work_and_expired_ones_get_403(cloud: Cloud, done: tuple[Client, str]) -> None:
    client, job_id = done
    links = client.job(job_id).links
    urls = [url for url in (links.preview, links.document, links.output) if url is not None]
    assert [loopback.get(url).status_code for url in urls] == [200, 200, 200]
    now = cloud.guard.now
    cloud.guard.now = lambda: now() + 25 * HOUR
    try:
        assert [loopback.get(url).status_code for url in urls] == [403, 403, 403]
    finally:
        cloud.guard.now = now


# --- the worker -----------------------------------------------------------------------------------------------------


def test_a_success_brings_document_preview_receipt_and_zip(done: tuple[Client, str]) -> None:
    client, job_id = done
    view = client.job(job_id)
    document = client.download(job_id, "document")
    assert view.receipt is not None
    assert hashlib.sha256(document).hexdigest() == view.receipt["document"]["sha256"]
    assert client.download(job_id, "preview").startswith(b"\xff\xd8\xff")
    with zipfile.ZipFile(io.BytesIO(client.download(job_id, "output"))) as packed:
        assert packed.read(view.receipt["document"]["filename"]) == document
        assert json.loads(packed.read("receipt.json"))["document"] == view.receipt["document"]
        assert b"<html" in packed.read("receipt.html")


def test_a_success_is_charged_once_and_measured_by_stage(done: tuple[Client, str], process: CloudProcess) -> None:
    _, job_id = done
    entries = process.rows("select kind, amount from public.credit_ledger where job_id = %s", job_id)
    assert sorted(entries) == [("reserve", -1), ("settle", 0)]
    stages = [row[0] for row in process.rows("select stage from public.cpu_usage where job_id = %s", job_id)]
    assert sorted(stages) == sorted({"fetch", "decode", "quality", "enhance", "ocr", "schema", "upload"} & {*stages})
    assert {"fetch", "schema", "upload"} <= {*stages}
    assert process.rows("select 1 from public.metrics where job_id = %s limit 1", job_id)
    assert process.rows(
        "select 1 from public.documents d join public.jobs j on j.id = %s and d.user_id = j.user_id", job_id
    )


def test_a_file_that_is_no_picture_fails_and_costs_nothing(client: Client) -> None:
    job_id = client.submit(b"no picture at all", "neet-2026", "photo", filename="a.jpg").job_id
    with pytest.raises(JobFailedError) as failed:
        client.wait(job_id, timeout_s=240)
    assert (failed.value.code, failed.value.stage) == ("DECODE_FAILED", "decode")
    assert client.account().credits.available == CREDITS


@pytest.mark.parametrize("code", [entry.code for entry in CATALOGUE.values()])
def test_each_failure_ends_the_job_or_begins_its_next_attempt(
    held: str, process: CloudProcess, client: Client, code: str
) -> None:
    entry = next(entry for entry in CATALOGUE.values() if entry.code == code)
    answer = process.webhook(failure(held, code))
    assert answer.status_code == 200
    job = process.job(held)
    if entry.retryable:
        assert (job["status"], job["attempt"]) == ("processing", 2)
        assert [attempt["code"] for attempt in job["error_details"]["attempts"]] == [code]
    else:
        assert (job["status"], job["error_details"]["code"]) == ("failed", code)
        assert client.account().credits.available == CREDITS
        view = client.job(held)
        assert (view.status, (view.error or {})["code"]) == ("failed", code)


# --- webhooks -------------------------------------------------------------------------------------------------------


def test_a_webhook_without_the_secret_or_with_another_is_401(held: str, process: CloudProcess) -> None:
    secret = process.file.webhook_secret
    hour_ahead = int(dt.datetime.now(tz=dt.UTC).timestamp()) + 3_600
    wrong = [
        "",
        "wrong",
        secret + "x",
        secret.swapcase(),
        derive_token(secret, str(uuid.uuid4()), 1, hour_ahead),
        derive_token(secret, held, 2, hour_ahead),
        derive_token(secret, held, 1, hour_ahead - 7_200),
        derive_token("another secret of some length", held, 1, hour_ahead),
    ]
    assert {process.webhook(failure(held, "OCR_FAILED"), secret=text).status_code for text in wrong} == {401}
    url = f"{process.file.base_url}/internal/webhooks/camber"
    assert loopback.post(url, json=failure(held, "OCR_FAILED")).status_code == 401
    assert process.job(held)["status"] == "processing"


def test_a_webhook_with_the_attempt_s_own_token_is_taken(held: str, process: CloudProcess) -> None:
    token = derive_token(process.file.webhook_secret, held, 1, int(dt.datetime.now(tz=dt.UTC).timestamp()) + 60)
    assert process.webhook(failure(held, "OCR_FAILED"), secret=token).status_code == 200
    assert process.job(held)["status"] == "failed"


def test_a_duplicate_webhook_answers_200_and_changes_nothing(
    done: tuple[Client, str], cloud: Cloud, process: CloudProcess
) -> None:
    _, job_id = done
    posts = [
        json.loads(exchange.body)
        for exchange in cloud.webhook_line.exchanges
        if exchange.path == "/internal/webhooks/camber" and job_id.encode() in exchange.body
    ]
    before = process.rows("select row_version from public.jobs where id = %s", job_id)
    assert [process.webhook(body).status_code for body in [*posts, failure(job_id, "OCR_FAILED")]] == [200] * (
        len(posts) + 1
    )
    assert process.rows("select row_version from public.jobs where id = %s", job_id) == before
    assert len(process.rows("select 1 from public.credit_ledger where job_id = %s", job_id)) == 2


def test_a_webhook_that_names_another_user_s_keys_is_422(held: str, process: CloudProcess) -> None:
    job, other = process.job(held), str(uuid.uuid4())
    stamp = "20260101T000000Z"
    artifacts = {
        "master_path": master_key(other, job["document_id"]),
        "preview_path": output_key(other, held, "preview.jpg.enc"),
        "document_path": output_key(other, held, f"{stamp}_document.jpg.enc"),
    }
    result = {
        "status": "success",
        "job_id": held,
        "quality_score": 0.5,
        "warnings": [],
        "artifacts": artifacts,
        "metrics": {
            "ocr_confidence": None,
            "processing_ms": 1,
            "stages": [],
            "input_bytes": 1,
            "document_bytes": 1,
            "encodes": 1,
        },
        "receipt": RECEIPT,
    }
    body = {"camber_job_id": None, "job_id": held, "attempt": 1, "status": "success", "result": result}
    answer = process.webhook(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_FIELD")
    assert process.job(held)["status"] == "processing"


def test_a_webhook_of_an_unknown_job_is_404(process: CloudProcess) -> None:
    assert process.webhook(failure(str(uuid.uuid4()), "OCR_FAILED")).status_code == 404


def test_a_stage_is_seen_while_the_job_runs(cloud: Cloud, client: Client, portrait: bytes) -> None:
    job_id = client.submit(portrait, "neet-2026", "photo", filename="a.jpg").job_id
    stages = [view.stage for view in client.watch(job_id, timeout_s=240)]
    assert client.job(job_id).status == "completed"
    told = within(
        5,
        lambda: [e for e in cloud.webhook_line.exchanges if e.path.endswith("/progress") and job_id.encode() in e.body],
    )
    assert {exchange.status for exchange in told} == {200}
    assert stages[-1] in {None, "upload", *(json.loads(exchange.body)["stage"] for exchange in told)}
