"""Interfaces of what the use cases call: object store, executor, sign-ins; the database's are in modules of their own.

Rows are what the SQL functions return (`infra/database/migrations`), as frozen models. Every function returns one JSON
document with an `outcome`: an expected refusal is an outcome, never an exception. Implementations raise

::

    UnavailableError             something outside does not answer now: 503 with Retry-After
    ├── DatabaseUnavailableError
    │   └── DatabaseNotReadyError  it answers, and an operator has to act: password, migrations, grants
    └── ExecutorUnclearError     whether the submit was accepted is unknown: reconciled later
    DatabaseFaultError           the database refused what it should have taken: a defect of ours
    AccountErasedError           whoever calls, or is asked about, has erased the account: 403 ACCOUNT_ERASED
    ExecutorRejectedError        the executor refuses the job for good: EXECUTOR_REJECTED

An object store's errors are drawn in `contracts.errors`.

Source: docs/specification/database.md, docs/specification/executors.md.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from rythmiq.contracts.errors import RythmiqError
from rythmiq.contracts.keys import SEALED_TYPE, InvalidKeyError, launch_arguments

ExecutorState = Literal["pending", "running", "succeeded", "failed", "cancelled", "unknown"]


class UnavailableError(RythmiqError):
    """A part outside does not answer now; the same call may succeed soon. The message holds no address or secret."""


class DatabaseUnavailableError(UnavailableError):
    """The database does not answer."""


class DatabaseNotReadyError(DatabaseUnavailableError):
    """The database answers, and refuses for a reason that an operator has to fix, which the message names."""


class DatabaseFaultError(RythmiqError):
    """The database refused what it should have taken; the message has the SQLSTATE and no value."""


class AccountErasedError(RythmiqError):
    """The account has been erased: nothing is created for it any more, and nothing of it is found."""


class ExecutorUnclearError(UnavailableError):
    """Whether the executor accepted the job is unknown; look it up before submitting again."""


class ExecutorRejectedError(RythmiqError):
    """The executor refuses the job for good."""


class ObjectStore(Protocol):
    """The direct calls that use cases make. `timeout_s` bounds a call as a whole, its repeats included.

    Raises, each method: StoreError, one of its kinds (`contracts.errors`).
    """

    def fetch_object(self, key: str, *, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """Return an object's bytes."""

    def upload_object(
        self, key: str, data: bytes, *, content_type: str = SEALED_TYPE, timeout_s: float | None = None
    ) -> None:
        """Write an object, replacing one of the same key."""

    def object_exists(self, key: str, *, timeout_s: float | None = None) -> int | None:
        """Return an object's size in bytes, or None when there is none."""

    def delete_object(self, key: str, *, timeout_s: float | None = None) -> None:
        """Delete an object; a missing one is no error."""

    def delete_objects(self, keys: Sequence[str], *, timeout_s: float | None = None) -> None:
        """Delete objects, `MOST_DELETED` a call; missing ones are no error."""


class PresignedUpload(Protocol):
    """What a client needs to upload one object: send `headers` with a PUT, `fields` before the file with a POST."""

    @property
    def method(self) -> Literal["PUT", "POST"]:
        """The HTTP method."""

    @property
    def url(self) -> str:
        """The address of the upload."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a PUT."""

    @property
    def fields(self) -> dict[str, str]:
        """Form fields of a POST, sent before the file."""

    @property
    def expires_at(self) -> dt.datetime:
        """When the signature expires."""


class SigningStore(ObjectStore, Protocol):
    """A store that also signs URLs for clients; signing makes no network call.

    Raises, each method: InvalidKeyError; ValueError when an expiry or a size is out of range.
    """

    def generate_upload_url(  # noqa: PLR0913  the terms of an upload are this many
        self,
        key: str,
        *,
        size_bytes: int,
        content_type: str = SEALED_TYPE,
        method: Literal["put", "post"] = "put",
        expires_s: int = ...,
        min_bytes: int | None = None,
    ) -> PresignedUpload:
        """Sign the upload of one object."""

    def generate_download_url(self, key: str, *, expires_s: int = ...) -> str:
        """Sign the download of one object."""

    def generate_output_download_url(self, key: str, *, filename: str, expires_s: int = ...) -> str:
        """Sign the download of a ZIP that a browser saves as `filename`."""


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt to start: `rythmiq-launch {user_id} {job_id} {attempt}`, and nothing secret."""

    user_id: str
    job_id: str
    attempt: int

    @property
    def arguments(self) -> tuple[str, str, str]:
        """Return the launcher's three arguments.

        Raises:
            ExecutorRejectedError: the order names no attempt; nothing may be started for it.
        """
        try:
            return launch_arguments(self.user_id, self.job_id, self.attempt)
        except InvalidKeyError:
            raise ExecutorRejectedError("the order names no attempt of a job") from None


@dataclass(frozen=True, slots=True)
class ExecutorCapabilities:
    """Optional operations that an executor supports."""

    cancel: bool
    idempotent_submit: bool
    logs: bool


class Executor(Protocol):
    """Starts the launcher, one process an attempt.

    Raises, each method: ExecutorUnclearError when it does not answer.
    """

    @property
    def name(self) -> Literal["local", "camber", "kubernetes", "hold"]:
        """Its name in `jobs.executor`."""

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """The optional operations that it supports."""

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Start one attempt and return the executor's reference for it. Raises ExecutorRejectedError."""

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Return the state of an attempt; `unknown` when the executor does not know it."""

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """Return the reference of an attempt that may have been submitted."""

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop an attempt; returns False when it cannot be stopped."""

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """Return the last lines that an attempt wrote."""


class SignIns(Protocol):
    """Who may sign in.

    Raises, each method: UnavailableError when it does not answer, or refuses the key.
    """

    def delete(self, user_id: str) -> None:
        """Delete an account's sign-in; one that is not there is no error."""
