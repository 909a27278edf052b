"""Camber as an executor: the service of the hand-off's interface, and `ports.Executor` over it.

What is submitted is a command of fixed words and UUIDs. The payload itself never goes to Camber: it is sealed in the
object store (`services.dispatch`), where the launcher that the command starts fetches it.

Camber takes no deadline, cannot cancel a job and makes no promise about a repeated submit: attempts are fenced
by their dispatch objects, and a submit whose answer was lost is looked up by its command before it is repeated.

Source: docs/specification/executors.md, docs/camber.md.
"""

import asyncio
import re
from collections.abc import Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar
from uuid import UUID

from rythmiq.adapters.camber import (
    STATES,
    TERMINAL,
    CamberAmbiguousError,
    CamberError,
    CamberRejectedError,
    CamberUnavailableError,
    HttpTransport,
    JobConfig,
    Wire,
)
from rythmiq.contracts.keys import LAUNCH_GRAMMAR, UUID4_PATTERN
from rythmiq.ports import ExecutorCapabilities, ExecutorRejectedError, ExecutorState, ExecutorUnclearError, Order

_T = TypeVar("_T")

JOB_NUMBER = re.compile(r"[0-9]{1,12}")


class CamberService:
    """The calls of Camber that are used; each is one request.

    Args:
        api_url: `CAMBER_API_URL`.
        api_key: `CAMBER_API_KEY`.
        config: what every job is run with.
        wire: the names in force.
        transport: in the place of one to that address with that key.
    """

    def __init__(
        self,
        api_url: str,
        api_key: str,
        *,
        config: JobConfig | None = None,
        wire: Wire | None = None,
        transport: HttpTransport | None = None,
    ) -> None:
        self.config, self.wire = config or JobConfig(), wire or Wire()
        self._transport = transport or HttpTransport(api_url, api_key, config=self.config, wire=self.wire)

    async def submit_job(self, job_id: UUID | str, payload: Mapping[str, Any]) -> str:
        """Start one attempt; Camber's number for it.

        Args:
            job_id: of ours.
            payload: of it `user_id` and `attempt` (1 when it has none) become words of the command, and nothing else.

        Raises:
            CamberRejectedError: it is refused for good, here or there.
            CamberAuthError: the key is refused.
            CamberUnavailableError: Camber does not answer.
            CamberAmbiguousError: Camber may have taken it.
        """
        attempt = payload.get("attempt", 1)
        if str(payload.get("job_id", job_id)) != str(job_id) or not isinstance(attempt, int):
            raise CamberRejectedError("the payload is another job's, or has no attempt")
        try:
            command = command_of(self.config, Order(str(payload.get("user_id")), str(job_id), attempt))
        except ExecutorRejectedError as error:
            raise CamberRejectedError(str(error)) from None
        number = str(await self._transport.create(command))
        if not JOB_NUMBER.fullmatch(number):
            raise CamberAmbiguousError("Camber answered without a job's number")
        return number

    async def get_job_status(self, camber_job_id: str) -> dict[str, Any]:
        """Return `{camber_job_id, status, raw_status, terminal, created_at, started_at, finished_at}` of a job.

        `status` is queued, starting, running, succeeded (the command exited with 0), failed, cancelled or unknown:
        Camber does not know the number, or reports an unknown status.

        Raises:
            CamberAuthError: the key is refused.
            CamberUnavailableError: Camber does not answer.
        """
        job: Mapping[str, object] | None = None
        if JOB_NUMBER.fullmatch(camber_job_id):
            job = await self._transport.get(camber_job_id)
        raw = str(first_of(job or {}, self.wire.status_fields) or "")
        if job is not None and not raw:
            raise CamberUnavailableError("Camber's answer has no status")
        status = STATES.get(raw.upper(), "unknown")
        instants = {name: (job or {}).get(name) for name in self.wire.instants}
        return {
            "camber_job_id": camber_job_id,
            "status": status,
            "raw_status": raw or None,
            "terminal": status in TERMINAL,
            **instants,
        }

    async def find_job(self, job_id: str, attempt: int) -> str | None:
        """The number of an attempt that may have been submitted, by the commands that Camber lists; the oldest, if two.

        Raises:
            CamberAuthError: the key is refused.
            CamberUnavailableError: Camber does not answer, or its list cannot tell: it shows no commands, or is full
                and begins with the oldest job.
        """
        jobs = await self._transport.recent()
        field = self.wire.command_field
        numbers = [
            str(first_of(job, self.wire.id_fields))
            for job in jobs
            if starts_attempt(str(job.get(field, "")), job_id, attempt)
        ]
        numbers = sorted((number for number in numbers if JOB_NUMBER.fullmatch(number)), key=int)
        if numbers:
            return numbers[0]
        if jobs and not any(field in job for job in jobs):
            raise CamberUnavailableError("Camber's list shows no commands")
        ids = [str(first_of(job, self.wire.id_fields)) for job in jobs]
        if len(ids) >= max(2, self.wire.listed) and all(map(str.isdecimal, ids)) and int(ids[0]) < int(ids[-1]):
            raise CamberUnavailableError("Camber's list begins with the oldest job, and does not hold all")
        return None

    async def job_logs(self, camber_job_id: str, *, tail_lines: int) -> str:
        """The last lines that a job wrote; empty when Camber knows none.

        Raises:
            CamberAuthError: the key is refused.
            CamberUnavailableError: Camber does not answer.
        """
        if not JOB_NUMBER.fullmatch(camber_job_id) or tail_lines < 1:
            return ""
        text = await self._transport.logs(camber_job_id)
        return "".join(text.splitlines(keepends=True)[-tail_lines:])


