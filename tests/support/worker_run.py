"""The worker as its launcher sees it: a process that is given a payload and answers, beside a store that holds objects.

Every run is held against docs/specification/worker.md: exit code 0, exactly one JSON document of at most 64 KiB, JSON
lines on STDERR with paired stages, and neither place shows a key, a signature, a storage key in the log or the upload's
name.
"""

import base64
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import CATALOGUE, ErrorCode, may_repeat
from rythmiq.contracts.keys import parse_timestamp, raw_key
from rythmiq.contracts.result import MAX_STDOUT_BYTES, RESULT, ErrorReport, Failure, Success
from rythmiq.crypto import open_sealed, seal

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests" / "faults"
TIMEOUT_S = 120.0
WORKER_PYTHON = os.environ.get("RYTHMIQ_TEST_WORKER_PYTHON", sys.executable)
"""What runs the worker: another installation's where `make test-image` names one."""
STAGES = ["fetch", "decode", "quality", "enhance", "ocr", "schema", "upload"]
UPLOADED_AT = parse_timestamp("20260102T030405Z")
ORIGINAL = "Ramesh-Kumar-8-B.jpg"

DATA_KEY = bytes(range(32))
WRAPPED_KEY = bytes(range(40))
KID = 7

# The hand-off's flat schema, word for word.
FLAT: Mapping[str, object] = {
    "target_width": 200,
    "target_height": 230,
    "target_dpi": 200,
    "max_kb": 100,
    "filename_pattern": "{job_id}.jpg",
    "output_format": "jpg",
    "quality": 85,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What a run left behind."""

    result: Success | Failure
    document: dict[str, Any]
    stdout: str
    stderr: str
    events: list[dict[str, Any]]

    @property
    def success(self) -> Success:
        """The success that this must be."""
        assert isinstance(self.result, Success), self.stdout + self.stderr
        return self.result

    @property
    def error(self) -> ErrorReport:
        """The failure that this must be."""
        assert isinstance(self.result, Failure), self.stdout
        return self.result.error

    @property
    def stages(self) -> list[str]:
        """The stages that began."""
        return [event["stage"] for event in self.events if event["event"] == "stage" and event["state"] == "start"]


@dataclass(slots=True)
class Job:
    """One job: its ids, its payload, and the store that holds its objects."""

    store: SpacesStore
    sealed: bool = True
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    user_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    rules: dict[str, Any] = field(default_factory=lambda: dict(FLAT))
    payload: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        config = self.store.config
        self.payload = {
            "job_id": self.job_id,
            "user_id": self.user_id,
            "portal_schema": {"id": 1, "name": "NEET", "version": "2026.1", "schema_definition": self.rules},
            "input": {"raw_path": self.key(), "mime_type": "image/jpeg", "original_filename": ORIGINAL},
            "storage": {"bucket": config.bucket, "region": config.region, "endpoint": config.endpoint},
        }
        if self.sealed:
            self.payload["encryption"] = {
                "kid": KID,
                "wrapped_key": base64.b64encode(WRAPPED_KEY).decode(),
                "data_key": base64.b64encode(DATA_KEY).decode(),
            }

    def key(self, filename: str = "upload.jpg") -> str:
        """The storage key of an upload of this job."""
        return raw_key(self.user_id, self.job_id, UPLOADED_AT, filename)

    def upload(self, data: bytes, *, key: str | None = None) -> str:
        """Put the upload where the payload says, sealed when the job is; its key."""
        key = key or self.key()
        self.store.upload_object(key, self.seal(data, key) if self.sealed else data)
        return key

    def seal(self, data: bytes, key: str, *, data_key: bytes = DATA_KEY, kid: int = KID) -> bytes:
        """Seal as a client does."""
        return seal(data, storage_key=key, data_key=data_key, kid=kid, wrapped_key=WRAPPED_KEY)

    def fetched(self, key: str) -> bytes:
        """An object's content, opened when the job is sealed."""
        data = self.store.fetch_object(key, max_bytes=100_000_000)
        return open_sealed(data, storage_key=key, data_key=DATA_KEY) if self.sealed else data

    def run(self, *runner: str, environ: Mapping[str, str] | None = None) -> Done:
        """Run the worker on the payload; `runner` is a file of tests/faults and its arguments."""
        return run(json.dumps(self.payload).encode(), environ_for(self.store.config) | dict(environ or {}), *runner)


def environ_for(config: StoreConfig) -> dict[str, str]:
    """The worker's variables for a store."""
    return {
        "SPACES_ENDPOINT": config.endpoint,
        "SPACES_REGION": config.region,
        "SPACES_BUCKET": config.bucket,
        "SPACES_KEY": config.access_key,
        "SPACES_SECRET": config.secret_key,
    }


def run(payload: bytes, environ: Mapping[str, str], *runner: str, python: tuple[str, ...] = ()) -> Done:
    """Run a worker process, and hold it against what is promised of every run."""
    script = [str(FAULTS / runner[0]), *runner[1:]] if runner else ["-m", "rythmiq_worker"]
    done = subprocess.run(
        [WORKER_PYTHON, *python, *script],
        input=payload,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **({"PYTHONPATH": str(ROOT)} if runner else {}), **environ},
    )
    return held_to_the_contract(done.returncode, done.stdout, done.stderr, environ)


def held_to_the_contract(exit_code: int, stdout: bytes, stderr: bytes, environ: Mapping[str, str]) -> Done:
    """Hold what a worker left behind against what is promised of every run."""
    answer, log = stdout.decode(), stderr.decode(errors="replace")
    assert exit_code == 0, log
    assert len(stdout) <= MAX_STDOUT_BYTES
    document = json.loads(answer)
    found = Done(RESULT.validate_json(answer), document, answer, log, _events(log))
    _hold_to_the_contract(found, environ)
    return found


def _events(stderr: str) -> list[dict[str, Any]]:
    """The JSON lines; a fault may print others between them."""
    return [json.loads(line) for line in stderr.splitlines() if line.startswith('{"event"')]


def _hold_to_the_contract(done: Done, environ: Mapping[str, str]) -> None:
    starts = [event["stage"] for event in done.events if event["event"] == "stage" and event["state"] == "start"]
    ends = [event["stage"] for event in done.events if event["event"] == "stage" and event["state"] == "end"]
    assert starts == ends == STAGES[: len(starts)]
    metrics = done.result.metrics
    assert [time.stage for time in metrics.stages] == starts if metrics else not starts
    if isinstance(done.result, Failure):
        error = done.result.error
        entry = CATALOGUE[error.code]
        assert entry.worker
        assert error.stage == (entry.stage or error.stage)
        again = error.code is ErrorCode.OCR_TIMEOUT and any(event["attempt"] > 1 for event in done.events)
        assert error.retryable is (may_repeat(error.code, error.detail) and not again)
        assert error.code is not ErrorCode.INTERNAL_ERROR or error.stage == (starts[-1] if starts else "init")
    shown = done.stdout + done.stderr
    if isinstance(done.result, Success):
        shown = shown.replace(done.result.receipt.document.filename, "")  # the one place for the upload's name
    secrets = [environ.get("SPACES_SECRET") or "-" * 40, base64.b64encode(DATA_KEY).decode(), "X-Amz-", "Ramesh"]
    assert not [secret for secret in secrets if secret in shown]
    assert "raw/" not in done.stderr
    assert "output/" not in done.stderr
