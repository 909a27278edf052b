"""Whatever breaks in mid-job, the job still ends once, correctly: one terminal state, one ZIP at most, one charge.

The faults of one job each happen to jobs that are on their way at the same time; the faults of a part happen to all.
"""

import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.cloud_process import CloudProcess, descendants, processes, within
from tests.e2e.conftest import Cloud
from tests.e2e.proxy import Does, Exchange, Proxy
from tests.support import loopback, worker_uploads

FILE = worker_uploads.blank(600)

EXECUTOR_FAULTS: dict[str, dict[str, Any]] = {
    "the worker is killed": {"attempt": 1, "kill": "worker", "kill_when": '"decode"'},
    "the launcher is killed": {"attempt": 1, "kill": "launcher", "kill_when": '"decode"'},
    "the launcher does not start": {"attempt": 1, "program": [sys.executable, "-c", "raise SystemExit(7)"]},
    "the order's reply is lost": {"attempt": 1, "drop_reply": True},
    "it is started twice": {"attempt": 1, "duplicate": True},
    "the webhook comes before the order's reply": {"attempt": 1, "late_reply": True},
    "the executor cancels it": {"attempt": 1, "cancel": True},
}
LINE_FAULTS: dict[str, tuple[str, str, str, Does, int | None]] = {
    # name: line, method, path, what happens, how often
    "the webhook is lost": ("webhook", "POST", "/camber", "refuse", None),
    "the webhook's answer is lost": ("webhook", "POST", "/camber", "lose", 2),
    "the webhook's connection is cut": ("webhook", "POST", "/camber", "cut", 1),
    "the store refuses a dispatch object": ("store", "PUT", "/dispatch-a1", "refuse", 3),
    "the store refuses the upload's bytes": ("store", "GET", "_s.jpg.enc", "refuse", 1),
    "the store refuses an artifact": ("store", "PUT", "/output/", "refuse", 1),
    "the store refuses the master": ("store", "PUT", "/master/", "refuse", 1),
    "the store refuses the ZIP": ("store", "PUT", "_output.zip", "refuse", 3),
    "the store takes the ZIP and does not say so": ("store", "PUT", "_output.zip", "lose", 1),
}
KILLED_FUNCTION = "the function is killed between ZIP and commit"
ONE_ATTEMPT = {
    "the store refuses a dispatch object",
    "the order's reply is lost",
    "it is started twice",
    "the webhook comes before the order's reply",
    "the webhook is lost",
    "the webhook's answer is lost",
    "the webhook's connection is cut",
    "the store refuses the ZIP",
    "the store takes the ZIP and does not say so",
    KILLED_FUNCTION,
}
MISFORTUNES = [*EXECUTOR_FAULTS, *LINE_FAULTS, KILLED_FUNCTION]


def announce(process: CloudProcess, user_id: str) -> str:
    """POST /uploads: from here on the job's id is known."""
    body = {"filename": "s.jpg", "mime_type": "image/jpeg", "size_bytes": len(FILE)}
    with process.http(user_id) as http:
        return str(http.post("/uploads", json=body).json()["job_id"])


def submit(process: CloudProcess, user_id: str | None = None, job_id: str | None = None) -> str:
    """Upload a small file and create its job."""
    with process.client(user_id) as client:
        made = client.submit(FILE, "college-generic", "signature", filename="s.jpg", job_id=job_id)
    return made.job_id


def about(named: str, method: str, path: str) -> Callable[[Exchange], bool]:
    """Requests that name a user or a job, in their path or body."""

    def matches(exchange: Exchange) -> bool:
        is_named = named in exchange.path or named.encode() in exchange.body
        return is_named and exchange.method == method and path in exchange.path

    return matches


def kill(process: CloudProcess, *words: str) -> list[int]:
    """SIGKILL to those of the cloud's processes whose command line holds these words."""
    assert process.process is not None
    pids = sorted(processes(*words).keys() & {*descendants(process.process.pid)})
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids


@pytest.fixture(scope="module")
def misfortunes(cloud: Cloud) -> Iterator[dict[str, str]]:
    """One job a misfortune, all on their way at once; by name."""
    users = {name: str(uuid.uuid4()) for name in MISFORTUNES}
    jobs = {name: announce(cloud.process, user_id) for name, user_id in users.items()}
    lines: dict[str, Proxy] = {"store": cloud.store_line, "webhook": cloud.webhook_line}
    with contextlib.ExitStack() as stack:
        plan = ({"job_id": jobs[name], **fault} for name, fault in EXECUTOR_FAULTS.items())
        stack.enter_context(cloud.executor_faults(*plan))
        for name, (line, method, path, does, times) in LINE_FAULTS.items():
            whose = users[name] if line == "store" else jobs[name]
            stack.enter_context(lines[line].fault(about(whose, method, path), does, times=times))
        stack.enter_context(
            cloud.store_line.fault(
                about(jobs[KILLED_FUNCTION], "PUT", "_output.zip"),
                "pass",
                times=1,
                then=lambda: kill(cloud.process, "internal/webhooks"),
            )
        )
        for name, user_id in users.items():
            submit(cloud.process, user_id, jobs[name])
        yield jobs


