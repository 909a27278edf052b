"""A store, an executor and a clock in memory for tests.

Each fails on order: a `Fault` makes a call of the store fail, before or after its effect; the executor's plan says what
becomes of each submit. All are safe to use from several threads.
"""

import contextlib
import datetime as dt
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from rythmiq.clock import Clock
from rythmiq.contracts.errors import (
    AccessDeniedError,
    ObjectMissingError,
    ObjectTooLargeError,
    PreconditionFailedError,
    StoreError,
    StoreTimeoutError,
)
from rythmiq.contracts.keys import SEALED_TYPE, parse_key
from rythmiq.ports import ExecutorCapabilities, ExecutorRejectedError, ExecutorState, ExecutorUnclearError, Order

UPLOAD_EXPIRES_S = 15 * 60
MAX_UPLOAD_EXPIRES_S = 60 * 60
DOWNLOAD_EXPIRES_S = 60 * 60
OUTPUT_EXPIRES_S = 24 * 60 * 60
MAX_EXPIRES_S = 7 * 24 * 60 * 60
_EPOCH = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


class FixedClock:
    """Implements `ports.Clock`: time passes when it is told to, and when somebody sleeps.

    Args:
        now: where it begins.
    """

    def __init__(self, now: dt.datetime = _EPOCH) -> None:
        self._began_at = now
        self._passed_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> dt.datetime:
        """The present instant, UTC."""
        return self._began_at + dt.timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        """Seconds since it began."""
        with self._lock:
            return self._passed_s

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        with self._lock:
            self._passed_s += max(0.0, seconds)


# --- the store -------------------------------------------------------------------------------------------------------

StoreCall = Literal["fetch", "upload", "exists", "delete"]


@dataclass
class Fault:
    """What goes wrong with a call of the store.

    Attributes:
        call: which one.
        error: what it raises.
        key_part: only for keys that hold this.
        times: how often, before the store is well again.
        after: whether the effect is there all the same, and only the answer is lost.
    """

    call: StoreCall
    error: StoreError
    key_part: str = ""
    times: int = 1
    after: bool = False


@dataclass(frozen=True, slots=True)
class SignedPlace:
    """Implements `ports.PresignedUpload`; `MemoryStore.receive` takes what is uploaded to it."""

    method: Literal["PUT", "POST"]
    url: str
    headers: dict[str, str]
    fields: dict[str, str]
    expires_at: dt.datetime
    key: str
    least_bytes: int
    most_bytes: int


