"""`rythmiq up` as a process, for tests that use it as anybody would."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import httpx
import jwt
import psycopg
import pytest

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.client import Client
from rythmiq_cli.service import CloudFile
from tests.support import loopback

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
RYTHMIQ = Path(sys.executable).with_name("rythmiq")


def within(seconds: float, holds: Callable[[], T], what: str = "it") -> T:
    """Wait for a condition; its value."""
    ends_at = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < ends_at, f"{what} did not come true within {seconds:g} s"
        time.sleep(0.1)
    return value


class CloudProcess:
    """A running `rythmiq up`, and everything that tests do with it.

    Args:
        data_dir: its directory.
        arguments: further options.
        environ: variables beside the ones of a process.
    """

    def __init__(self, data_dir: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self._command = [str(RYTHMIQ), "up", "--data-dir", str(data_dir), "--json", *arguments]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self._environ = {**kept, **(environ or {})}
        self.process: subprocess.Popen[str] | None = None
        self._connection: psycopg.Connection | None = None
        self._s3: S3Client | None = None

    def start(self) -> CloudFile:
        """Start it and wait until it is ready; what it printed."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environ, start_new_session=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.stop(signal.SIGKILL)
            pytest.fail(f"the cloud did not start: {self.log.read_text()[-3_000:]}")
        self.file = CloudFile.model_validate_json(line)
        return self.file

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop; its exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        if self._connection is not None:
            self._connection.close()
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code

    @property
    def is_running(self) -> bool:
        """Whether it is there."""
        return self.process is not None and self.process.poll() is None

    # --- as a user ------------------------------------------------------------------------------------------------

    def token(self, user_id: str, **claims: Any) -> str:
        """A user's JWT; None as a claim's value leaves it out."""
        assert self.file.jwt_secret is not None
        now_s = int(time.time())
        made = {
            "sub": user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "iss": f"{self.file.supabase_url}/auth/v1",
            "iat": now_s,
            "exp": now_s + 3_600,
            **claims,
        }
        present = {name: value for name, value in made.items() if value is not None}
        return jwt.encode(present, self.file.jwt_secret, algorithm="HS256")

    def client(self, user_id: str | None = None) -> Client:
        """The Python client of a user; a new one by default."""
        user = user_id or str(uuid.uuid4())
        return Client(self.file.base_url, lambda: self.token(user))

    @contextmanager
    def http(self, user_id: str | None = None) -> Iterator[httpx.Client]:
        """Plain HTTP as a user; a new one by default."""
        headers = {"Authorization": f"Bearer {self.token(user_id or str(uuid.uuid4()))}"}
        with loopback.Client(base_url=self.file.base_url, headers=headers, timeout=70) as client:
            yield client

    # --- as the operator ------------------------------------------------------------------------------------------

    @property
    def store(self) -> SpacesStore:
        """The store, with all keys."""
        s3 = self.file.s3
        return SpacesStore(StoreConfig(s3.endpoint, s3.region, s3.bucket, s3.access_key, s3.secret_key), attempts=1)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What the database answers, as soon as it does."""
        found: list[list[tuple[Any, ...]]] = []
        within(30, lambda: found or self._ask(query, parameters, found), "the database's answer")
        return found[0]

    def _ask(self, query: str, parameters: tuple[object, ...], found: list[list[tuple[Any, ...]]]) -> bool:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self.file.database_url, autocommit=True)
            cursor = self._connection.execute(query.encode(), parameters)
            found.append(cursor.fetchall() if cursor.description else [])
        except psycopg.OperationalError:
            if self._connection is not None:
                self._connection.close()
            return False
        return True

    def job(self, job_id: str) -> dict[str, Any]:
        """The row of a job."""
        columns = "status, stage, attempt, error_details, executor_ref, document_id::text, user_id::text"
        (row,) = self.rows(f"select {columns} from public.jobs where id = %s", job_id)  # noqa: S608  ours
        return dict(zip((part.split("::")[0] for part in columns.split(", ")), row, strict=True))

    def wait_for(self, job_id: str, *statuses: str, timeout_s: float = 60) -> dict[str, Any]:
        """Wait, by looking into the database alone, until a job stands so; nobody's GET heals it."""

        def reached() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] in statuses else None

        found = within(timeout_s, reached, f"job {job_id} as {' or '.join(statuses)}")
        assert found is not None
        return found

    def hurry(self, job_id: str) -> None:
        """Let the time pass that a next attempt or another settlement waits for."""
        for condition in ("not_before", "claim_until", "lease_until"):
            self.rows(f"update public.jobs set {condition} = now() where id = %s and {condition} > now()", job_id)  # noqa: S608  ours

    def ended(self, job_id: str, *, timeout_s: float = 180) -> dict[str, Any]:
        """Wait for a job's end in a hurry, and check that it ended once: one ZIP or none, and one charge or none."""

        def has_ended() -> bool:
            if self.job(job_id)["status"] in {"completed", "failed"}:
                return True
            self.hurry(job_id)
            time.sleep(0.5)
            return False

        within(timeout_s, has_ended, f"the end of job {job_id}")
        job = self.job(job_id)
        kinds = [row[0] for row in self.rows("select kind from public.credit_ledger where job_id = %s", job_id)]
        zips = [key for key in self.stored_keys(f"output/{job['user_id']}/{job_id}/") if "_output.zip" in key]
        documents = self.rows("select 1 from public.documents where job_id = %s", job_id)
        done = job["status"] == "completed"
        assert sorted(kinds) == (["reserve", "settle"] if done else ["refund", "reserve"])
        assert (len(zips), len(documents)) == ((1, 1) if done else (0, 0))
        ((balance, reserved, summed),) = self.rows(
            "select c.balance, c.reserved, (select sum(amount) from public.credit_ledger l where l.user_id = c.user_id)"
            " from public.user_credits c where c.user_id = %s",
            job["user_id"],
        )
        assert (balance, reserved) == (summed, self._open_reserves(job["user_id"]))
        return job

    def _open_reserves(self, user_id: str) -> int:
        ((count,),) = self.rows(
            "select count(*) from public.jobs where user_id = %s and status in ('pending', 'processing')", user_id
        )
        return int(count)

    def stored_keys(self, prefix: str = "") -> list[str]:
        """The store's keys."""
        if self._s3 is None:
            self._s3 = boto3.client(
                "s3",
                endpoint_url=self.file.s3.endpoint,
                region_name=self.file.s3.region,
                aws_access_key_id=self.file.s3.access_key,
                aws_secret_access_key=self.file.s3.secret_key,
            )
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.file.s3.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def webhook(self, body: Mapping[str, Any], secret: str | None = None) -> httpx.Response:
        """Post to the webhook as an executor would, with the true secret by default."""
        headers = {"X-Webhook-Secret": self.file.webhook_secret if secret is None else secret}
        url = f"{self.file.base_url}/internal/webhooks/camber"
        return loopback.post(url, json=dict(body), headers=headers, timeout=70)

    def events(self) -> list[dict[str, Any]]:
        """The cloud's own log so far."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def processes(*words: str) -> dict[int, str]:
    """Processes whose command line holds every one of these words."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = entry.joinpath("stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX" and all(word in command for word in words) and int(entry.name) != os.getpid():
            found[int(entry.name)] = command
    return found


def descendants(pid: int) -> list[int]:
    """A process's children, their children, and so on."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = entry.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            parents[int(entry.name)] = int(fields[1])
    found, wave = [], [pid]
    while wave:
        wave = [child for child, parent in parents.items() if parent in wave]
        found += wave
    return found
