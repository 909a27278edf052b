"""The local executor as the cloud sees it: a process of its own, in whose launchers' place a stub can stand.

The stub runs until a test gives it an exit code, so that nothing here depends on time.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rythmiq.adapters.local_executor import LocalExecutor
from rythmiq.ports import ExecutorState, Order
from tests.support.launch_run import until
from tests.support.worker_run import FAULTS, ROOT

TIMEOUT_S = 10.0


def new_order(attempt: int = 1) -> Order:
    """An order that nobody has given before."""
    return Order(str(uuid.uuid4()), str(uuid.uuid4()), attempt)


@dataclass(slots=True)
class RunningExecutor:
    """A local executor that can be killed and started again on the same data.

    Attributes:
        folder: where its data, its stubs' gates and its fault plan are.
        options: of its command line.
        environ: its environment.
        with_stub: whether a stub stands in the launcher's place.
    """

    folder: Path
    options: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    with_stub: bool = True
    process: "subprocess.Popen[str] | None" = None
    url: str = ""

    @property
    def executor(self) -> LocalExecutor:
        """The adapter that talks to it."""
        return LocalExecutor(self.url, cancel="--cancel" in self.options)

    @property
    def gates(self) -> Path:
        """Where the stubs wait."""
        return self.folder / "gates"

    def start(self) -> None:
        """Start it, and return when it is ready."""
        self.gates.mkdir(exist_ok=True)
        stub = ["--program", sys.executable, str(FAULTS / "launcher_stub.py"), str(self.gates)]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "rythmiq_cli.local.executor"),
                *("--data-dir", str(self.folder / "data"), "--faults", str(self.folder / "plan.json")),
                *self.options,
                *(stub if self.with_stub else ()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **self.environ},
        )
        if self.process.stdout is None:
            raise AssertionError("it is a pipe")
        self.url = json.loads(self.process.stdout.readline())["url"]

    def kill(self) -> None:
        """End it as the kernel does, with no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process.communicate()
        self.process = None
        return code

    def plan(self, *faults: Mapping[str, object]) -> None:
        """Plan faults; the ones before are forgotten."""
        partial = self.folder / "plan.partial"
        partial.write_text(json.dumps(faults), encoding="utf-8")
        partial.replace(self.folder / "plan.json")

    def submit(self, order: Order) -> str:
        """Give an order."""
        return self.executor.submit(order, timeout_s=TIMEOUT_S)

    def state(self, reference: str) -> ExecutorState:
        """Where an order stands."""
        return self.executor.status(reference, timeout_s=TIMEOUT_S)

    def until(self, reference: str, state: ExecutorState) -> None:
        """Return once an order stands there."""
        until(lambda: self.state(reference) == state)

    def stubs(self, order: Order) -> list[int]:
        """The processes that stand in for an order's launcher, ready to be ended."""
        return [int(gate.suffix[1:]) for gate in self.gates.glob(f"{order.job_id}-{order.attempt}.*")]

    def until_started(self, *orders: Order) -> None:
        """Return once each order's stub stands ready."""
        until(lambda: all(self.stubs(order) for order in orders))

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let an order's launcher end."""
        self.until_started(order)
        for gate in self.gates.glob(f"{order.job_id}-{order.attempt}.*"):
            gate.write_text(str(exit_code), encoding="ascii")

    def log(self, reference: str, lines: int = 100) -> str:
        """What an order's launcher wrote."""
        return self.executor.logs(reference, tail_lines=lines, timeout_s=TIMEOUT_S)

    def entry(self, reference: str) -> dict[str, object]:
        """What the executor's journal holds of an order."""
        document = json.loads((self.folder / "data" / "jobs" / f"{reference}.json").read_text(encoding="utf-8"))
        assert isinstance(document, dict)
        return document


@contextlib.contextmanager
def running_executor(
    folder: Path, *options: str, environ: Mapping[str, str] | None = None, with_stub: bool = True
) -> Iterator[RunningExecutor]:
    """A local executor while the context lasts; everything it started ends with it."""
    running = RunningExecutor(folder, ("--grace-s", "5", *options), dict(environ or {}), with_stub)
    running.start()
    try:
        yield running
    finally:
        if running.process is None:
            running.start()  # to end what a killed one left
        running.stop()
