"""An executor that takes every job and starts nothing, so that somebody else can play the worker."""

from typing import Literal

from rythmiq.ports.executor import ExecutorCapabilities, ExecutorState, Order


class HoldExecutor:
    """Implements `ports.Executor`; it keeps nothing, so its references say all that it knows."""

    @property
    def name(self) -> Literal["hold"]:
        """How `jobs.executor` calls it."""
        return "hold"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """What it can do."""
        return ExecutorCapabilities(cancel=True, idempotent_submit=True, logs=False)

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Take one attempt; the reference is the same each time."""
        del timeout_s
        return f"hold-{order.job_id}-{order.attempt}"

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Running, for ever."""
        del timeout_s
        return "running" if reference.startswith("hold-") else "unknown"

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The reference of an attempt, which is never lost."""
        del timeout_s
        return f"hold-{job_id}-{attempt}"

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop what was never started."""
        del timeout_s
        return reference.startswith("hold-")

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """Nothing ran, so nothing was written."""
        del reference, tail_lines, timeout_s
        return ""
