"""A database reached each way, and the steps that tests take on it."""

import contextlib
import datetime as dt
import hashlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import jwt

from rythmiq.adapters.database import SqlDatabase, Transport
from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.adapters.supabase import SupabaseTransport
from rythmiq.contracts.keys import raw_key
from rythmiq.ports import DatabaseFaultError
from rythmiq.ports.database import Caller, Capacity, Finish, NewJob, Upload
from rythmiq.ports.jobs import SettlementClaim
from tests.support.supabase_stub import Key, SupabaseStub, supabase_stub

Way = Literal["postgres", "supabase with legacy keys", "supabase with new keys"]
WAYS: tuple[Way, ...] = ("postgres", "supabase with legacy keys", "supabase with new keys")
SECRET = "a-secret-of-this-test-alone-0123456789"
NEW_KEYS = (Key("sb_publishable_for-tests", "anon"), Key("sb_secret_for-tests", "service_role"))
LEGACY_KEYS = tuple(
    Key(jwt.encode({"iss": "supabase", "role": role, "exp": 2_000_000_000}, SECRET), role)
    for role in ("anon", "service_role")
)
ROOM = Capacity(max_inflight=10_000, lease_s=86_400)
NO_ROOM = Capacity(max_inflight=0, lease_s=86_400)
_hours = itertools.count(1)


@contextlib.contextmanager
def stub_of(database_url: str) -> Iterator[SupabaseStub]:
    """The Data API in front of a database, which takes keys of both kinds."""
    with supabase_stub(database_url, jwt_secret=SECRET, keys=(*LEGACY_KEYS, *NEW_KEYS)) as stub:
        yield stub


@contextlib.contextmanager
def transport_by(way: Way, database_url: str, headers: Mapping[str, str] | None = None) -> Iterator[Transport]:
    """A transport to a database."""
    if way == "postgres":
        with contextlib.closing(PostgresTransport(database_url).presenting(headers or {})) as transport:
            yield transport
        return
    keys = LEGACY_KEYS if way == "supabase with legacy keys" else NEW_KEYS
    with (
        stub_of(database_url) as stub,
        contextlib.closing(supabase_transport(stub, keys, headers=headers)) as transport,
    ):
        yield transport


def supabase_transport(
    stub: SupabaseStub,
    keys: tuple[Key, ...] = NEW_KEYS,
    timeout_s: float = 10.0,
    headers: Mapping[str, str] | None = None,
) -> SupabaseTransport:
    """A transport to a stub."""
    anon, service = keys
    return SupabaseTransport(stub.url, anon.value, service.value, timeout_s=timeout_s).presenting(headers or {})


def new_id() -> str:
    """An id that no other test uses."""
    return str(uuid.uuid4())


def caller(user_id: str, **claims: object) -> Caller:
    """A user as the gateway lets them in."""
    full = {"sub": user_id, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 600, **claims}
    return Caller(user_id, jwt.encode(full, SECRET), full)


def new_upload(user_id: str, **changed: object) -> Upload:
    """An upload that is not written yet."""
    job_id, at = new_id(), dt.datetime(2026, 11, 24, tzinfo=dt.UTC) + dt.timedelta(hours=next(_hours))
    upload = Upload(
        job_id=job_id,
        user_id=user_id,
        raw_path=raw_key(user_id, job_id, at, "photo.jpg"),
        mime_type="image/jpeg",
        size_bytes=1_000,
        kid=1,
        wrapped_key="d3JhcHBlZA==",
        created_at=at,
    )
    return upload.model_copy(update=changed)


def new_job(upload: Upload, **changed: object) -> NewJob:
    """What POST /jobs asks for an upload."""
    job = NewJob(
        user_id=upload.user_id,
        job_id=new_id(),
        document_id=new_id(),
        raw_path=upload.raw_path,
        artifact_url=None,
        object_bytes=1_124,
        portal="upsc-2026",
        slot="photo",
        portal_version=None,
        mime_type="image/jpeg",
        original_filename="photo.jpg",
        options={"rotate": 90},
        kid=None,
        wrapped_key=None,
        idempotency_key=None,
        request_hash=hashlib.sha256(b"request").hexdigest(),
        max_active_jobs=20,
        initial_credits=3,
    )
    return replace(job, **changed)  # type: ignore[arg-type]  # a test names fields and their values


