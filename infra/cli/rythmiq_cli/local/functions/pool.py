"""The functions of the local cloud: from which code they run, and how many instances of each.

A function has as many instances as calls at once need, one call at a time each. As on the platform, an instance is
started on demand, paused 150 ms after its last call, and ended when it was idle for long; one that was killed is
replaced. Calls wait for whichever instance is free first; only a few start at once, so that a burst is served by warm
instances instead of waiting behind twenty cold starts.

Source: digitalocean-labs/functions-invoker; limits of DigitalOcean Functions (120 concurrent calls a namespace).
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

import httpx

from rythmiq.contracts.problems import ProblemCode
from rythmiq_cli import bundles
from rythmiq_cli.local import CloudError, CloudUsageError
from rythmiq_cli.local.environment import function_environ
from rythmiq_cli.local.functions import (
    INIT_TIMEOUT_S,
    FunctionError,
    FunctionNotInitializedError,
    FunctionProcess,
)
from rythmiq_cli.local.tether import Tether
from rythmiq_cli.operator.env_check import FUNCTIONS

PAUSE_AFTER_S = 0.15
IDLE_FOR_S = 60.0
MAX_INSTANCES = 32
STARTS_AT_ONCE = 2
RETRY_AFTER_S = 2.0
SOURCES = Path(__file__).parents[5] / "functions"
_PLATFORM = (3, 11)
_ANSWERS_AT_ONCE = 2
_ANSWERED_WITHIN_S = 120.0
_PAUSE_S = 0.2
_DEFECTS = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY})
_MOST_DEFECTS = 3


class PoolBusyError(FunctionError):
    """No instance became free in time."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function as it is deployed: where its code is, what it sees, how long a call may take."""

    package: str
    name: str
    target: Path
    environ: Mapping[str, str]
    timeout_s: float = 10.0

    @property
    def path(self) -> str:
        """`{package}/{function}`."""
        return f"{self.package}/{self.name}"


@dataclass(slots=True)
class _Idle:
    process: FunctionProcess
    since_s: float
    paused: bool = False


