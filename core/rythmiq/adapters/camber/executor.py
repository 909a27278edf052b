"""Camber as an executor.

It takes no deadline, cannot be told to stop a job and makes no promise about a repeated submit: attempts are fenced by
their dispatch objects, and a submit whose answer was lost is looked up by its command before it is repeated.

Source: docs/specification/executors.md, docs/camber.md.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from rythmiq.adapters.camber.errors import CamberError, CamberRejectedError
from rythmiq.adapters.camber.service import CamberService
from rythmiq.ports.errors import ExecutorRejectedError, ExecutorUnclearError
from rythmiq.ports.executor import ExecutorCapabilities, ExecutorState, Order

_T = TypeVar("_T")

STATES: Mapping[str, ExecutorState] = MappingProxyType(
    {
        "queued": "pending",
        "starting": "pending",
        "running": "running",
        "succeeded": "succeeded",
        "failed": "failed",
        "cancelled": "cancelled",
    }
)


class CamberExecutor:
    """Implements `ports.Executor`.

    `timeout_s` bounds each call as a whole, beneath the service's own limits for each phase; only the system's
    resolving of names may outlast it, as everywhere. It may not be called where an event loop runs already.

    Args:
        service: what talks to Camber.
    """

    def __init__(self, service: CamberService) -> None:
        self._service = service

    @property
    def name(self) -> Literal["camber"]:
        """How `jobs.executor` calls it."""
        return "camber"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """What it can do."""
        return ExecutorCapabilities(cancel=False, idempotent_submit=False, logs=True)

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Start one attempt; Camber's number for it.

        Raises:
            ExecutorRejectedError: it is refused for good.
            ExecutorUnclearError: Camber does not answer, may have taken it, or refuses the key: that is an operator's
                to mend, and no reason to fail a user's job for good.
        """
        payload = {"user_id": order.user_id, "job_id": order.job_id, "attempt": order.attempt}
        return _within(timeout_s, self._service.submit_job(order.job_id, payload))

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Where an attempt stands; `unknown` when Camber does not know it, or says a word that we do not.

        Raises:
            ExecutorUnclearError: Camber does not answer.
        """
        told = _within(timeout_s, self._service.get_job_status(reference))
        # A word that we do not know is not the end: the attempt is trusted as one that runs, for as long as one is.
        if told["status"] == "unknown" and told["raw_status"] is not None:
            return "running"
        return STATES.get(told["status"], "unknown")

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The number of an attempt that may have been submitted.

        Raises:
            ExecutorUnclearError: Camber does not answer, or its list cannot tell.
        """
        return _within(timeout_s, self._service.find_job(job_id, attempt))

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Camber has no such call."""
        del reference, timeout_s
        return False

    def logs(self, reference: str, *, tail_lines: int, timeout_s: float) -> str:
        """The last lines that an attempt wrote; empty when Camber knows none.

        Raises:
            ExecutorUnclearError: Camber does not answer.
        """
        return _within(timeout_s, self._service.job_logs(reference, tail_lines=tail_lines))


def _within(timeout_s: float, call: Coroutine[Any, Any, _T]) -> _T:
    """Run a call to its end, or to the end of its time."""

    async def bounded() -> _T:
        async with asyncio.timeout(timeout_s):
            return await call

    try:
        return asyncio.run(bounded())
    except TimeoutError:
        raise ExecutorUnclearError(f"Camber did not answer within {timeout_s:g} s") from None
    except CamberRejectedError as error:
        raise ExecutorRejectedError(str(error)) from None
    except CamberError as error:
        raise ExecutorUnclearError(str(error)) from None