def command_of(config: JobConfig, order: Order) -> str:
    """The command line of one attempt; with a digest, the shell looks at the launcher's file before it runs it.

    The working directory may be the Stash folder itself, where a job could write what the next one runs. The digest
    stands in the command, which no job writes, and the tool that checks it is the machine's.

    Raises:
        ExecutorRejectedError: the order names no attempt, or the program holds what Camber could expand, or no file.
    """
    command = " ".join((config.program, *order.arguments))
    if not re.fullmatch(LAUNCH_GRAMMAR, command):
        raise ExecutorRejectedError("the command line holds what an executor could expand")
    if config.release_digest is None:
        return command
    file = next((word for word in config.program.split() if "/" in word), None)
    if file is None or not re.fullmatch(r"[0-9a-f]{64}", config.release_digest):
        raise ExecutorRejectedError("the launcher's file and its SHA-256 cannot be told")
    return f'echo "{config.release_digest}  {file}" | sha256sum --check --quiet && {command}'


def starts_attempt(command: str, job_id: str, attempt: int) -> bool:
    """Return whether a command line starts this attempt, whatever Camber has wrapped around it."""
    user_id = UUID4_PATTERN.strip("^$")
    return re.search(rf"(?<!\S){user_id} {re.escape(job_id)} {attempt}(?![^\s'\";&|)])", command) is not None


def first_of(document: Mapping[str, object], names: Sequence[str]) -> object:
    """The value of the first of these names that is there."""
    return next((document[name] for name in names if name in document), None)


_STATE_OF: Mapping[str, ExecutorState] = MappingProxyType(
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
        service: the calls of Camber.
    """

    def __init__(self, service: CamberService) -> None:
        self._service = service

    @property
    def name(self) -> Literal["camber"]:
        """Value of `jobs.executor`."""
        return "camber"

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """Which optional calls are supported."""
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
        """Return the state of an attempt; `unknown` when Camber does not know its number.

        Raises:
            ExecutorUnclearError: Camber does not answer.
        """
        status = _within(timeout_s, self._service.get_job_status(reference))
        # An unknown status is not the end: the attempt counts as running, for as long as a running one is trusted.
        if status["status"] == "unknown" and status["raw_status"] is not None:
            return "running"
        return _STATE_OF.get(status["status"], "unknown")

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
