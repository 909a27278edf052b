"""One account at its worst on a whole cloud: what it is refused, and that others go on."""

import threading
import time
from typing import Any

import pytest

from rythmiq.client import Client, JobFailedError
from tests.e2e.cloud_process import CloudProcess
from tests.e2e.conftest import Cloud
from tests.support import worker_uploads

SLOT: Any = ("college-generic", "signature")


def failed(client: Client) -> str:
    """A job of garbage, as it ended."""
    job = client.submit(b"\xff\xd8 garbage", *SLOT, filename="a.jpg")
    with pytest.raises(JobFailedError):
        client.wait(job.job_id)
    return job.job_id


def test_an_account_that_fails_again_and_again_has_one_place_and_others_go_on(
    cloud: Cloud, process: CloudProcess, client: Client
) -> None:
    jobs = [failed(client) for _ in range(3)]
    for job_id in jobs:
        ((keys,),) = process.rows("select keys from public.removals where job_id = %s", job_id)
        assert [key for key in keys if key.endswith("_a.jpg.enc")]  # the upload goes
    with cloud.held_job(client) as held:
        second = client.submit(worker_uploads.blank(), *SLOT, filename="s.jpg").job_id
        with process.client() as other:
            other.wait(other.submit(worker_uploads.blank(), *SLOT, filename="s.jpg").job_id)
        assert process.job(second)["status"] == "pending"
        error = {"code": "INTERNAL_ERROR", "stage": "decode", "message": "m", "retryable": True}
        body = {"job_id": held, "attempt": 1, "status": "failed"}
        hang = {"status": "failed", "job_id": held, "error": {**error, "detail": {"reason": "hang"}}}
        assert process.webhook({**body, "camber_job_id": None, "result": hang}).status_code == 200
    assert process.job(held)["status"] == "failed"  # at its first attempt
    assert client.wait(second).status == "completed"


def test_calls_beyond_the_rate_and_a_third_poll_are_answered_at_once(
    cloud: Cloud, process: CloudProcess, client: Client, user_id: str
) -> None:
    with cloud.held_job(client) as held, process.http(user_id) as http:

        def poll() -> None:
            with process.http(user_id) as waiting:
                waiting.get(f"/api/jobs/{held}", params={"wait": 5, "until": "ended"})

        threads = [threading.Thread(target=poll) for _ in range(2)]
        for thread in threads:
            thread.start()
        waits = "select cardinality(polls) from public.user_credits where user_id = %s"
        while process.rows(waits, user_id) != [(2,)]:
            assert any(thread.is_alive() for thread in threads)
        began_s = time.monotonic()
        third = http.get(f"/api/jobs/{held}", params={"wait": 5, "until": "ended"})
        assert time.monotonic() - began_s < 4
        assert (third.status_code, third.json()["status"]) == (200, "processing")
        assert int(third.headers["retry-after"]) > 0
        for thread in threads:
            thread.join()
        answers = [http.post("/api/uploads", json={"job_id": held}) for _ in range(70)]
        assert {answer.status_code for answer in answers} == {409, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["code"] == "RATE_LIMITED"
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["ratelimit-policy"] == '"post";q=60;w=60'
        error = {"code": "DECODE_FAILED", "stage": "decode", "message": "m", "retryable": False}
        result = {"status": "failed", "job_id": held, "error": error}
        body = {"camber_job_id": None, "job_id": held, "attempt": 1, "status": "failed", "result": result}
        assert process.webhook(body).status_code == 200