class FunctionPool:
    """The instances of one function.

    Args:
        function: what runs.
        tether: ends the instances should this process be killed.
        logs: where they write.
        now_s: the clock; tests turn it.
    """

    def __init__(
        self,
        function: Function,
        tether: Tether,
        *,
        logs: int | IO[Any] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.function = function
        self._tether = tether
        self._logs = logs
        self._now_s = now_s
        self._changed = threading.Condition()
        self._idle: list[_Idle] = []
        self._busy: set[FunctionProcess] = set()
        self._starting = 0
        self._failed_starts = 0
        self._failed_at_s = -RETRY_AFTER_S
        self._used = False
        self._waiting = 0
        self._closed = False

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Call the function once, on an instance of its own.

        Raises:
            FunctionError: one of its kinds.
        """
        process = self._take()
        try:
            result = process.invoke(event, self.function.timeout_s)
        except BaseException:
            self._drop(process)
            raise
        with self._changed:
            self._busy.discard(process)
            if not self._closed:
                self._idle.append(_Idle(process, self._now_s()))
                self._changed.notify()
        return result

    def maintain(self) -> None:
        """Pause and end idle instances, and start one when all were killed; to be called a few times a second."""
        now_s = self._now_s()
        with self._changed:
            dead = [idle for idle in self._idle if not idle.process.alive]
            old = [idle for idle in self._idle[:-1] if idle not in dead and now_s - idle.since_s > IDLE_FOR_S]
            self._idle = [idle for idle in self._idle if idle not in dead and idle not in old]
            for idle in self._idle:
                if not idle.paused and now_s - idle.since_s > PAUSE_AFTER_S:
                    idle.process.pause()
                    idle.paused = True
            if self._used and not self._count() and now_s - self._failed_at_s > RETRY_AFTER_S:
                self._start()
        for idle in [*dead, *old]:
            self._end(idle.process)

    def close(self) -> None:
        """End every instance, also those in mid-call."""
        with self._changed:
            self._closed = True
            idle = [idle.process for idle in self._idle]
            self._idle.clear()
            for process in self._busy:
                process.abort()
            self._changed.notify_all()
        for process in idle:
            self._end(process)

    def _take(self) -> FunctionProcess:
        patience_s = max(INIT_TIMEOUT_S, self.function.timeout_s)
        ends_at_s = self._now_s() + patience_s
        with self._changed:
            failed_before = self._failed_starts
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        raise PoolBusyError(f"{self.function.path} is being stopped")
                    while self._idle:
                        idle = self._idle.pop()
                        if idle.process.alive:
                            if idle.paused:
                                idle.process.resume()
                            self._busy.add(idle.process)
                            return idle.process
                        self._end(idle.process)
                    if self._failed_starts > failed_before:
                        raise FunctionNotInitializedError(f"{self.function.path} did not initialize properly")
                    if self._starting < min(self._waiting, STARTS_AT_ONCE) and self._count() < MAX_INSTANCES:
                        self._start()
                    if not self._changed.wait(max(0.0, ends_at_s - self._now_s())):
                        raise PoolBusyError(f"{self.function.path}: no instance became free in {patience_s:g} s")
            finally:
                self._waiting -= 1

    def _count(self) -> int:
        return len(self._idle) + len(self._busy) + self._starting

    def _start(self) -> None:
        """Start an instance beside; the lock is held."""
        self._used = True
        self._starting += 1
        threading.Thread(target=self._started, name=f"start {self.function.path}", daemon=True).start()

    def _started(self) -> None:
        process = None
        try:
            process = FunctionProcess(
                self.function.target,
                self.function.package,
                self.function.name,
                self.function.environ,
                logs=self._logs,
                init_timeout_s=max(INIT_TIMEOUT_S, self.function.timeout_s),
                on_start=self._tether.hold,
            )
        except (FunctionError, OSError):
            process = None
        with self._changed:
            self._starting -= 1
            if process is None:
                self._failed_starts += 1
                self._failed_at_s = self._now_s()
            elif not self._closed:
                self._idle.append(_Idle(process, self._now_s()))
                process = None
            self._changed.notify_all()
        if process is not None:
            self._end(process)

    def _drop(self, process: FunctionProcess) -> None:
        with self._changed:
            self._busy.discard(process)
            self._changed.notify()
        self._end(process)

    def _end(self, process: FunctionProcess) -> None:
        process.kill()
        self._tether.let_go(process.pid)


def functions_of(directory: Path, values: Mapping[str, str]) -> Iterator[Function]:
    """Every function of a directory of `{package}/{function}`, each with the variables that it reads.

    Raises:
        CloudUsageError: one is missing.
    """
    for path, deployed in FUNCTIONS.items():
        package, name = path.split("/")
        target = directory / package / name
        if not (target / "__main__.py").is_file():
            raise CloudUsageError(f"the function {path} is not here: run this in a clone of the repository")
        yield Function(package, name, target, function_environ(path, values), deployed.timeout_s)


def unpacked_bundles(place: Path) -> Path:
    """Build and unpack every bundle; the directory of them all.

    Raises:
        CloudUsageError: this interpreter cannot run them; BundleError: they cannot be built.
    """
    if sys.version_info[:2] != _PLATFORM:
        raise CloudUsageError("bundles hold packages for Python 3.11, the platform's; run them with that version")
    shutil.rmtree(place, ignore_errors=True)
    project = bundles.stage(bundles.ROOT, place / "project")
    for bundle in bundles.build_bundles(project, place / "zips", postgres=True):
        bundles.unpack(bundle, place / "functions")
    for made in ("project", "zips"):
        shutil.rmtree(place / made)
    return place / "functions"


def first_answers(base_url: str, values: Mapping[str, str]) -> None:
    """Ask every function until it has answered once; a machine that is busy may need several tries.

    Raises:
        CloudError: one does not answer, or is not configured; its log names the variables.
    """
    shown = {"Authorization": f"Bearer {values['METRICS_TOKEN']}"}
    ends_at_s = time.monotonic() + _ANSWERED_WITHIN_S
    with (
        httpx.Client(base_url=base_url, headers=shown, timeout=80, trust_env=False) as client,
        ThreadPoolExecutor(_ANSWERS_AT_ONCE) as threads,
    ):
        for _ in threads.map(lambda path: _first_answer(client, path, ends_at_s), FUNCTIONS):
            pass


def _first_answer(client: httpx.Client, path: str, ends_at_s: float) -> None:
    tries = 0
    while (answer := client.get(f"/{path}")).status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        tries += 1
        said = answer.json()
        if said.get("code") == ProblemCode.NOT_CONFIGURED:
            raise CloudError(f"{path} is not configured: `not_configured` in the cloud's log names the variables")
        hopeless = answer.status_code in _DEFECTS and tries >= _MOST_DEFECTS
        if hopeless or time.monotonic() > ends_at_s:
            raise CloudError(f"{path}: {said.get('detail') or said.get('error') or answer.reason_phrase}")
        time.sleep(_PAUSE_S)
