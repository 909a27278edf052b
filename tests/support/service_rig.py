"""The use cases put together over a real Postgres, with a store and an executor that misbehave on order.

A test plays clients and workers; time passes when it says so, in the use cases and in the database at once.
"""

import base64
import datetime as dt
import hashlib
import io
import json
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from rythmiq.adapters.database import SqlDatabase
from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.contracts.advice import Advice
from rythmiq.contracts.attempt import Dispatch, WebhookBody
from rythmiq.contracts.bodies import AccountLimits, UploadAnswer, UploadRequest
from rythmiq.contracts.job_bodies import JobAccepted, JobRequest, JobView
from rythmiq.contracts.keys import (
    before_name,
    dispatch_key,
    document_name,
    master_key,
    output_key,
    preview_name,
    result_key,
    text_name,
)
from rythmiq.contracts.origins import OriginRules
from rythmiq.contracts.payload import StorageReference
from rythmiq.contracts.result import (
    Artifacts,
    Clause,
    DocumentFacts,
    ErrorReport,
    Failure,
    Hashes,
    Metrics,
    Receipt,
    StageTime,
    Success,
)
from rythmiq.crypto import open_sealed, seal
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import Order
from rythmiq.ports.database import Caller, Capacity, RateLimit
from rythmiq.services import Backends
from rythmiq.services.account import Accounts
from rythmiq.services.dispatch import DispatchConfig, Dispatcher
from rythmiq.services.jobs import JobPolicy, Jobs
from rythmiq.services.reconcile import ReconcilePolicy, Reconciler, WorkLoop
from rythmiq.services.settle import Settlement, Webhooks
from rythmiq.services.uploads import UploadPolicy, Uploads
from tests.support.memory import FixedClock, MemoryExecutor, MemoryStore
from tests.support.operators_database import SET_CLOCK, OperatorsDatabase, empty
from tests.support.postgres_fixture import PostgresForTests

BASE_URL = "https://api.test"
SECRET = "a webhook secret of a test"
PHOTO = b"\xff\xd8 a photo, as a phone sends it"
DOCUMENT = b"\xff\xd8 the conformed file"
PREVIEW = b"\xff\xd8 a small one"
BEFORE = b"\xff\xd8 a small one of the upload"
WARNINGS = ("BACKGROUND: Your background is 75 of 100 light.", "MOUTH_OPEN: Your mouth is open; close it.")
ADVICE = (
    Advice(code="BACKGROUND", parameters={"reason": "dark", "measured": 75, "wanted": 88}),
    Advice(code="MOUTH_OPEN"),
)
TEXT = b"a line\n"
STORAGE = StorageReference(bucket="rythmiq", region="test1", endpoint="https://store.test")
LEASE_S = 300


def sha256(content: bytes) -> str:
    """In hex."""
    return hashlib.sha256(content).hexdigest()


def receipt(document: bytes = DOCUMENT, filename: str = "me_photo.jpg") -> Receipt:
    """A receipt that speaks of `document`."""
    clause = Clause(clause="bytes", wanted="10 to 200 KB", measured="99 KB", verdict="pass", hard=True)
    facts = DocumentFacts(
        filename=filename,
        sha256=hashlib.sha256(document).hexdigest(),
        bytes=len(document),
        width_px=413,
        height_px=531,
        dpi=300,
        format="jpeg",
    )
    return Receipt(portal="neet-2026", slot="photo", version="1", conforms=True, clauses=(clause,), document=facts)


METRICS = Metrics(
    processing_ms=900,
    stages=(StageTime(stage="fetch", wall_ms=80, cpu_ms=9), StageTime(stage="schema", wall_ms=300, cpu_ms=290)),
    input_bytes=len(PHOTO),
    document_bytes=len(DOCUMENT),
    encodes=4,
)


@dataclass
class User:
    """Somebody with an account."""

    user_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def caller(self) -> Caller:
        """As the gateway would have verified them."""
        claims = {"sub": self.user_id, "role": "authenticated", "aud": "authenticated"}
        return Caller(self.user_id, "token", claims)


