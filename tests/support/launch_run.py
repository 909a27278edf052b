"""The launcher as its executor sees it: a process that is given three words, beside a store, a webhook and an upload.

Every launch is held against what holds of any: JSON lines on STDERR, and no secret, storage key or URL in them, on
STDOUT or in its command line.
"""

import base64
import dataclasses
import datetime as dt
import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.attempt import Dispatch, WebhookBody, derive_token
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.result import Failure, Success
from rythmiq.crypto import seal
from rythmiq.crypto.key_ring import DataKey, KeyRing
from tests.support.webhook_receiver import Receiver
from tests.support.worker_run import FAULTS, ROOT, WORKER_PYTHON, Job, environ_for

KEYS = KeyRing.new_entry(3)
RING = KeyRing.parse(KEYS)
USERS_RING = KeyRing.parse(KeyRing.new_entry(3))
WEBHOOK_SECRET = "the-webhook-secret-of-the-api"
DISPATCHED_AT = dt.datetime(2026, 11, 25, 1, 2, 3, tzinfo=dt.UTC)
TIMEOUT_S = 120.0
LAUNCH = str(Path(WORKER_PYTHON).with_name("rythmiq-launch"))
# Short, but long enough for a busy machine wherever a test wants the thing to succeed.
QUICK: Mapping[str, object] = {
    "kill_grace_s": 0.2,
    "store_try_s": 20.0,
    "store_pauses_s": [0.05, 0.05],
    "webhook_pause_s": 0.05,
    "webhook_total_s": 60.0,
    "webhook_try_s": 30.0,
}


@dataclass(frozen=True, slots=True)
class Launched:
    """What a launch left behind."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log; every line of it is JSON."""
        return [json.loads(line) for line in self.stderr.splitlines()]

    def event(self, name: str) -> dict[str, Any]:
        """The one event of that name."""
        (found,) = (event for event in self.events if event["event"] == name)
        return found

    @property
    def frame(self) -> dict[str, Any]:
        """What stands in the frame on STDOUT, which holds nothing else."""
        begin, document, end = self.stdout.splitlines()
        assert (begin, end) == ("RYTHMIQ_RESULT_BEGIN", "RYTHMIQ_RESULT_END")
        frame = json.loads(document)
        assert isinstance(frame, dict)
        return frame


@dataclass(slots=True)
class Order:
    """One attempt of one job: what the API would have put into the store for it."""

    job: Job
    receiver: Receiver
    folder: Path
    attempt: int = 1
    ring: KeyRing | None = RING
    data_key: DataKey = field(default_factory=lambda: USERS_RING.mint(str(uuid.uuid4())))
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.job.rules["ocr"] = "off"
        if self.ring is not None:
            self.environ = {"DISPATCH_KEYS": KEYS}

    @property
    def store(self) -> SpacesStore:
        """Where everything stands."""
        return self.job.store

    @property
    def key(self) -> str:
        """The dispatch object's key."""
        return dispatch_key(self.job.user_id, self.job.job_id, self.attempt)

    @property
    def token(self) -> str:
        """What the launcher shows to the webhook."""
        return derive_token(WEBHOOK_SECRET, self.job.job_id, self.attempt, 2_000_000_000)

    @property
    def words(self) -> list[str]:
        """The command line."""
        return [self.job.user_id, self.job.job_id, str(self.attempt)]

    def dispatch(self, **changed: object) -> Dispatch:
        """What the API tells the launcher."""
        payload = {name: value for name, value in self.job.payload.items() if name != "encryption"}
        keys = {
            "kid": self.data_key.kid,
            "wrapped_key": self.data_key.wrapped_key_text,
            "data_key": self.data_key.data_key_text,
        }
        return Dispatch.model_validate(
            {
                **payload,
                "attempt": self.attempt,
                "dispatched_at": DISPATCHED_AT,
                "document_id": self.job.job_id,
                "encryption": keys if self.ring is not None else None,
                "callback": {"url": self.receiver.url, "token": self.token},
                **changed,
            }
        )

    def upload(self, data: bytes) -> None:
        """Put the upload where a client would have, sealed under the job's data key unless jobs are plaintext."""
        key = self.job.key()
        if self.ring is not None:
            data = seal(
                data,
                storage_key=key,
                data_key=self.data_key.data_key,
                kid=self.data_key.kid,
                wrapped_key=self.data_key.wrapped_key,
            )
        self.store.upload_object(key, data)

    def put(self, dispatch: Dispatch | None = None) -> None:
        """Put the dispatch object where the API would have."""
        document = (dispatch or self.dispatch()).model_dump_json().encode()
        self.put_bytes(document if self.ring is None else self.ring.seal_service(document, storage_key=self.key))

    def put_bytes(self, data: bytes) -> None:
        """Put anything there."""
        self.store.upload_object(self.key, data)

    def result(self) -> WebhookBody:
        """What the result object holds."""
        key = result_key(self.job.user_id, self.job.job_id, self.attempt)
        data = self.store.fetch_object(key, max_bytes=1_000_000)
        return WebhookBody.model_validate_json(
            data if self.ring is None else self.ring.open_service(data, storage_key=key)
        )

    def webhook(self) -> WebhookBody:
        """The one webhook that was received, which showed the token."""
        (told,) = self.receiver.told
        assert told.secret == self.token
        return WebhookBody.model_validate(told.body)

    def failure(self) -> Failure:
        """The failure that the webhook and the result object agree on."""
        body = self.webhook()
        assert body == self.result()
        assert isinstance(body.result, Failure)
        return body.result

    def success(self) -> Success:
        """The success that the webhook and the result object agree on."""
        body = self.webhook()
        assert body == self.result()
        assert isinstance(body.result, Success), body.result
        return body.result

    def run(self, worker: str | None = None, **limits: object) -> Launched:
        """Launch, and wait for the end."""
        with self.started(worker, **limits) as process:
            return self.ended(process)

    def ended(self, process: "subprocess.Popen[str]") -> Launched:
        """Wait for the end of a launch, and hold it against what is promised of every one."""
        stdout, stderr = process.communicate(timeout=TIMEOUT_S)
        launched = Launched(process.returncode, stdout, stderr)
        assert launched.events
        config = self.store.config
        secrets = [KEYS, KEYS.partition(":")[2], WEBHOOK_SECRET, self.token, config.secret_key, config.endpoint]
        secrets += [base64.b64encode(self.data_key.data_key).decode(), "raw/", "output/", "master/", "X-Amz", "Ramesh"]
        assert not [secret for secret in secrets if secret in stdout + stderr + str(process.args)]
        return launched

    @contextmanager
    def started(self, worker: str | None = None, **limits: object) -> "Iterator[subprocess.Popen[str]]":
        """Launch; a worker of tests/faults, or limits, need the launcher that takes them."""
        program = [LAUNCH]
        if worker or limits:
            program = [str(FAULTS / "launcher_with.py"), json.dumps({**QUICK, **limits}), worker or "-"]
        process = subprocess.Popen(
            [WORKER_PYTHON, *program, *self.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                **({"PYTHONPATH": str(ROOT)} if worker or limits else {}),
                "TMPDIR": str(self.folder),
                "WEBHOOK_SECRET": WEBHOOK_SECRET,
                **environ_for(self.store.config),
                **self.environ,
            },
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    """Return once something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def other_attempt(order: Order, attempt: int) -> Order:
    """The same job, another attempt."""
    return dataclasses.replace(order, attempt=attempt)
