"""What the fakes of Camber and of Kubernetes pretend to run: launchers that end when a test says so.

Two run at once; what is given beyond that waits, in its order. Nothing here depends on time.
"""

import json
import threading
from dataclasses import dataclass, field
from typing import Literal

from rythmiq.ports import Order


@dataclass
class FakeRun:
    """One start of a launcher, as its executor would see it.

    Attributes:
        words: user, job and attempt.
        state: where it stands.
        told: the exit code it is to end with as soon as it runs; None while it goes on.
        held: it never gets a slot, as Camber was seen to do.
    """

    words: tuple[str, ...]
    state: Literal["waiting", "running", "ended", "cancelled"] = "waiting"
    told: int | None = None
    held: bool = False

    @property
    def log(self) -> str:
        """What it wrote, STDOUT and STDERR in one."""
        lines: list[dict[str, object]] = []
        if self.state in {"running", "ended"}:
            lines.append({"event": "launch", "words": list(self.words)})
        if self.state == "ended":
            lines.append({"event": "exit", "exit_code": self.told})
        return "".join(f"{json.dumps(line)}\n" for line in lines)


@dataclass
class FakeRuns:
    """All of them."""

    slots: int | None = 2
    runs: list[FakeRun] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def add(self, words: tuple[str, ...], *, held: bool = False) -> FakeRun:
        """Take one; it runs at once if there is room."""
        with self.lock:
            run = FakeRun(words, held=held)
            self.runs.append(run)
            self._pump()
            return run

    def of(self, order: Order) -> list[FakeRun]:
        """Those of an attempt."""
        words = (order.user_id, order.job_id, str(order.attempt))
        return [run for run in self.runs if run.words == words]

    def running(self, order: Order) -> int:
        """How many of an attempt run."""
        with self.lock:
            return sum(run.state == "running" for run in self.of(order))

    def finish(self, order: Order, exit_code: int = 0) -> None:
        """Let those of an attempt end, as soon as they run."""
        with self.lock:
            for run in self.of(order):
                run.told = exit_code if run.told is None else run.told
            self._pump()

    def cancel(self, run: FakeRun) -> None:
        """Stop one, or keep it from starting."""
        with self.lock:
            if run.state in {"waiting", "running"}:
                run.state = "cancelled"
            self._pump()

    def release(self, run: FakeRun) -> None:
        """Let one that was held start after all, however late."""
        with self.lock:
            run.held = False
            self._pump()

    def _pump(self) -> None:
        """Let those that were told end, and those that wait start, until nothing moves."""
        while True:
            for run in self.runs:
                if run.state == "running" and run.told is not None:
                    run.state = "ended"
            waiting = [run for run in self.runs if run.state == "waiting" and not run.held]
            busy = sum(run.state == "running" for run in self.runs)
            if not waiting or (self.slots is not None and busy >= self.slots):
                return
            waiting[0].state = "running"
