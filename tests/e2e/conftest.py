"""One real cloud for most tests: `rythmiq up` as a process, with a spy before its store and one before its webhooks.

On Python 3.11, the platform's, its functions run from their bundles; `test_up` and `test_demo` run the sources.
"""

import contextlib
import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rythmiq.client import Client
from rythmiq_cli.local.store import SigV4Guard
from rythmiq_cli.local.store.s3_server import local_store
from tests.e2e.cloud_process import CloudProcess
from tests.e2e.proxy import Proxy
from tests.support import worker_uploads

LEASE_S, CREDITS = 4, 4


@dataclass
class Cloud:
    """The cloud and what stands around it.

    Attributes:
        store_line: before the store.
        webhook_line: between launchers and webhooks.
        guard: of the store; its clock can be turned.
        faults_file: the executor's fault plan.
    """

    process: CloudProcess
    store_line: Proxy
    webhook_line: Proxy
    guard: SigV4Guard
    faults_file: Path
    held: set[str] = field(default_factory=set)

    @contextlib.contextmanager
    def executor_faults(self, *faults: dict[str, Any]) -> Iterator[None]:
        """Plan faults of the executor while the context lasts."""
        self._plan(*faults)
        try:
            yield
        finally:
            self._plan()

    @contextlib.contextmanager
    def held_job(self, client: Client) -> Iterator[str]:
        """A job that is started and never runs, so that a test can play its worker."""
        with self.executor_faults({"hold": True}):
            job_id = client.submit(worker_uploads.blank(), "college-generic", "signature", filename="s.jpg").job_id
            self.process.wait_for(job_id, "processing")
            self.held.add(job_id)
        yield job_id

    def _plan(self, *faults: dict[str, Any]) -> None:
        plan = [*({"job_id": job_id, "hold": True} for job_id in self.held), *faults]
        partial = self.faults_file.with_suffix(".partial")
        partial.write_text(json.dumps(plan), encoding="utf-8")
        partial.replace(self.faults_file)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Running, for all tests; each brings users of its own."""
    directory = tmp_path_factory.mktemp("e2e")
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(local_store(data_dir=_made(directory / "store")))
        store_line, webhook_line = Proxy(store.config.endpoint), Proxy()
        stack.callback(store_line.close)
        stack.callback(webhook_line.close)
        faults = directory / "faults.json"
        process = CloudProcess(
            directory / "cloud",
            *("--port", "0", "--reconcile-every-s", "1", "--executor-faults", str(faults)),
            *(["--bundles"] if sys.version_info[:2] == (3, 11) else []),
            *("--s3-endpoint", store_line.url, "--s3-bucket", "made-by-up"),
            *("--s3-access-key", store.config.access_key, "--s3-secret-key", store.config.secret_key),
            environ={
                "PUBLIC_URL": webhook_line.url,
                "LEASE_S": str(LEASE_S),
                "INITIAL_CREDITS": str(CREDITS),
                "MAX_INFLIGHT": "50",  # jobs that a test holds must not keep others waiting
            },
        )
        webhook_line.upstream = process.start().base_url
        stack.callback(process.stop)
        yield Cloud(process, store_line, webhook_line, store.guard, faults)


@pytest.fixture
def process(cloud: Cloud) -> CloudProcess:
    """The cloud's process."""
    return cloud.process


@pytest.fixture
def user_id() -> str:
    """Somebody new."""
    return str(uuid.uuid4())


@pytest.fixture
def client(process: CloudProcess, user_id: str) -> Iterator[Client]:
    """The Python client of somebody new."""
    with process.client(user_id) as made:
        yield made


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """A person's portrait, as a phone sends it."""
    return worker_uploads.portrait()


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
