"""What starts the launcher."""

from dataclasses import dataclass
from typing import Literal, Protocol

from rythmiq.contracts.keys import InvalidKeyError, launch_arguments
from rythmiq.ports.errors import ExecutorRejectedError

ExecutorState = Literal["pending", "running", "succeeded", "failed", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class Order:
    """What an executor is asked to start: `rythmiq-launch {user_id} {job_id} {attempt}`, and nothing secret."""

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
    """What an executor can do beside submit, status and find."""

    cancel: bool
    idempotent_submit: bool
    logs: bool


class Executor(Protocol):
    """What starts the launcher.

    Raises, each method: ExecutorUnclearError when it does not answer.
    """

    @property
    def name(self) -> Literal["local", "camber", "kubernetes", "hold"]:
        """How `jobs.executor` calls it."""

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """What it can do."""

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Start one attempt; the executor's reference for it. Raises ExecutorRejectedError."""

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Where an attempt stands; `unknown` when the executor does not know it."""

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The reference of an attempt that may have been submitted."""

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop an attempt; False when it cannot be stopped."""

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """The last lines that an attempt wrote."""
