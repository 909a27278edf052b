"""`rythmiq up` itself: what it says, what it listens to, what it keeps, and that it leaves nothing behind."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rythmiq_cli.service import CloudFile
from tests.e2e.cloud_process import RYTHMIQ, CloudProcess, descendants, processes, within
from tests.support import loopback, worker_uploads

GIVEN = {
    "EXECUTOR": "hold",
    "MAX_INFLIGHT": "1",
    "UPLOAD_METHOD": "post",
    "WEBHOOK_SECRET": "short-webhook",  # in dev any will do
    "METRICS_TOKEN": "short-metrics",
    "SUPABASE_JWT_SECRET": "a-jwt-secret-of-the-environment-that-is-long",
    "DO_SPACES_BUCKET": "given-bucket",
    "DO_SPACES_REGION": "blr1",
    "DO_SPACES_ACCESS_KEY": "GIVENKEY",
    "DO_SPACES_SECRET_KEY": "a-secret-key-of-the-environment",
    "CAMBER_API_KEY": "-",
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up")


@pytest.fixture(scope="module")
def up(directory: Path) -> Iterator[CloudProcess]:
    """A cloud with everything of its own, and values of the environment; each test leaves it running."""
    temporary = directory / "tmp"
    temporary.mkdir()
    process = CloudProcess(directory / "cloud", "--port", "0", environ={**GIVEN, "TMPDIR": str(temporary)})
    process.start()
    yield process
    if process.is_running:
        process.stop()


def tree(process: CloudProcess) -> set[int]:
    """Every process of the cloud."""
    return {process.file.pid, *descendants(process.file.pid)}


def alive(pids: set[int]) -> set[int]:
    """Those that still run; zombies do not."""
    return pids & processes().keys()


def failed(job_id: str) -> dict[str, object]:
    """The webhook of a job that failed for good."""
    error = {"code": "DECODE_FAILED", "stage": "decode", "message": "for a test", "retryable": False}
    result = {"status": "failed", "job_id": job_id, "error": error}
    return {"job_id": job_id, "attempt": 1, "status": "failed", "result": result}


def listening(pids: set[int]) -> set[str]:
    """Hexadecimal addresses that these processes listen on."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
            except OSError:
                continue
            inodes |= {found[1]} if found else set()
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def test_when_ready_it_prints_cloud_json_as_one_line_and_keeps_it_private(up: CloudProcess) -> None:
    path = up.data_dir / "cloud.json"
    assert CloudFile.model_validate_json(path.read_bytes()) == up.file
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_bytes())) == {
        "base_url", "database_url", "s3", "webhook_secret", "reconcile_secret", "metrics_token", "encryption_keys",
        "dispatch_keys", "pid", "supabase_url", "jwt_secret", "auth_mode", "page_url", "upload_method",
    }  # fmt: skip
    assert up.process is not None
    assert up.file.pid == up.process.pid


def test_names_of_the_environment_win_over_generated_values(up: CloudProcess) -> None:
    file = up.file
    assert (file.webhook_secret, file.metrics_token, file.jwt_secret, file.upload_method) == (
        GIVEN["WEBHOOK_SECRET"],
        GIVEN["METRICS_TOKEN"],
        GIVEN["SUPABASE_JWT_SECRET"],
        "post",
    )
    assert (file.s3.bucket, file.s3.region, file.s3.access_key, file.s3.secret_key) == tuple(
        GIVEN[f"DO_SPACES_{name}"] for name in ("BUCKET", "REGION", "ACCESS_KEY", "SECRET_KEY")
    )


def test_every_function_answers_at_the_root_and_under_its_package(up: CloudProcess) -> None:
    with up.http() as http:
        for base in ("", "/api"):
            assert http.get(f"{base}/portals").json()["portals"]
            assert http.get(f"{base}/account").json()["credits"] == {"available": 3, "reserved": 0}
            assert http.get(f"{base}/jobs").json() == {"jobs": [], "next_cursor": None}
            assert loopback.get(f"{up.file.base_url}{base}/health").status_code == 200
            assert http.get(f"{base}/uploads").status_code == 405
        assert http.get(up.file.page_url).status_code == 200
        assert http.get("/").headers["Location"] == "/api/app"
        assert http.get("/internal/webhooks/camber").status_code == 405
        assert http.post("/internal/reconcile").status_code == 401
        assert http.post("/internal/reconcile", headers={"X-Webhook-Secret": up.file.webhook_secret}).status_code == 401
        secret = {"X-Reconcile-Secret": up.file.reconcile_secret}
        assert http.post("/internal/reconcile", headers=secret).status_code == 200
        token = {"Authorization": f"Bearer {up.file.metrics_token}"}
        assert "rythmiq_" in http.get("/internal/metrics", headers=token).text