@pytest.mark.parametrize("misfortune", MISFORTUNES)
def test_the_job_ends_once_and_completed_when(
    misfortunes: dict[str, str], process: CloudProcess, misfortune: str
) -> None:
    job = process.ended(misfortunes[misfortune], timeout_s=240)
    assert job["status"] == "completed"
    assert job["attempt"] == (1 if misfortune in ONE_ATTEMPT else 2)


def test_a_job_whose_order_is_lost_is_ordered_again(cloud: Cloud) -> None:
    with cloud.executor_faults({"drop_order": True}):
        job_id = submit(cloud.process)
    job = cloud.process.ended(job_id)
    assert (job["status"], job["attempt"]) == ("completed", 1)


def test_a_job_that_the_executor_refuses_for_good_fails_with_a_refund(cloud: Cloud) -> None:
    with cloud.executor_faults({"reject": True}):
        job = cloud.process.ended(submit(cloud.process))
    assert (job["status"], job["attempt"], job["error_details"]["code"]) == ("failed", 1, "EXECUTOR_REJECTED")


def test_a_job_that_never_works_fails_after_three_attempts_with_a_refund(cloud: Cloud) -> None:
    with cloud.executor_faults({"program": [sys.executable, "-c", "raise SystemExit(7)"]}):
        job = cloud.process.ended(submit(cloud.process), timeout_s=240)
    assert (job["status"], job["attempt"], job["error_details"]["code"]) == ("failed", 3, "EXECUTOR_LOST")


@pytest.mark.parametrize("part", ["postgres", "executor", "api/jobs", "internal/webhooks"])
def test_a_part_that_is_killed_in_mid_job_is_back_and_the_job_completes(cloud: Cloud, part: str) -> None:
    process = cloud.process
    words = {"postgres": ("cluster_name=rythmiq",), "executor": ("rythmiq_cli.local.executor",)}.get(part, (part,))
    job_id = submit(process)
    within(30, lambda: processes("rythmiq-launch", job_id), "the launcher")
    assert kill(process, *words)
    within(60, lambda: processes(*words).keys() & {*descendants(process.file.pid)}, f"{part} again")
    if part == "postgres":
        within(60, lambda: _connects(process), "the database's answer")
    assert process.ended(job_id)["status"] == "completed"


def test_the_store_answering_503_to_all_for_a_while_costs_nobody_a_job(cloud: Cloud) -> None:
    job_ids = [submit(cloud.process) for _ in range(2)]
    with cloud.store_line.fault(lambda _: True, times=12) as fault:
        within(60, fault.hit.is_set, "the first refusal")
        jobs = [cloud.process.ended(job_id, timeout_s=240) for job_id in job_ids]
    assert [job["status"] for job in jobs] == ["completed"] * 2


def test_a_lost_webhook_is_made_up_for_by_the_schedule_alone(cloud: Cloud) -> None:
    """Nobody looks, and no time is made to pass: the lease runs out, and the result object is found."""
    user_id = str(uuid.uuid4())
    job_id = announce(cloud.process, user_id)
    with cloud.webhook_line.fault(about(job_id, "POST", "/camber")):
        submit(cloud.process, user_id, job_id)
        job = cloud.process.wait_for(job_id, "completed", "failed", timeout_s=240)
    assert (job["status"], job["attempt"]) == ("completed", 1)
    cloud.process.ended(job_id)


def test_a_get_past_the_lease_heals_a_job_without_any_schedule(cloud: Cloud) -> None:
    """What a function's own schedule does, a person's look does too."""
    process = cloud.process
    user_id = str(uuid.uuid4())
    job_id = announce(process, user_id)
    with cloud.webhook_line.fault(about(job_id, "POST", "/camber")) as fault:
        submit(process, user_id, job_id)
        within(60, fault.hit.is_set, "the lost webhook")
        process.hurry(job_id)
        with process.http(user_id) as http:
            within(20, lambda: http.get(f"/jobs/{job_id}").json()["status"] == "completed", "its end")
    process.ended(job_id)


def _connects(process: CloudProcess) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        headers = {"Authorization": f"Bearer {process.file.metrics_token}"}
        return loopback.get(f"{process.file.base_url}/health", headers=headers, timeout=10).status_code == 200
    return False