class Rig(OperatorsDatabase):
    """Everything, once."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.transport = PostgresTransport(url)
        self.database = SqlDatabase(self.transport)
        self.capacity = Capacity(max_inflight=4, lease_s=LEASE_S, max_attempts=3)
        self.clock = FixedClock(dt.datetime.now(tz=dt.UTC))
        self.store = MemoryStore(self.clock)
        self.executor = MemoryExecutor()
        self.ring: KeyRing | None = KeyRing.parse(KeyRing.new_entry(1))
        self.dispatch_ring = KeyRing.parse(KeyRing.new_entry(1))
        self.origins = OriginRules("https://store.test", "rythmiq", ("https://files.test",))
        self.max_active_jobs = 20
        self.max_upload_bytes = 1_000_000
        self.initial_credits = 3
        self.guest_credits = 0
        self.max_failures_a_day = 20
        self.max_bytes_a_day = 1_000_000_000
        self.rate = RateLimit(rate_burst=1000, rate_per_minute=1000)
        self.max_pages = 10
        self.build()

    def build(self, backends: Backends | None = None) -> None:
        """Put the use cases together, again after a part was changed."""
        self.backends = backends or Backends(self.database, self.store, self.ring, self.dispatch_ring, self.clock)
        self.uploads = Uploads(
            self.backends,
            UploadPolicy(
                self.max_upload_bytes,
                self.initial_credits,
                plaintext_allowed=self.ring is None,
                rate=self.rate,
                max_bytes_a_day=self.max_bytes_a_day,
                guest_credits=self.guest_credits,
            ),
        )
        config = DispatchConfig(STORAGE, f"{BASE_URL}/internal/webhooks/camber", SECRET, self.capacity)
        self.dispatcher = Dispatcher(self.backends, self.executor, config)
        self.settlement = Settlement(self.backends, self.capacity, max_failures_a_day=self.max_failures_a_day)
        reconciler = Reconciler(
            self.backends,
            self.executor,
            dispatcher=self.dispatcher,
            settlement=self.settlement,
            policy=ReconcilePolicy(self.capacity),
        )
        self.loop = WorkLoop(self.backends, dispatcher=self.dispatcher, reconciler=reconciler, capacity=self.capacity)
        policy = JobPolicy(
            self.origins,
            self.capacity,
            self.max_upload_bytes,
            self.max_active_jobs,
            self.initial_credits,
            max_pages=self.max_pages,
            rate=self.rate,
            guest_credits=self.guest_credits,
        )
        self.jobs = Jobs(self.backends, policy, work=lambda: self.loop)
        self.webhooks = Webhooks(database=self.database, settlement=self.settlement, work=lambda: self.loop)
        limits = AccountLimits(
            max_active_jobs=self.max_active_jobs, max_upload_bytes=self.max_upload_bytes, max_pages=self.max_pages
        )
        self.accounts = Accounts(
            database=self.database,
            initial_credits=self.initial_credits,
            limits=limits,
            guest_credits=self.guest_credits,
        )

    def close(self) -> None:
        """Close what asks the database, too."""
        self.transport.close()
        super().close()

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody."""
        self.clock.sleep(seconds)
        self.sql(SET_CLOCK.format(seconds=self.clock.monotonic_s()))

    # --- a client ---------------------------------------------------------------------------------------------------

    def sign(
        self, user: User, content: bytes = PHOTO, filename: str = "me.jpg", *, is_guest: bool = False
    ) -> UploadAnswer:
        """Ask for a place to upload to."""
        return self.uploads.create(
            user.user_id,
            UploadRequest(
                filename=filename, mime_type="image/jpeg", size_bytes=len(content), encrypted=self.ring is not None
            ),
            is_guest=is_guest,
        )

    def upload(
        self, user: User, content: bytes = PHOTO, filename: str = "me.jpg", *, is_guest: bool = False
    ) -> UploadAnswer:
        """Seal and upload a file."""
        signed = self.sign(user, content, filename, is_guest=is_guest)
        self.store.objects[signed.raw_path] = self.sealed_by_client(signed, content)
        return signed

    @staticmethod
    def sealed_by_client(signed: UploadAnswer, content: bytes, *, at: str | None = None) -> bytes:
        """What a client makes of a file with the key it was given; `at` another place than its own."""
        key = signed.encryption
        if key is None:
            return content
        return seal(
            content,
            storage_key=at or signed.raw_path,
            data_key=base64.b64decode(key.data_key),
            kid=key.kid,
            wrapped_key=base64.b64decode(key.wrapped_key),
        )

    def create(self, user: User, *, key: str | None = None, **request: Any) -> JobAccepted:
        """POST /jobs for NEET's photo, on a fresh upload when nothing else is said."""
        if "raw_path" not in request and "artifact_url" not in request:
            request["raw_path"] = self.upload(user).raw_path
        body = JobRequest.model_validate({"portal": "neet-2026", "slot": "photo", **request})
        return self.jobs.create(user.user_id, body, base_url=BASE_URL, idempotency_key=key)

    def view(self, user: User, job_id: str) -> JobView:
        """GET /jobs/{id}."""
        view = self.jobs.view(user.caller, job_id, base_url=BASE_URL).view
        assert view is not None
        return view

    # --- a worker ---------------------------------------------------------------------------------------------------

    def dispatch_of(self, order: Order) -> Dispatch:
        """What the launcher reads."""
        key = dispatch_key(order.user_id, order.job_id, order.attempt)
        data = self.store.objects[key]
        return Dispatch.model_validate_json(self.dispatch_ring.open_service(data, storage_key=key))

    def order(self, job_id: str, attempt: int = 1) -> Order:
        """The order that an executor would have been given."""
        return Order(self.row(job_id)["user_id"], job_id, attempt)

    def work(self, job_id: str, attempt: int = 1, *, text: bool = True, document: bytes = DOCUMENT) -> WebhookBody:
        """Do the job: store what a worker would, and say what it would say."""
        return self.work_on(self.dispatch_of(self.order(job_id, attempt)), text=text, document=document)

    def work_on(self, dispatch: Dispatch, *, text: bool = True, document: bytes = DOCUMENT) -> WebhookBody:
        """Do the job of a dispatch object that was read before; it may be gone by now."""
        job_id, attempt = dispatch.job_id, dispatch.attempt
        sealed = dispatch.encryption is not None

        def output(name: str) -> str:
            return output_key(dispatch.user_id, job_id, name)

        artifacts = Artifacts(
            document_path=output(document_name(dispatch.dispatched_at, "jpg", sealed=sealed)),
            preview_path=output(preview_name(sealed=sealed)),
            before_path=output(before_name(sealed=sealed)),
            text_path=output(text_name(dispatch.dispatched_at, sealed=sealed)) if text else None,
            master_path=master_key(dispatch.user_id, dispatch.document_id),
        )
        self.put(dispatch, artifacts.document_path, document)
        self.put(dispatch, artifacts.preview_path, PREVIEW)
        self.put(dispatch, output(before_name(sealed=sealed)), BEFORE)
        self.put(dispatch, artifacts.master_path, PHOTO)
        if artifacts.text_path:
            self.put(dispatch, artifacts.text_path, TEXT)
        return self.report(
            Success(
                job_id=job_id,
                quality_score=0.87,
                warnings=WARNINGS,
                advice=ADVICE,
                artifacts=artifacts,
                hashes=Hashes(
                    preview=sha256(PREVIEW),
                    document=sha256(document),
                    text=sha256(TEXT) if text else None,
                    master=sha256(PHOTO),
                ),
                metrics=METRICS,
                receipt=receipt(document),
            ),
            job_id,
            attempt,
        )

    def put(self, dispatch: Dispatch, key: str, content: bytes) -> None:
        """Store one object as the worker does."""
        if dispatch.encryption is not None:
            wrapped = base64.b64decode(dispatch.encryption.wrapped_key)
            kid, data_key = dispatch.encryption.kid, base64.b64decode(dispatch.encryption.data_key)
            content = seal(content, storage_key=key, data_key=data_key, kid=kid, wrapped_key=wrapped)
        self.store.objects[key] = content

    @staticmethod
    def report(result: Success | Failure, job_id: str, attempt: int | None = 1) -> WebhookBody:
        """What the launcher posts."""
        return WebhookBody(job_id=job_id, attempt=attempt, status=result.status, result=result)

    @classmethod
    def failure(cls, job_id: str, attempt: int | None = 1, *, retryable: bool = False, **error: Any) -> WebhookBody:
        """A failed attempt."""
        report = {"code": "DECODE_FAILED", "stage": "decode", "message": "no image", "retryable": retryable, **error}
        failed = Failure(job_id=job_id, error=ErrorReport.model_validate(report), metrics=METRICS)
        return cls.report(failed, job_id, attempt)

    def store_result(self, body: WebhookBody) -> None:
        """Store the result object as the launcher does, before it posts."""
        order = self.order(body.job_id, body.attempt or 1)
        key = result_key(order.user_id, order.job_id, order.attempt)
        content = body.model_dump_json().encode()
        self.store.objects[key] = self.dispatch_ring.seal_service(content, storage_key=key)

    # --- what came out ------------------------------------------------------------------------------------------------

    def zip_of(self, view: JobView) -> dict[str, bytes]:
        """The files of the ZIP, opened with the key that the owner is shown."""
        assert view.artifacts is not None
        path = view.artifacts["output_path"]
        data = self.store.objects[path]
        if view.encryption is not None:
            data = open_sealed(data, storage_key=path, data_key=base64.b64decode(view.encryption.data_key))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}

    def zip_writes(self) -> list[str]:
        """The key of every write of a ZIP."""
        return [key for call, key in self.store.calls if call == "upload" and "_output.zip" in key]


