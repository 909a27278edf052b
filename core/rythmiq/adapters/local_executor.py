"""Executors of this machine: a client of `rythmiq_cli.local.executor`, and one that holds jobs and starts nothing.

The local one behaves as Camber does: it accepts an order at once, starts the launcher later, does not deduplicate
repeated orders, and by default cannot cancel one.

Source: docs/specification/executors.md.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlencode

from rythmiq.adapters.bounded_http import Answer, exchange
from rythmiq.contracts.errors import StoreError
from rythmiq.ports import ExecutorCapabilities, ExecutorRejectedError, ExecutorState, ExecutorUnclearError, Order

_MAX_ANSWER_BYTES = 1024 * 1024
_NOT_FOUND, _CLASS_OF_REFUSALS, _CLASS_OF_TROUBLE = 404, 400, 500

STATES: Mapping[str, ExecutorState] = MappingProxyType(
    {
        "PENDING": "pending",
        "PROVISIONING": "pending",
        "RUNNING": "running",
        "COMPLETED": "succeeded",
        "FAILED": "failed",
        "CANCELLED": "cancelled",
    }
)


class LocalExecutor:
    """Implements `ports.Executor` over the local executor's HTTP.

    Args:
        url: where it listens, e.g. `http://127.0.0.1:8400`.
        cancel: whether it was started with `--cancel`.
    """

    def __init__(self, url: str, *, cancel: bool = False) -> None:
        self._url = url.rstrip("/")
        self._cancel = cancel

    @property
    def name(self) -> Literal["local"]:
        """Value of `jobs.executor`."""
        return "local"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """Which optional calls are supported."""
        return ExecutorCapabilities(cancel=self._cancel, idempotent_submit=False, logs=True)

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Submit one attempt; returns the executor's number for it.

        Raises:
            ExecutorRejectedError: it refuses the order for good.
            ExecutorUnclearError: it is unknown whether the order was taken.
        """
        content = json.dumps({"user_id": order.user_id, "job_id": order.job_id, "attempt": order.attempt}).encode()
        answer = self._ask("POST", "/jobs", timeout_s, content=content)
        if _CLASS_OF_REFUSALS <= answer.status < _CLASS_OF_TROUBLE:
            raise ExecutorRejectedError(f"the local executor answered {answer.status}")
        return _text(_document(answer), "id")

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Return the state of an attempt; `unknown` when the executor does not know it, or reports an unknown state.

        Raises:
            ExecutorUnclearError: it does not answer.
        """
        if not reference.isdecimal():
            return "unknown"
        answer = self._ask("GET", f"/jobs/{reference}", timeout_s)
        if answer.status == _NOT_FOUND:
            return "unknown"
        return STATES.get(_text(_document(answer), "status"), "unknown")

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The number of an attempt that may have been submitted; the first, when there are several.

        Raises:
            ExecutorUnclearError: it does not answer.
        """
        answer = self._ask("GET", f"/jobs?{urlencode({'job_id': job_id, 'attempt': attempt})}", timeout_s)
        jobs = _document(answer).get("jobs")
        return _text(jobs[0], "id") if isinstance(jobs, list) and jobs and isinstance(jobs[0], dict) else None

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop an attempt; False when it cannot be stopped.

        Raises:
            ExecutorUnclearError: it does not answer.
        """
        if not self._cancel or not reference.isdecimal():
            return False
        return self._ask("DELETE", f"/jobs/{reference}", timeout_s).status < _CLASS_OF_REFUSALS

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """The last lines that an attempt wrote; empty when the executor does not know it.

        Raises:
            ExecutorUnclearError: it does not answer.
        """
        if not reference.isdecimal():
            return ""
        answer = self._ask("GET", f"/jobs/{reference}/logs?tail={tail_lines}", timeout_s)
        return "" if answer.status >= _CLASS_OF_REFUSALS else answer.body.decode(errors="replace")

    def _ask(self, method: str, target: str, timeout_s: float, *, content: bytes | None = None) -> Answer:
        try:
            answer = exchange(
                method,
                self._url + target,
                timeout_s=timeout_s,
                max_bytes=_MAX_ANSWER_BYTES,
                headers={"Content-Type": "application/json"} if content is not None else None,
                content=content,
            )
        except StoreError as error:
            raise ExecutorUnclearError(f"the local executor does not answer: {error}") from None
        if answer.status >= _CLASS_OF_TROUBLE:
            raise ExecutorUnclearError(f"the local executor answered {answer.status}")
        return answer


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body) if answer.status < _CLASS_OF_REFUSALS else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ExecutorUnclearError("the local executor answered something unexpected")
    return document


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise ExecutorUnclearError("the local executor answered something unexpected")
    return value


class HoldExecutor:
    """Implements `ports.Executor`; it is stateless: a reference is all that it knows."""

    @property
    def name(self) -> Literal["hold"]:
        """Value of `jobs.executor`."""
        return "hold"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """Which optional calls are supported."""
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
