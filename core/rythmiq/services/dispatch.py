"""From a job that the database has started to one that the executor has: unwrap its keys, seal, store, submit.

Source: docs/specification/executors.md, docs/specification/rqe1.md.
"""

from dataclasses import dataclass, field
from typing import Literal

from rythmiq.clock import Deadline
from rythmiq.contracts.attempt import TOKEN_TTL_S, Callback, DataKeys, Dispatch, derive_token
from rythmiq.contracts.errors import ErrorCode, RythmiqError, StoreError, failure
from rythmiq.contracts.keys import SEALED_TYPE, dispatch_key
from rythmiq.contracts.payload import InputReference, StorageReference, payload_version, require_own_source
from rythmiq.crypto import DecryptionError
from rythmiq.log import log
from rythmiq.ports import Executor, ExecutorRejectedError, Order, UnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import StartedJob, TickWork
from rythmiq.services import Backends

SUBMIT_S = 5.0
"""Time limit of a submit inside a caller's request."""
NOT_SUBMITTED_S = 10
"""Lease of an attempt that was certainly not submitted."""
UNCLEAR_S = 30
"""Lease of an attempt that may have been submitted: long enough for the executor's list to show it."""


@dataclass(frozen=True, slots=True)
class DispatchConfig:
    """Values that go into every dispatch object.

    Attributes:
        storage: the store as the worker is to know it.
        callback_url: the absolute URL of `/internal/webhooks/camber`.
        webhook_secret: what tokens are derived from.
        capacity: how much an executor is given.
    """

    storage: StorageReference
    callback_url: str
    webhook_secret: str = field(repr=False)
    capacity: Capacity = field(default_factory=Capacity)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Outcome of a dispatch; `later` leaves it to the reconciler, `work` is set when the job has ended."""

    outcome: Literal["submitted", "rejected", "later"]
    work: TickWork = field(default_factory=TickWork)


class _RefusedError(RythmiqError):
    """An attempt that no launcher is given."""

    def __init__(self, report: dict[str, object], *, retry: bool) -> None:
        super().__init__(str(report["code"]))
        self.report, self.retry = report, retry


class Dispatcher:
    """Gives started jobs to the executor.

    Args:
        backends: where attempts and dispatch objects are kept, what unwraps their data keys, and what seals them.
        executor: what starts the launcher.
        config: what goes into every dispatch object.
    """

    def __init__(self, backends: Backends, executor: Executor, config: DispatchConfig) -> None:
        self._backends = backends
        self._database, self._store, self._ring = backends.database, backends.store, backends.dispatch_ring
        self._clock = backends.clock
        self._executor = executor
        self._config = config

    def dispatch(self, started: StartedJob, *, timeout_s: float = SUBMIT_S) -> Dispatched:
        """Seal, store and submit one attempt, within `timeout_s` in all; trouble is left to the reconciler."""
        deadline = Deadline.after(timeout_s, self._clock.monotonic_s)
        try:
            self._store_dispatch(started, timeout_s)
        except StoreError as error:
            return self._later(started, NOT_SUBMITTED_S, f"the store: {error}")
        except _RefusedError as refusal:
            return self._ended(started, refusal.report, retry=refusal.retry)
        left_s = deadline.left_s
        if left_s <= 0:
            return self._later(started, NOT_SUBMITTED_S, "the time is up")
        order = Order(started.user_id, started.job_id, started.attempt)
        try:
            reference = self._executor.submit(order, timeout_s=left_s)
        except ExecutorRejectedError as error:
            return self._rejected(started, str(error))
        except UnavailableError as error:
            return self._later(started, UNCLEAR_S, f"the executor: {error}")
        self.keep_reference(started, reference)
        return Dispatched("submitted")

    def keep_reference(self, started: StartedJob, reference: str) -> None:
        """Record the executor's reference of an attempt; if that fails, the reconciler looks it up."""
        name = self._executor.name
        try:
            kept = self._database.job_submitted(started.job_id, started.attempt, executor=name, executor_ref=reference)
        except RythmiqError:
            kept = False
        log("attempt_submitted", job_id=started.job_id, attempt=started.attempt, executor=name, kept=kept)

    def postpone(self, started: StartedJob, *, lease_s: int = 1) -> None:
        """Shorten the lease of a started job, so that a tick reconciles it soon."""
        try:
            self._database.job_extend(started.job_id, started.attempt, lease_s=lease_s)
        except RythmiqError:
            log("postpone_failed", level="warning", job_id=started.job_id, attempt=started.attempt)

    def _store_dispatch(self, started: StartedJob, timeout_s: float) -> None:
        key = dispatch_key(started.user_id, started.job_id, started.attempt)
        content = self._document(started).model_dump_json().encode()
        # A plaintext job's is sealed too, where there are keys: it holds the token of the callback.
        data = content if self._ring is None else self._ring.seal_service(content, storage_key=key)
        media_type = "application/json" if self._ring is None else SEALED_TYPE
        self._store.upload_object(key, data, content_type=media_type, timeout_s=timeout_s)

    def _document(self, started: StartedJob) -> Dispatch:
        config = self._config
        # Several uploads are the pages of one PDF, also where the slot takes pictures too and would make one of them.
        rules = started.schema_definition | ({} if started.raw_paths is None else {"output_format": "pdf"})
        expires_at_s = int(self._clock.now().timestamp()) + TOKEN_TTL_S
        source = InputReference(
            artifact_url=started.artifact_url,
            raw_path=started.raw_path,
            raw_paths=started.raw_paths,
            mime_type=started.mime_type,
            original_filename=started.original_filename,
        )
        try:
            require_own_source(source, started.user_id, started.job_id)
        except ValueError:
            report = failure(ErrorCode.PAYLOAD_INVALID, "the job's source is not its owner's")
            raise _RefusedError(report, retry=False) from None
        return Dispatch(
            v=payload_version(started.options, rules, several=started.raw_paths is not None),
            job_id=started.job_id,
            user_id=started.user_id,
            attempt=started.attempt,
            dispatched_at=started.dispatched_at,
            document_id=started.document_id,
            portal_schema={
                "id": f"{started.portal}/{started.slot}",
                "name": started.portal_name,
                "version": started.portal_version,
                "portal": started.portal,
                "slot": started.slot,
                "schema_definition": rules,
            },
            input=source,
            storage=config.storage,
            options=started.options,
            encryption=self._encryption(started),
            callback=Callback(
                url=config.callback_url,
                token=derive_token(config.webhook_secret, started.job_id, started.attempt, expires_at_s),
            ),
        )

    def _encryption(self, started: StartedJob) -> DataKeys | None:
        try:
            return self._data_keys(started)
        except DecryptionError as error:
            report = failure(
                ErrorCode.INTERNAL_ERROR, "the job's data keys do not unwrap", reason="data_key", cause=error.reason
            )
            # A kid may be missing for as long as the environment is wrong; another's key stays another's.
            raise _RefusedError(report | {"stage": "init"}, retry=error.reason == "unknown_kid") from None

    def _data_keys(self, started: StartedJob) -> DataKeys | None:
        """Unwrap the job's data keys, each for the row's own user."""
        if started.kid is None or started.wrapped_key is None:
            return None
        if self._ring is None:
            raise DecryptionError("unknown_kid", "there is nothing to seal the keys under")
        unwrap, user_id = self._backends.unwrap, started.user_id
        master = several = None
        if started.input_kid is not None and started.input_wrapped_key is not None:
            master = unwrap(started.input_kid, started.input_wrapped_key, user_id).data_key_text
        if started.inputs is not None:
            several = tuple(
                unwrap(entry.kid, entry.wrapped_key, user_id).data_key_text
                for entry in started.inputs
                if entry.kid is not None and entry.wrapped_key is not None
            )
        return DataKeys(
            kid=started.kid,
            wrapped_key=started.wrapped_key,
            data_key=unwrap(started.kid, started.wrapped_key, user_id).data_key_text,
            input_data_key=master,
            input_data_keys=several,
        )

    def _rejected(self, started: StartedJob, reason: str) -> Dispatched:
        log("attempt_rejected", level="error", job_id=started.job_id, attempt=started.attempt, reason=reason)
        report = failure(ErrorCode.EXECUTOR_REJECTED, "the executor refused the job")
        return self._ended(started, report, retry=False)

    def _ended(self, started: StartedJob, error: dict[str, object], *, retry: bool) -> Dispatched:
        code = str(error["code"])
        log("attempt_not_dispatched", level="error", job_id=started.job_id, attempt=started.attempt, code=code)
        try:
            ended = self._database.job_fail_attempt(
                started.job_id,
                started.attempt,
                error=error,
                metrics=None,
                retry=retry,
                capacity=self._config.capacity,
            )
        except RythmiqError:  # the next tick submits again, and is refused again
            return Dispatched("later")
        self._backends.clear_up(started.job_id, ended)
        return Dispatched("rejected", ended.work)

    def _later(self, started: StartedJob, lease_s: int, reason: str) -> Dispatched:
        log("dispatch_later", level="warning", job_id=started.job_id, attempt=started.attempt, reason=reason)
        self.postpone(started, lease_s=lease_s)
        return Dispatched("later")