def test_the_store_takes_uploads_from_the_page_and_from_no_other(up: CloudProcess) -> None:
    url = f"{up.file.s3.endpoint}/{up.file.s3.bucket}/raw/x"
    allowed = {}
    for origin in (up.file.base_url, up.file.base_url.replace("127.0.0.1", "localhost"), "http://elsewhere.example"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
        allowed[origin] = loopback.options(url, headers=headers).headers.get("Access-Control-Allow-Origin") == origin
    assert list(allowed.values()) == [True, True, False]


def test_it_listens_on_loopback_alone(up: CloudProcess) -> None:
    assert listening(tree(up)) == {"0100007F"}


def test_command_lines_tell_what_processes_are_and_no_secret(up: CloudProcess) -> None:
    pids = tree(up)
    commands = " ".join(command for pid, command in processes().items() if pid in pids)
    for word in ("api/jobs", "internal/webhooks", "s3_server", "postgres"):
        assert word in commands
    secrets = (
        up.file.webhook_secret,
        up.file.reconcile_secret,
        up.file.metrics_token,
        up.file.s3.secret_key,
        up.file.encryption_keys,
        up.file.dispatch_keys,
    )
    assert not [secret for secret in (*secrets, up.file.jwt_secret or "?") if secret in commands]


def test_a_held_executor_takes_jobs_and_starts_nothing(up: CloudProcess) -> None:
    with up.client() as client:
        job_id = client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg").job_id
    assert up.job(job_id)["status"] == "processing"
    assert not processes("rythmiq-launch", job_id)
    assert not [pid for pid in processes("rythmiq_cli.local.executor") if pid in tree(up)]


def test_a_webhook_of_a_job_that_waits_is_409_and_is_taken_when_it_is_repeated(up: CloudProcess) -> None:
    with up.client() as client:
        first, second = (
            client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg").job_id
            for _ in range(2)
        )
        statuses = {job_id: client.job(job_id).status for job_id in (first, second)}
    assert statuses[second] == "pending"
    answer = up.webhook(failed(second))
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_PENDING")
    assert int(answer.headers["Retry-After"]) > 0
    for (job_id,) in up.rows("select id::text from public.jobs where status = 'processing'"):
        assert up.webhook(failed(job_id)).status_code == 200
    if statuses[first] == "pending":
        assert up.webhook(failed(first)).status_code == 200
    assert up.webhook(failed(second)).status_code == 200
    assert [up.ended(job_id)["status"] for job_id in (first, second)] == ["failed"] * 2


def test_a_job_that_waits_can_be_cancelled_and_costs_nothing(up: CloudProcess) -> None:
    with up.client() as client:
        jobs = [
            client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg").job_id
            for _ in range(2)
        ]
        assert client.cancel(jobs[1])
        assert (client.job(jobs[1]).error or {})["code"] == "EXECUTOR_CANCELLED"
        assert client.account().credits.available == 2
    up.ended(jobs[1])


def test_a_killed_store_is_back_with_every_object_at_its_old_address(up: CloudProcess) -> None:
    keys = up.stored_keys()
    assert keys
    (pid,) = [pid for pid in processes("s3_server") if pid in tree(up)]
    os.kill(pid, signal.SIGKILL)
    within(60, lambda: [new for new in processes("s3_server") if new in tree(up) and new != pid], "another store")
    within(60, lambda: _connects(up.file.s3.endpoint), "its answer")
    assert up.stored_keys() == keys


def test_a_second_one_in_the_same_directory_or_on_the_same_port_is_refused(up: CloudProcess, tmp_path: Path) -> None:
    port = httpx.URL(up.file.base_url).port
    for data_dir, words in ((up.data_dir, "runs in"), (tmp_path / "other", f"port {port} is taken")):
        done = subprocess.run(
            [str(RYTHMIQ), "up", "--data-dir", str(data_dir), "--port", str(port), "--json"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
    assert (up.data_dir / "cloud.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--s3-bucket", "b"),
        ("--s3-endpoint", "http://127.0.0.1:1", "--s3-access-key", "a"),
        ("--port", "70000"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    command = [str(RYTHMIQ), "up", "--data-dir", str(tmp_path / "cloud"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert not (tmp_path / "cloud").exists()


def test_a_variable_that_cannot_be_used_is_a_usage_error_before_anything_is_started(tmp_path: Path) -> None:
    bad = {"SERVICE_ENV": "prod", "WEBHOOK_SECRET": "hush", "MAX_INFLIGHT": "hush"}
    command = [str(RYTHMIQ), "up", "--data-dir", str(tmp_path / "cloud"), "--port", "0"]
    done = subprocess.run(command, env={**os.environ, **bad}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "WEBHOOK_SECRET" in done.stderr
    assert "MAX_INFLIGHT" in done.stderr
    assert "hush" not in done.stderr
    assert not any((tmp_path / "cloud" / part).exists() for part in ("postgres", "store", "executor"))


def test_logs_are_json_lines_without_secrets(up: CloudProcess) -> None:
    lines = up.log.read_text(encoding="utf-8").splitlines()
    assert all({"event", "level"} <= json.loads(line).keys() for line in lines)
    text = "\n".join(lines)
    assert '"part_started"' in text
    assert '"path": "/jobs"' in text
    secrets = (
        up.file.webhook_secret,
        up.file.reconcile_secret,
        up.file.metrics_token,
        up.file.s3.secret_key,
        up.file.encryption_keys,
        up.file.dispatch_keys,
    )
    assert not [secret for secret in (*secrets, up.file.jwt_secret or "?") if secret in text]


def test_a_stop_leaves_no_process_port_or_temporary_file_and_a_start_finds_everything_again(
    up: CloudProcess, directory: Path
) -> None:
    user_id = str(uuid.uuid4())
    with up.client(user_id) as client:
        job_id = client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg").job_id
    before, pids, keys = up.file, tree(up), up.stored_keys()
    assert up.stop(signal.SIGINT) == 0
    within(10, lambda: not alive(pids), "the end of every process")
    assert not [url for url in (before.base_url, before.s3.endpoint) if _connects(url)]
    assert not _connects(before.database_url)
    assert not (up.data_dir / "cloud.json").exists()
    assert not list((directory / "tmp").iterdir())
    after = up.start()
    assert after.model_copy(update={"pid": before.pid}) == before
    with up.client(user_id) as client:
        assert client.job(job_id).job_id == job_id
    assert up.stored_keys() == keys


def test_killing_it_ends_what_it_started_and_the_next_start_works(up: CloudProcess) -> None:
    pids = tree(up)
    up.stop(signal.SIGKILL)
    within(60, lambda: not alive(pids), "the end of every process")
    up.start()
    assert up.stored_keys()


def test_a_part_that_hangs_does_not_keep_it_from_stopping(up: CloudProcess) -> None:
    pids = tree(up)
    hung = [pid for word in ("s3_server", "api/jobs") for pid in processes(word) if pid in pids]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    assert len(hung) >= 2
    assert up.stop(signal.SIGTERM) == 0
    within(10, lambda: not alive(pids), "the end of every process")


def test_ctrl_c_before_it_is_ready_ends_it_with_130_and_leaves_nothing(tmp_path: Path) -> None:
    command = [str(RYTHMIQ), "up", "--data-dir", str(tmp_path / "cloud"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as starting:
        within(60, (tmp_path / "cloud" / "ports.json").exists, "the first part")
        pids = {starting.pid, *descendants(starting.pid)}
        starting.send_signal(signal.SIGINT)
        out, _ = starting.communicate(timeout=120)
    assert (starting.returncode, out) == (130, b"")
    within(10, lambda: not alive(pids), "the end of every process")
    assert not processes(str(tmp_path))


def _connects(url: str) -> bool:
    address = httpx.URL(url)
    with socket.socket() as tried:
        tried.settimeout(5)
        return tried.connect_ex((address.host, address.port or 0)) == 0