@dataclass(frozen=True)
class Steps:
    """One job's way, step by step."""

    database: SqlDatabase

    def pending(self, user_id: str) -> str:
        """A job that waits; its id."""
        upload = new_upload(user_id)
        self.database.upload_create(upload, initial_credits=3)
        assert self.database.job_create(new_job(upload), NO_ROOM).outcome == "created"
        return upload.job_id

    def processing(self, user_id: str) -> tuple[str, str]:
        """A job whose first attempt was started; its id and its document's."""
        upload = new_upload(user_id)
        self.database.upload_create(upload, initial_credits=3)
        job = new_job(upload)
        created = self.database.job_create(job, ROOM)
        assert created.started is not None
        assert created.started.job_id == upload.job_id
        return upload.job_id, job.document_id

    def claimed(self, user_id: str) -> tuple[str, SettlementClaim]:
        """A job whose settlement is claimed; its id and the claim."""
        job_id, document_id = self.processing(user_id)
        claim = self.database.job_claim_settlement(job_id, 1, user_id=user_id, document_id=document_id)
        assert claim.outcome == "claimed"
        return job_id, claim

    def completed(self, user_id: str) -> str:
        """A job with a document; its id."""
        job_id, claim = self.claimed(user_id)
        assert self.database.job_finish(finish(job_id, str(claim.claim)), NO_ROOM).outcome == "completed"
        return job_id


def finish(job_id: str, claim: str) -> Finish:
    """A success."""
    return Finish(
        job_id=job_id,
        attempt=1,
        claim=claim,
        quality_score=0.87,
        warnings=("BLURRED: hold still – नमस्ते",),
        advice=({"code": "BLURRED", "parameters": {"reason": "face", "degrees": 4.5}},),
        artifacts={"master_path": "m", "preview_path": "p", "document_path": "d", "output_path": "o"},
        metrics={"stages": [{"stage": "fetch", "wall_ms": 12, "cpu_ms": 3.5}], "processing_ms": 40, "encodes": 3},
        receipt={"portal": "upsc-2026", "clauses": [], "note": 'it\'s \\ "quoted"'},
        conforms=True,
    )


class Recorder:
    """A transport that notes each call and answers nothing that any row model takes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, object], Caller | None]] = []

    def call(self, function: str, arguments: Mapping[str, object], caller: Caller | None = None) -> object:
        """Note the call."""
        self.calls.append((function, dict(arguments), caller))
        return None


def every_call(who: Caller) -> dict[str, tuple[str, dict[str, object], Caller | None]]:
    """What each method of the port calls, by the method's name; the ids are nobody's."""
    recorder = Recorder()
    database = SqlDatabase(recorder)
    upload, job_id = new_upload(who.user_id), new_id()
    methods: dict[str, Callable[[], object]] = {
        "upload_create": lambda: database.upload_create(upload, initial_credits=0),
        "upload_delete": lambda: database.upload_delete(who.user_id, job_id),
        "upload_get": lambda: database.upload_get(who.user_id, job_id),
        "rule_names": lambda: database.rule_names("neet-2026", None),
        "job_create": lambda: database.job_create(new_job(upload), NO_ROOM),
        "job_submitted": lambda: database.job_submitted(job_id, 1, executor="local", executor_ref="1"),
        "job_progress": lambda: database.job_progress(job_id, 1, "ocr"),
        "job_claim_settlement": lambda: database.job_claim_settlement(
            job_id, 1, user_id=who.user_id, document_id=new_id()
        ),
        "job_release_settlement": lambda: database.job_release_settlement(job_id, new_id()),
        "job_finish": lambda: database.job_finish(finish(job_id, new_id()), NO_ROOM),
        "job_fail_attempt": lambda: database.job_fail_attempt(
            job_id, 1, error={"code": "X"}, metrics=None, retry=False, capacity=NO_ROOM
        ),
        "job_extend": lambda: database.job_extend(job_id, 1, lease_s=1),
        "jobs_tick": lambda: database.jobs_tick(NO_ROOM),
        "job_get": lambda: database.job_get(who, job_id),
        "jobs_list": lambda: database.jobs_list(who, status=None, limit=1, before=None),
        "job_key": lambda: database.job_key(who.user_id, job_id),
        "job_delete": lambda: database.job_delete(who.user_id, job_id, NO_ROOM),
        "job_erase": lambda: database.job_erase(who.user_id, job_id),
        "account": lambda: database.account(who.user_id, initial_credits=0),
        "account_erase": lambda: database.account_erase(who.user_id),
        "account_erase_step": database.account_erase_step,
        "account_export": lambda: database.account_export(who.user_id, actor="root@host"),
        "operator_events": lambda: database.operator_events(1),
        "credits_grant": lambda: database.credits_grant(who.user_id, 1),
        "jobs_search": lambda: database.jobs_search(status=None, user_id=None, limit=1),
        "job_inspect": lambda: database.job_inspect(job_id),
        "job_retry_now": lambda: database.job_retry_now(job_id, 1, error={"code": "X"}, capacity=NO_ROOM),
        "job_end": lambda: database.job_end(job_id, error={"code": "X"}, capacity=NO_ROOM),
        "removals_done": lambda: database.removals_done([job_id]),
        "metrics_snapshot": database.metrics_snapshot,
        "health": database.health,
    }
    for method in methods.values():
        with contextlib.suppress(DatabaseFaultError, TypeError):  # None is no answer to most of them
            method()
    return dict(zip(methods, recorder.calls, strict=True))
