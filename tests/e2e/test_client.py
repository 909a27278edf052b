"""The clients and the client's commands against a real cloud: a job as its owner makes, watches and uses it.

What has the fixture `client` runs with the Python client and with rythmiq.js in Node.
"""

import asyncio
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from rythmiq.client import (
    AsyncClient,
    Client,
    FileMissingError,
    JobFailedError,
    JobOptions,
    NoCreditError,
    NotFoundError,
    RefusedError,
)
from rythmiq.contracts.result import Receipt
from rythmiq_cli.output import ExitCode
from tests.e2e.cloud_process import RYTHMIQ, CloudProcess, within
from tests.e2e.conftest import CREDITS, Cloud
from tests.support import loopback, worker_uploads
from tests.support.node_client import NodeClient

MOST_S = 240


@pytest.fixture(params=["python", pytest.param("node", marks=pytest.mark.node)])
def client(process: CloudProcess, user_id: str, request: pytest.FixtureRequest) -> Iterator[Client | NodeClient]:
    """A client of somebody new."""
    if request.param == "python":
        with process.client(user_id) as made:
            yield made
        return
    with NodeClient(process.file.base_url, lambda: process.token(user_id)) as made_in_node:
        yield made_in_node


def rythmiq(process: CloudProcess, *arguments: object, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """A command, as a shell runs it, against the cloud."""
    place = ["--cloud", str(process.data_dir)]
    who = [] if user is None else ["--user", user]
    return subprocess.run(
        [str(RYTHMIQ), *map(str, arguments), *place, *who],
        check=False,
        capture_output=True,
        text=True,
        timeout=MOST_S,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )


def test_a_job_from_the_file_to_the_text(client: Client) -> None:
    seen = []
    job = client.submit(worker_uploads.card(), "aadhaar-update", "document", filename="मेरा कार्ड.jpg")
    for view in client.watch(job.job_id, timeout_s=MOST_S):
        seen.append((view.status, view.stage))
    assert seen[-1][0] == "completed"
    assert len(set(seen)) == len(seen)
    facts = Receipt.model_validate(view.receipt).document
    assert hashlib.sha256(client.download(job.job_id)).hexdigest() == facts.sha256
    assert b"ASHA SPECIMEN" in client.download(job.job_id, "text")
    assert client.download(job.job_id, "preview")[:2] == b"\xff\xd8"


def test_a_master_serves_another_portal(client: Client, portrait: bytes, tmp_path: Path) -> None:
    first = client.submit(portrait, "neet-2026", "photo")
    master = (client.wait(first.job_id, timeout_s=MOST_S).artifacts or {})["master_path"]
    again = client.create_job("passport-india", "photo", raw_path=master)
    client.wait(again.job_id, timeout_s=MOST_S)
    (tmp_path / "other.jpg").write_bytes(client.download(again.job_id))
    with Image.open(tmp_path / "other.jpg") as image:
        assert image.size == (630, 810)


def test_options_reach_the_worker(client: Client, portrait: bytes) -> None:
    job = client.submit(portrait, "neet-2026", "photo", options=JobOptions(rotate=90))
    receipt = Receipt.model_validate(client.wait(job.job_id, timeout_s=MOST_S).receipt)
    assert ("turn", {"degrees_clockwise": 90}) in [(done.op, done.parameters) for done in receipt.operations]


def test_a_failure_raises_what_the_catalogue_advises(client: Client) -> None:
    job = client.submit(b"\xff\xd8 no picture at all", "neet-2026", "photo", filename="broken.jpg")
    with pytest.raises(JobFailedError) as failed:
        client.wait(job.job_id, timeout_s=MOST_S)
    assert (failed.value.code, failed.value.stage) == ("DECODE_FAILED", "decode")
    assert client.account().credits.available == CREDITS


def test_a_submit_that_is_repeated_is_one_job_and_one_charge(client: Client, portrait: bytes) -> None:
    first = client.submit(portrait, "neet-2026", "photo")
    again = client.submit(portrait, "neet-2026", "photo", job_id=first.job_id)
    assert again.job_id == first.job_id
    client.wait(first.job_id, timeout_s=MOST_S)
    assert [item.job_id for item in client.jobs()] == [first.job_id]
    assert client.account().credits.available == CREDITS - 1


def test_credits_run_out(client: Client, cloud: Cloud) -> None:
    with cloud.executor_faults({"hold": True}):
        for _ in range(CREDITS):
            cloud.held.add(client.submit(worker_uploads.blank(), "college-generic", "signature").job_id)
        with pytest.raises(NoCreditError):
            client.submit(worker_uploads.blank(), "college-generic", "signature")


def test_jobs_come_over_page_ends(client: Client) -> None:
    ids = [client.submit(b"no picture", "neet-2026", "photo").job_id for _ in range(3)]
    assert [item.job_id for item in client.jobs(page_size=2)] == ids[::-1]


def test_an_erased_account_is_gone_with_all_its_files_and_its_token_gets_nothing(
    client: Client, cloud: Cloud, user_id: str, portrait: bytes
) -> None:
    """A job that has ended, one that runs, and their files; the next ticks remove what is stored."""
    done = client.submit(portrait, "neet-2026", "photo").job_id
    client.wait(done, timeout_s=MOST_S)
    process = cloud.process

    def theirs() -> list[str]:
        return [key for key in process.stored_keys() if user_id in key]

    def swept() -> bool:
        secret = {"X-Reconcile-Secret": process.file.reconcile_secret}
        loopback.post(f"{process.file.base_url}/internal/reconcile", headers=secret, timeout=30)
        return not theirs()

    with cloud.held_job(client) as running:  # one that goes on may write once more, which goes an hour later
        assert len(theirs()) > 2
        receipt = client.erase_account()
        assert (receipt.jobs, receipt.uploads) == (2, 2)
    within(60, swept, "the removal of every file")
    assert process.job(running)["error_details"]["code"] == "EXECUTOR_CANCELLED"
    assert {process.job(job_id)["user_id"] for job_id in (done, running)} != {user_id}
    calls: list[Callable[[], object]] = [
        client.account,
        client.erase_account,
        lambda: client.job(done),
        lambda: list(client.jobs()),
    ]
    for call in calls:
        with pytest.raises(RefusedError) as refused:
            call()
        assert (refused.value.status, refused.value.code) == (403, "ACCOUNT_ERASED")


def test_a_job_that_is_deleted_is_gone_with_its_files(client: Client, portrait: bytes) -> None:
    job = client.submit(portrait, "neet-2026", "photo")
    client.wait(job.job_id, timeout_s=MOST_S)
    client.delete(job.job_id)
    with pytest.raises(NotFoundError):
        client.job(job.job_id)
    client.delete(job.job_id)


def test_another_s_job_is_not_there(client: Client, process: CloudProcess) -> None:
    job = client.submit(b"no picture", "neet-2026", "photo")
    with process.client() as other:
        for call in (other.job, other.delete, other.download, other.cancel):
            with pytest.raises(NotFoundError):
                call(job.job_id)


def test_the_rule_book_needs_no_token(process: CloudProcess) -> None:
    with Client(process.file.base_url) as anybody:
        assert "neet-2026" in [portal.portal for portal in anybody.portals()]
        assert anybody.portal("ibps").slots[0].slot == "photo"


def test_the_async_client_follows_several_jobs_at_once(process: CloudProcess, user_id: str) -> None:
    async def one(client: AsyncClient, content: bytes) -> str:
        job = await client.submit(content, "neet-2026", "photo")
        try:
            return (await client.wait(job.job_id, timeout_s=MOST_S)).status
        except JobFailedError as error:
            return error.code

    async def all_of_them() -> list[str]:
        async with AsyncClient(process.file.base_url, process.token(user_id)) as client:
            contents = (worker_uploads.portrait(), b"no picture", worker_uploads.portrait())
            return await asyncio.gather(*(one(client, content) for content in contents))

    assert asyncio.run(all_of_them()) == ["completed", "DECODE_FAILED", "completed"]


# --- the commands ------------------------------------------------------------


def test_a_shell_submits_and_is_left_with_the_files(process: CloudProcess, portrait: bytes, tmp_path: Path) -> None:
    (tmp_path / "me.jpg").write_bytes(portrait)
    arguments = (tmp_path / "me.jpg", "--portal", "neet-2026", "--slot", "photo", "-o", tmp_path / "out", "--json")
    done = rythmiq(process, "submit", *arguments)
    assert done.returncode in {ExitCode.OK, ExitCode.DOES_NOT_CONFORM}, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "completed"
    assert sorted(told["files"]) == sorted(path.name for path in (tmp_path / "out").iterdir())
    receipt = Receipt.model_validate_json((tmp_path / "out" / "receipt.json").read_bytes())
    document = (tmp_path / "out" / receipt.document.filename).read_bytes()
    assert hashlib.sha256(document).hexdigest() == receipt.document.sha256


def test_a_shell_watches_and_downloads_what_another_submitted(
    process: CloudProcess, portrait: bytes, user_id: str, tmp_path: Path
) -> None:
    (tmp_path / "me.jpg").write_bytes(portrait)
    arguments = (tmp_path / "me.jpg", "--portal", "neet-2026", "--slot", "photo")
    job_id = rythmiq(process, "submit", *arguments, user=user_id).stdout.strip()
    watched = rythmiq(process, "watch", job_id, user=user_id)
    assert watched.returncode in {ExitCode.OK, ExitCode.DOES_NOT_CONFORM}, watched.stderr
    done = rythmiq(process, "download", job_id, "-o", tmp_path / "out", "--only", "document", user=user_id)
    assert Path(done.stdout.strip()).read_bytes()[:2] == b"\xff\xd8"


def test_a_minted_token_is_taken(process: CloudProcess, user_id: str) -> None:
    minted = rythmiq(process, "token", user=user_id).stdout.strip()
    with Client(process.file.base_url, minted) as client:
        assert client.account().credits.available == CREDITS


def test_an_operator_grants_and_looks(process: CloudProcess, user_id: str) -> None:
    shown = json.loads(rythmiq(process, "credits", "show", user_id, "--json").stdout)
    assert (shown["balance"], shown["entries"]) == (0, [])
    granted = json.loads(rythmiq(process, "credits", "grant", user_id, 5, "--json").stdout)
    assert granted["balance"] == 5
    with process.client(user_id) as client:
        assert client.account().credits.available == 5 + CREDITS  # looking took nothing from the first use


def test_an_operator_ends_a_job_that_hangs(cloud: Cloud, client: Client, user_id: str) -> None:
    with cloud.held_job(client) as job_id:
        listed = json.loads(rythmiq(cloud.process, "jobs", "list", "--user", user_id, "--json").stdout)["jobs"]
        assert [(job["job_id"], job["status"]) for job in listed] == [(job_id, "processing")]
        assert "processing" in rythmiq(cloud.process, "jobs", "show", job_id).stdout
        retried = json.loads(rythmiq(cloud.process, "jobs", "retry", job_id, "--json").stdout)
        assert retried["outcome"] == "retrying"
        ended = rythmiq(cloud.process, "jobs", "fail", job_id)
        assert ended.stdout.strip() == "failed"
    with pytest.raises(JobFailedError) as failed:
        client.wait(job_id, timeout_s=MOST_S)
    assert failed.value.code == "EXECUTOR_CANCELLED"
    assert client.account().credits.available == CREDITS
    again = rythmiq(cloud.process, "jobs", "fail", job_id)
    assert again.returncode == ExitCode.USAGE
    with pytest.raises(FileMissingError):
        client.download(job_id)
