"""What the executor suite needs of each executor: the adapter, and a hand on what it starts."""

from dataclasses import replace
from typing import Protocol

from rythmiq.adapters.camber import HttpTransport, JobConfig, Wire
from rythmiq.adapters.camber.executor import CamberExecutor, CamberService
from rythmiq.adapters.kubernetes import KubernetesConfig, KubernetesExecutor
from rythmiq.adapters.local_executor import LocalExecutor
from rythmiq.ports import Executor, Order
from tests.support.executor_run import RunningExecutor
from tests.support.fake_camber import KEY, PATH, FakeCamber
from tests.support.fake_runs import FakeRuns
from tests.support.kubernetes_stub import TOKEN
from tests.support.memory import MemoryExecutor

NOBODY = "http://127.0.0.1:9"
IMAGE = "registry.example/rythmiq@sha256:" + 64 * "0"
TERMS = JobConfig(path=PATH)
WIRE = Wire()


class ExecutorRig(Protocol):
    """An executor whose launchers end when the suite says so.

    A rig runs two launchers at once; what is given beyond that waits.
    """

    @property
    def executor(self) -> Executor:
        """The adapter under test."""

    @property
    def absent(self) -> Executor:
        """The same adapter, talking to nobody."""

    def until_started(self, *orders: Order) -> None:
        """Return once each order's launcher runs."""

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let the launchers of an order end."""

    def starts(self, order: Order) -> int:
        """How many launchers of an order run."""


class LocalRig:
    """The local executor in a process of its own."""

    def __init__(self, running: RunningExecutor) -> None:
        self._running = running

    @property
    def executor(self) -> Executor:
        """The adapter under test."""
        return self._running.executor

    @property
    def absent(self) -> Executor:
        """Nothing listens on that port."""
        return LocalExecutor(NOBODY)

    def until_started(self, *orders: Order) -> None:
        """Each stub stands ready."""
        self._running.until_started(*orders)

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let an order's stubs end."""
        self._running.finish(order, exit_code)

    def starts(self, order: Order) -> int:
        """How many stubs of an order stand."""
        return len(self._running.stubs(order))


class FakeRig:
    """An adapter over one of the fakes, which start what has room at once."""

    def __init__(self, executor: Executor, absent: Executor, runs: FakeRuns) -> None:
        self.executor, self.absent, self._runs = executor, absent, runs

    def until_started(self, *orders: Order) -> None:
        """They do already."""
        assert all(self._runs.running(order) for order in orders)

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let an order's launchers end."""
        self._runs.finish(order, exit_code)

    def starts(self, order: Order) -> int:
        """How many of them run."""
        return self._runs.running(order)


class MemoryRig:
    """The executor in memory, whose executions go as far as this takes them."""

    def __init__(self) -> None:
        self.executor = MemoryExecutor()
        self.absent = MemoryExecutor()
        self.absent.silent = True

    def until_started(self, *orders: Order) -> None:
        """Let what has room run."""
        self._pump()
        assert all(self.starts(order) for order in orders)

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let them end, and the next ones run."""
        self._pump()
        for execution in self.executor.of(order.job_id):
            if execution.order == order:
                execution.state = "failed" if exit_code else "succeeded"
        self._pump()

    def starts(self, order: Order) -> int:
        """How many run."""
        self._pump()
        return sum(execution.order == order and execution.state == "running" for execution in self.executor.executions)

    def _pump(self) -> None:
        executions = self.executor.executions
        for execution in executions:
            if execution.state == "pending" and sum(other.state == "running" for other in executions) < 2:
                execution.state = "running"


def camber_over_http(url: str) -> CamberExecutor:
    """Over a socket."""
    return CamberExecutor(CamberService(url, KEY, config=TERMS))


def camber_in_process(fake: FakeCamber, *, key: str = KEY, wire: Wire = WIRE) -> CamberExecutor:
    """Without one."""
    transport = HttpTransport("https://camber.test/api/cli", key, config=TERMS, wire=wire, http=fake.http)
    return CamberExecutor(CamberService("", "", config=TERMS, wire=wire, transport=transport))


def kubernetes_config(url: str, *, token: str = TOKEN, authorities: str | None = None) -> KubernetesConfig:
    """What the stub knows."""
    return KubernetesConfig(api_url=url, token=token, image=IMAGE, authorities=authorities)


def kubernetes_at(terms: KubernetesConfig, **changed: str) -> KubernetesExecutor:
    """An executor of a cluster."""
    return KubernetesExecutor(replace(terms, **changed))  # type: ignore[arg-type]  # the fields named here are strings