class MemoryStore:
    """Implements `ports.SigningStore`.

    Args:
        clock: for expiries.
        endpoint: what URLs begin with.
        bucket: ditto.
    """

    def __init__(
        self, clock: Clock | None = None, *, endpoint: str = "https://store.test", bucket: str = "rythmiq"
    ) -> None:
        self._clock = clock or FixedClock()
        self._endpoint, self._bucket = endpoint, bucket
        self._lock = threading.RLock()
        self._faults: list[Fault] = []
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, str] = {}
        self.calls: list[tuple[StoreCall, str]] = []

    def plan(self, fault: Fault) -> None:
        """Have a call go wrong."""
        with self._lock:
            self._faults.append(fault)

    def fetch_object(self, key: str, *, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """An object's bytes."""
        with self._call("fetch", key, timeout_s):
            if key not in self.objects:
                raise ObjectMissingError("there is no such object")
            data = self.objects[key]
        if len(data) > max_bytes:
            raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")
        return data

    def upload_object(
        self, key: str, data: bytes, *, content_type: str = SEALED_TYPE, timeout_s: float | None = None
    ) -> None:
        """Store an object, over what stands there."""
        with self._call("upload", key, timeout_s):
            self.objects[key] = data
            self.types[key] = content_type

    def object_exists(self, key: str, *, timeout_s: float | None = None) -> int | None:
        """An object's size in bytes, or None."""
        with self._call("exists", key, timeout_s):
            return len(self.objects[key]) if key in self.objects else None

    def delete_object(self, key: str, *, timeout_s: float | None = None) -> None:
        """Delete an object; one that is not there is deleted already."""
        with self._call("delete", key, timeout_s):
            self.objects.pop(key, None)
            self.types.pop(key, None)

    def delete_objects(self, keys: Sequence[str], *, timeout_s: float | None = None) -> None:
        """Delete objects, one after the other."""
        for key in keys:
            self.delete_object(key, timeout_s=timeout_s)

    # --- signing, and what clients do with a signature --------------------------------------------------------------

    def generate_upload_url(  # noqa: PLR0913  the terms of an upload are this many
        self,
        key: str,
        *,
        size_bytes: int,
        content_type: str = SEALED_TYPE,
        method: Literal["put", "post"] = "put",
        expires_s: int = UPLOAD_EXPIRES_S,
        min_bytes: int | None = None,
    ) -> SignedPlace:
        """Sign the upload of one object."""
        _check_expiry(expires_s, MAX_UPLOAD_EXPIRES_S)
        parse_key(key)
        least_bytes = size_bytes if min_bytes is None or method == "put" else min_bytes
        if not 1 <= least_bytes <= size_bytes:
            raise ValueError("an upload has at least one byte, and no more than its most")
        expires_at = self._clock.now() + dt.timedelta(seconds=expires_s)
        headers, fields = {"Content-Type": content_type}, {"key": key, "Content-Type": content_type}
        if method == "post":
            url = f"{self._endpoint}/{self._bucket}"
            return SignedPlace("POST", url, {}, fields, expires_at, key, least_bytes, size_bytes)
        headers |= {"Content-Length": str(size_bytes), "x-amz-acl": "private", "If-None-Match": "*"}
        url = self._url(key, expires_s)
        return SignedPlace("PUT", url, headers, {}, expires_at, key, least_bytes, size_bytes)

    def receive(self, place: SignedPlace, data: bytes) -> None:
        """Take what a client uploads to a signed place; a PUT never writes over anything."""
        if self._clock.now() >= place.expires_at or not place.least_bytes <= len(data) <= place.most_bytes:
            raise AccessDeniedError("the signature does not allow it")
        with self._lock:
            if place.method == "PUT" and place.key in self.objects:
                raise PreconditionFailedError("the object is there already")
            self.objects[place.key] = data

    def generate_download_url(self, key: str, *, expires_s: int = DOWNLOAD_EXPIRES_S) -> str:
        """Sign the download of one object."""
        _check_expiry(expires_s, MAX_EXPIRES_S)
        parse_key(key)
        return self._url(key, expires_s)

    def generate_output_download_url(self, key: str, *, filename: str, expires_s: int = OUTPUT_EXPIRES_S) -> str:
        """Sign the download of a ZIP that a browser saves as `filename`."""
        return f"{self.generate_download_url(key, expires_s=expires_s)}&filename={quote(filename)}"

    def _url(self, key: str, expires_s: int) -> str:
        return f"{self._endpoint}/{self._bucket}/{key}?until={(self._clock.now().timestamp() + expires_s):.0f}"

    @contextlib.contextmanager
    def _call(self, call: StoreCall, key: str, timeout_s: float | None) -> Iterator[None]:
        parse_key(key)
        if timeout_s is not None and timeout_s <= 0:
            raise StoreTimeoutError("the deadline passed")
        with self._lock:
            self.calls.append((call, key))
            fault = next((f for f in self._faults if f.call == call and f.key_part in key and f.times > 0), None)
            if fault is not None:
                fault.times -= 1
                if not fault.after:
                    raise fault.error
            yield
            if fault is not None:
                raise fault.error


def _check_expiry(expires_s: int, most_s: int) -> None:
    if not 1 <= expires_s <= most_s:
        raise ValueError(f"an expiry here is 1 to {most_s} s")


# --- the executor ----------------------------------------------------------------------------------------------------

Submit = Literal["accept", "reject", "drop_request", "drop_reply"]
"""What becomes of a submit: dropped, nobody knows whether it was taken; only with `drop_reply` it was."""


@dataclass
class Execution:
    """One start of the launcher, as this executor pretends it."""

    reference: str
    order: Order
    state: ExecutorState = "pending"


class MemoryExecutor:
    """Implements `ports.Executor`; a test sets how far each execution has come.

    Args:
        plan: what becomes of the submits, in turn; after these all are accepted.
        cancel: whether an execution can be stopped.
        on_start: called with each order that was taken, before the submit returns: where a test plays the worker.
    """

    def __init__(
        self,
        plan: Iterable[Submit] = (),
        *,
        cancel: bool = False,
        on_start: Callable[[Order], None] | None = None,
    ) -> None:
        self._plan = deque(plan)
        self._cancel = cancel
        self._on_start = on_start
        self._lock = threading.Lock()
        self.silent = False
        self.executions: list[Execution] = []

    @property
    def name(self) -> Literal["local"]:
        """How `jobs.executor` calls it."""
        return "local"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """What it can do."""
        return ExecutorCapabilities(cancel=self._cancel, idempotent_submit=False, logs=False)

    def plan(self, *outcomes: Submit) -> None:
        """Say what becomes of the next submits."""
        with self._lock:
            self._plan.extend(outcomes)

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Take an order, or do as planned."""
        self._answers(timeout_s)
        _ = order.arguments  # refuses what names no attempt
        with self._lock:
            outcome = self._plan.popleft() if self._plan else "accept"
            if outcome == "reject":
                raise ExecutorRejectedError("planned")
            if outcome == "drop_request":
                raise ExecutorUnclearError("planned")
            execution = Execution(str(len(self.executions) + 1), order)
            self.executions.append(execution)
        if self._on_start is not None:
            self._on_start(order)
        if outcome == "drop_reply":
            raise ExecutorUnclearError("planned")
        return execution.reference

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Where an execution stands."""
        self._answers(timeout_s)
        return next((e.state for e in self.executions if e.reference == reference), "unknown")

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The first execution of an attempt."""
        self._answers(timeout_s)
        for execution in self.executions:
            if (execution.order.job_id, execution.order.attempt) == (job_id, attempt):
                return execution.reference
        return None

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop an execution, if this one can."""
        self._answers(timeout_s)
        found = [e for e in self.executions if e.reference == reference] if self._cancel else []
        for execution in found:
            execution.state = "cancelled"
        return bool(found)

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """Nothing was written."""
        del reference, tail_lines
        self._answers(timeout_s)
        return ""

    def of(self, job_id: str) -> list[Execution]:
        """The executions of one job."""
        return [execution for execution in self.executions if execution.order.job_id == job_id]

    def _answers(self, timeout_s: float) -> None:
        if self.silent or timeout_s <= 0:
            raise ExecutorUnclearError("planned")
