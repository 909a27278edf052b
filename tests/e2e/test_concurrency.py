"""Many at once, over HTTP: one job of equal creates, no more jobs than credits, one settlement of many webhooks."""

import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from rythmiq.crypto import OVERHEAD_BYTES
from tests.e2e.cloud_process import CloudProcess, within
from tests.e2e.conftest import CREDITS, Cloud
from tests.support import loopback, worker_uploads

JOB = {"portal": "college-generic", "slot": "signature"}


def uploaded(http: httpx.Client) -> str:
    """A path where something stands; no job reads it before it ends."""
    body = {"filename": "a.jpg", "mime_type": "image/jpeg", "size_bytes": 10}
    made = http.post("/uploads", json=body).json()
    content = b"RQE1" + b"x" * (10 + OVERHEAD_BYTES - 4)
    loopback.put(made["upload"]["url"], headers=made["upload"]["headers"], content=content).raise_for_status()
    return str(made["raw_path"])


def test_twenty_equal_creates_at_once_make_one_job(cloud: Cloud, user_id: str) -> None:
    with cloud.executor_faults({"hold": True}), cloud.process.http(user_id) as http:
        body = {**JOB, "raw_path": uploaded(http)}
        headers = {"Idempotency-Key": "the-same"}
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda _: http.post("/jobs", json=body, headers=headers), range(20)))
        assert Counter(answer.status_code for answer in answers) == {202: 20}
        (job_id,) = {answer.json()["job_id"] for answer in answers}
        assert [job["job_id"] for job in http.get("/jobs").json()["jobs"]] == [job_id]
        cloud.held.add(job_id)
    kinds = cloud.process.rows("select kind from public.credit_ledger where user_id = %s order by kind", user_id)
    assert kinds == [("grant",), ("reserve",)]


def test_twenty_creates_on_four_credits_make_four_jobs(cloud: Cloud, user_id: str) -> None:
    with cloud.executor_faults({"hold": True}), cloud.process.http(user_id) as http:
        bodies = [{**JOB, "raw_path": uploaded(http)} for _ in range(20)]
        with ThreadPoolExecutor(20) as threads:
            answers = list(threads.map(lambda body: http.post("/jobs", json=body), bodies))
        assert Counter(answer.status_code for answer in answers) == {202: CREDITS, 402: 20 - CREDITS}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 402} == {"NO_CREDIT"}
        assert http.get("/account").json()["credits"] == {"available": 0, "reserved": CREDITS}
        cloud.held |= {answer.json()["job_id"] for answer in answers if answer.status_code == 202}
    sums = cloud.process.rows(
        "select c.balance, c.reserved, sum(l.amount) from public.user_credits c"
        " join public.credit_ledger l using (user_id) where user_id = %s group by 1, 2",
        user_id,
    )
    assert sums == [(0, CREDITS, 0)]


def test_fifty_webhooks_at_once_success_and_failure_mixed_settle_once(cloud: Cloud, process: CloudProcess) -> None:
    with (
        cloud.webhook_line.fault(lambda exchange: exchange.path.endswith("/camber")) as fault,
        process.client() as client,
    ):
        job_id = client.submit(worker_uploads.blank(600), JOB["portal"], JOB["slot"], filename="s.jpg").job_id
        within(120, fault.hit.is_set, "the worker's webhook")
    success = next(
        json.loads(exchange.body)
        for exchange in cloud.webhook_line.exchanges
        if exchange.path.endswith("/camber") and job_id.encode() in exchange.body
    )
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "for a test", "retryable": False}
    failure = {**success, "status": "failed", "result": {"status": "failed", "job_id": job_id, "error": error}}
    with ThreadPoolExecutor(50) as threads:
        answers = list(threads.map(process.webhook, [success, failure] * 25))
    assert {answer.status_code for answer in answers} <= {200, 409}
    job = process.ended(job_id)
    assert (job["status"], job["attempt"]) in {("completed", 1), ("failed", 1)}
    assert process.webhook(failure if job["status"] == "completed" else success).status_code == 200
    assert process.ended(job_id)["status"] == job["status"]


def test_calls_of_many_users_at_once_are_all_answered(process: CloudProcess) -> None:
    def look(_: int) -> int:
        with process.http(str(uuid.uuid4())) as http:
            return http.get("/account").status_code

    with ThreadPoolExecutor(24) as threads:
        assert Counter(threads.map(look, range(72))) == {200: 72}