@pytest.fixture(scope="session")
def service_database(postgres: PostgresForTests) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    """One migrated database for all tests of use cases: its owner's URL, and its superuser."""
    with postgres.database() as url:
        superuser_url = postgres.superuser_url(url.rsplit("/", 1)[1])
        with psycopg.connect(superuser_url, autocommit=True) as superuser:
            yield url, superuser


@pytest.fixture
def rig(service_database: tuple[str, psycopg.Connection[Any]]) -> Iterator[Rig]:
    """Use cases on an empty database; a copy of one's own for each test would take a second."""
    url, superuser = service_database
    empty(superuser)
    made = Rig(url)
    yield made
    made.close()


@pytest.fixture
def user() -> User:
    """Somebody new."""
    return User()


def at_once(calls: int, do: Callable[[int], Any]) -> list[Any]:
    """Do something `calls` times at the same moment; what each returned or raised."""
    begin = threading.Barrier(calls)
    came: list[Any] = [None] * calls

    def run(number: int) -> None:
        begin.wait()
        try:
            came[number] = do(number)
        except Exception as error:  # noqa: BLE001  what was raised is looked at by the test
            came[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return came


def lines(captured: str) -> list[dict[str, Any]]:
    """The service's log."""
    return [json.loads(line) for line in captured.splitlines() if line.startswith("{")]
