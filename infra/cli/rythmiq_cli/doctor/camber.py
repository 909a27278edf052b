"""The checks of `rythmiq camber doctor`: verify with the owner's key what is only inferred of Camber's API.

None of it makes a job, but for the last step, which is asked for by name: what is sent to where jobs are made cannot be
one, an empty object or an object where a text has to be. Of answers names are shown, never values.

Source: docs/camber.md.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rythmiq.adapters.camber import (
    NAMES,
    STATES,
    VALIDATION_CODE,
    CamberAnswer,
    CamberAuthError,
    CamberError,
    CamberUnavailableError,
    HttpTransport,
    JobConfig,
    Wire,
)
from rythmiq.adapters.camber.executor import JOB_NUMBER, CamberService, first_of

Verdict = Literal["verified", "differs", "open", "unreachable"]
RUN_S = 20 * 60.0
_POLL_EVERY_S = 5.0
_NOT_FOUND = 404
_LISTED_FIRST = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        step: what was checked.
        verdict: `open` when it could not be decided.
        said: one sentence.
        set: what to set, and why.
    """

    step: str
    verdict: Verdict
    said: str
    set: str = ""


class CamberChecks:
    """The steps.

    Args:
        transport: with the owner's key.
        wire: the names in force.
        config: what jobs are run with.
        pause: waits between two polls of a job.
    """

    def __init__(
        self,
        transport: HttpTransport,
        wire: Wire,
        config: JobConfig,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._transport, self._wire, self._config, self._pause = transport, wire, config, pause
        self._jobs: Sequence[Mapping[str, Any]] = ()

    async def steps(self, *, run_job: bool) -> AsyncIterator[Finding]:
        """All of them; only what Camber does not let us into ends them early."""
        try:
            async for finding in self._steps():
                yield finding
            if run_job:
                async for finding in self._run():
                    yield finding
            else:
                yield Finding("new job", "open", "whether a job is taken is only seen with --run-job, for some cents")
        except CamberAuthError as error:
            yield Finding("key", "differs", str(error), "CAMBER_API_KEY: `camber login` prints it")
        except CamberUnavailableError as error:
            yield Finding("address", "unreachable", str(error), "CAMBER_API_URL")

    async def _steps(self) -> AsyncIterator[Finding]:
        me = await self._transport.ask("GET", self._wire.path_me)
        yield _told("who am I", me, "the key is good", "CAMBER_API_URL")
        listed = await self._transport.ask("GET", f"{self._wire.path_jobs}?{self._wire.list_query}")
        for finding in self._list(listed):
            yield finding
        yield await self._one()
        yield await self._logs()
        for finding in await self._fields():
            yield finding

    def _list(self, answer: CamberAnswer) -> list[Finding]:
        wire = self._wire
        told = _told("list of jobs", answer, "jobs are listed there", "CAMBER_PATH_JOBS")
        if told.verdict != "verified":
            return [told]
        data = answer.data()
        if isinstance(data, Mapping):
            data = first_of(data, wire.list_fields)
        if not isinstance(data, list) or not all(isinstance(job, Mapping) for job in data):
            return [Finding("list of jobs", "differs", "the answer holds no list of jobs; report its form to us")]
        self._jobs = data
        if not data:
            return [told, Finding("commands", "open", "there is no job yet; run it again after one")]
        names = ", ".join(sorted(map(str, data[0])))
        has = wire.command_field in data[0]
        number = str(first_of(data[0], wire.id_fields))
        numbers = [str(first_of(job, wire.id_fields)) for job in data]
        newest_first = len(numbers) < _LISTED_FIRST or not _ascend(numbers)
        return [
            told,
            _found("job numbers", JOB_NUMBER.fullmatch(number) is not None, f"a job has {names}"),
            _found(
                "commands",
                has,
                f"a lost submit can be looked up by `{wire.command_field}`" if has else f"a job has {names}",
                "CAMBER_COMMAND_FIELD: the one that holds the command; without one, lost submits wait 15 minutes",
            ),
            _found("order", newest_first, f"{len(data)} jobs, {'the newest' if newest_first else 'the oldest'} first"),
        ]

    async def _one(self) -> Finding:
        if not self._jobs:
            return Finding("one job", "open", "there is no job yet")
        number = first_of(self._jobs[0], self._wire.id_fields)
        job = await self._transport.get(str(number))
        status = str(first_of(job or {}, self._wire.status_fields))
        known = status.upper() in STATES
        return _found("one job", known, f"it is {status}" if known else "its status is none that we know; report it")

    async def _logs(self) -> Finding:
        wire = self._wire
        ended = [job for job in self._jobs if str(first_of(job, wire.status_fields)) in {"COMPLETED", "FAILED"}]
        if not ended:
            return Finding("logs of a job", "open", "no job has ended yet")
        number = str(first_of(ended[0], wire.id_fields))
        answer = await self._transport.ask("GET", wire.path_logs.replace("{id}", number))
        return _told("logs of a job", answer, "logs are there", "CAMBER_PATH_LOGS")

    async def _fields(self) -> list[Finding]:
        """Compare the fields of a new job with those that validation errors name."""
        wire = self._wire
        empty = await self._ask_to_refuse({})
        if empty.status == _NOT_FOUND:
            return [Finding("new job", "differs", "there is no such route", "CAMBER_PATH_JOBS")]
        if empty.code != VALIDATION_CODE:
            return [Finding("new job", "open", f"an empty job was answered by {empty.status}, code {empty.code}")]
        wanted = set(filter(None, empty.wrong_fields().removeprefix(": ").split(", ")))
        findings = [Finding("new job", "verified", f"it is refused when it is empty; it wants {_listed(wanted)}")]
        unknown = wanted - set(wire.create_fields.values())
        for ours, name in wire.create_fields.items():
            answer = await self._ask_to_refuse({name: {}})
            known = name in wanted or f"field={name}" in answer.text
            findings.append(
                Finding(f"create: {ours}", "verified" if known else "open", f"`{name}`")
                if known or not unknown
                else Finding(
                    f"create: {ours}",
                    "differs",
                    f"`{name}` is not known, and {_listed(unknown)} is wanted",
                    f"CAMBER_CREATE_FIELDS: {ours}={'|'.join(sorted(unknown))}",
                )
            )
        return findings

    async def _ask_to_refuse(self, body: Mapping[str, object]) -> CamberAnswer:
        return await self._transport.ask("POST", self._wire.path_jobs, body)

    async def _run(self) -> AsyncIterator[Finding]:
        """Run a job that does not exist: its launcher finds no dispatch object, logs `abandoned` and exits with 66."""
        service = CamberService("", "", config=self._config, wire=self._wire, transport=self._transport)
        job_id, payload = str(uuid.uuid4()), {"user_id": str(uuid.uuid4()), "attempt": 1}
        try:
            number = await service.submit_job(job_id, payload)
        except CamberError as error:
            yield Finding("new job", "differs", str(error), "CAMBER_CREATE_FIELDS, CAMBER_STASH_PATH, CAMBER_ENGINE")
            return
        yield Finding("new job", "verified", f"job {number} was taken")
        found = await service.find_job(job_id, 1)
        yield _found("look-up", found == number, "it is found by its command" if found else "it is not in the list")
        told, ends_at = await service.get_job_status(number), time.monotonic() + RUN_S
        while not told["terminal"] and time.monotonic() < ends_at:
            await self._pause(_POLL_EVERY_S)
            told = await service.get_job_status(number)
        said = f"it is {told['raw_status']}, from {told['started_at']} to {told['finished_at']}"
        yield Finding("run", "verified" if told["terminal"] else "open", said)
        log = await service.job_logs(number, tail_lines=50)
        began = '"abandoned"' in log or '"launch"' in log
        yield _found(
            "launcher",
            began,
            "the launcher ran" if began else f"the launcher wrote no log; see `camber job logs {number}`",
            "CAMBER_PROGRAM, CAMBER_STASH_PATH: what starts the launcher, and where it was uploaded",
        )


def names_of_the_wire() -> list[dict[str, Any]]:
    """Every name with its evidence, for the report."""
    return [asdict(name) for name in NAMES]


def _told(step: str, answer: CamberAnswer, good: str, variable: str) -> Finding:
    try:
        answer.data()
    except CamberError as error:
        return Finding(step, "differs", str(error), variable)
    return Finding(step, "verified", good)


def _found(step: str, is_so: bool, said: str, advice: str = "") -> Finding:
    return Finding(step, "verified" if is_so else "differs", said, "" if is_so else advice)


def _ascend(numbers: Sequence[str]) -> bool:
    return all(number.isdecimal() for number in numbers) and int(numbers[0]) < int(numbers[-1])


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing that it names"
