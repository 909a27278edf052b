"""The executor port: what starts the launcher."""

from dataclasses import dataclass
from typing import Literal, Protocol

from rythmiq.contracts.keys import InvalidKeyError, launch_arguments
from rythmiq.ports.errors import ExecutorRejectedError

ExecutorState = Literal["pending", "running", "succeeded", "failed", "cancelled", "unknown"]


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
