"""The parts of a world in which everything goes wrong: a database, a store and an executor that fail on order.

Every call that a use case makes outside passes a gate, before and after. A trap springs at a gate: it kills the
function there (as SIGKILL does, no handler runs), or lets something else happen in the middle of it. So whatever can
interleave with a call or end it is tried without threads, and a run can be repeated.
"""

import contextlib
import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.contracts.attempt import WebhookBody
from rythmiq.contracts.keys import OutputKey, RawKey, parse_key
from rythmiq.ports import DatabaseUnavailableError, ExecutorRejectedError, ExecutorState, ExecutorUnclearError, Order
from rythmiq.ports.database import Caller
from tests.support.memory import Execution, FixedClock, MemoryExecutor, MemoryStore

CLOCK = """
create or replace function public.instant() returns timestamptz language sql stable set search_path = ''
as $$ select pg_catalog.current_setting('test.now')::timestamptz $$
"""
"""The database's clock is what each call says."""

Submit = Literal["accept", "reject", "drop_request", "drop_reply", "duplicate", "early"]
"""What becomes of a submit. `duplicate` starts two launchers; `early` runs one to its end before it answers."""
DatabaseFault = Literal["refuse", "lose", "pass"]
"""What becomes of a call: `refuse` fails before its effect, `lose` after it."""
Phase = Literal["queued", "running", "worked", "stored", "ended"]


class KilledError(BaseException):
    """The function was killed; no `except Exception` of it runs."""


class Gate:
    """Where a trap springs: at the nth call that is made outside, before or after it."""

    def __init__(self) -> None:
        self.sprung = 0
        self.left = 0
        self._at: str | None = None
        self._trap: Callable[[], object] | None = None

    def arm(self, gates: int, trap: Callable[[], object], *, at: str | None = None) -> None:
        """Spring after so many gates, or so many of the one that is named."""
        self.left, self._trap, self._at = gates, trap, at

    def disarm(self) -> Callable[[], object] | None:
        """Whatever was armed is not; what it was."""
        trap, self._trap = self._trap, None
        return trap

    def passed(self, where: str) -> None:
        """A call outside begins or ends here: `before` or `after` its name."""
        if self._trap is None or self._at not in {None, where}:
            return
        self.left -= 1
        if self.left <= 0:
            trap, self._trap = self._trap, None
            self.sprung += 1
            trap()


def killed() -> None:
    """The trap that kills."""
    raise KilledError


class FaultyTransport(PostgresTransport):
    """Postgres on the world's clock; a call may fail before its effect, or lose its answer after it.

    Args:
        url: of the database.
        clock: the world's.
        gate: what every call passes.
        on_answer: sees each answer, also those that are lost.
    """

    def __init__(
        self, url: str, clock: FixedClock, gate: Gate, on_answer: Callable[[str, Mapping[str, object], Any], None]
    ) -> None:
        super().__init__(url)
        self._clock, self._gate, self._on_answer = clock, gate, on_answer
        self.faults: deque[DatabaseFault] = deque()

    def plan(self, fault: DatabaseFault, *, after: int = 0, times: int = 1) -> None:
        """Have so many calls fail, after so many that do not."""
        self.faults.extend(["pass"] * after)
        self.faults.extend([fault] * times)

    def call(self, function: str, arguments: Mapping[str, object], caller: Caller | None = None) -> Any:
        """Call, or fail as planned."""
        self._gate.passed(f"before {function}")
        fault = self.faults.popleft() if self.faults else "pass"
        if fault == "refuse":
            raise DatabaseUnavailableError("planned")
        answer = super().call(function, arguments, caller)
        self._on_answer(function, arguments, answer)
        if fault == "lose":
            raise DatabaseUnavailableError("planned")
        self._gate.passed(f"after {function}")
        return answer

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Keep what is planned for later."""
        faults, self.faults = self.faults, deque()
        trap = self._gate.disarm()
        yield
        self.faults = faults
        if trap is not None:
            self._gate.arm(self._gate.left, trap)

    def _message(self, pgconn: Any, function: str, arguments: Mapping[str, object], caller: Caller | None) -> bytes:
        now = self._clock.now().isoformat().encode()
        return b"set test.now = '%s'; " % now + super()._message(pgconn, function, arguments, caller)


class GatedStore(MemoryStore):
    """The store behind the gate. Workers go past it: they touch `objects`."""

    def __init__(self, clock: FixedClock, gate: Gate) -> None:
        super().__init__(clock)
        self._gate = gate

    @contextlib.contextmanager
    def _call(self, call: Any, key: str, timeout_s: float | None) -> Iterator[None]:
        what = f"{call} {_what_stands_at(key)}"
        self._gate.passed(f"before {what}")
        with super()._call(call, key, timeout_s):
            yield
        self._gate.passed(f"after {what}")


def _what_stands_at(key: str) -> str:
    """`document`, `output` and so on; `dispatch` and `upload` below raw/, `master`."""
    parsed = parse_key(key)
    if isinstance(parsed, OutputKey):
        return parsed.artifact
    if isinstance(parsed, RawKey):
        return "upload" if parsed.attempt is None else "dispatch"
    return "master"


@dataclass
class Launch:
    """One run of the launcher, as far as it has come.

    Attributes:
        document: what it read at its start.
        body: what it has to report.
        tries: of its webhook.
        hangs: it will not move by itself any more.
    """

    execution: Execution
    phase: Phase = "queued"
    dispatch: Any = None
    body: WebhookBody | None = None
    tries: int = 0
    hangs: bool = False

    @property
    def order(self) -> Order:
        """What it was told."""
        return self.execution.order


@dataclass
class Known:
    """What an executor keeps of an execution: it may forget it."""

    execution: Execution
    launches: list[Launch] = field(default_factory=list)
    forgotten: bool = False


class FaultyExecutor(MemoryExecutor):
    """An executor that does what Camber might.

    Args:
        gate: what every call passes.
        on_submit: sees each order as it is taken.
        on_early: told of a launch that is to end before the submit returns.
        cancels: whether it can stop an execution.
    """

    def __init__(
        self, gate: Gate, on_submit: Callable[[Order], None], on_early: Callable[[Launch], None], *, cancels: bool
    ) -> None:
        super().__init__(cancel=cancels)
        self._gate, self._on_submit, self._on_early = gate, on_submit, on_early
        self.submits: deque[Submit] = deque()
        self.known: list[Known] = []

    @property
    def launches(self) -> list[Launch]:
        """All launches there ever were."""
        return [launch for known in self.known for launch in known.launches]

    def submit(self, order: Order, *, timeout_s: float) -> str:
        """Take an order, or do as planned."""
        self._gate.passed("before submit")
        self._answers(timeout_s)
        outcome: Submit = self.submits.popleft() if self.submits else "accept"
        if outcome == "reject":
            raise ExecutorRejectedError("planned")
        if outcome == "drop_request":
            raise ExecutorUnclearError("planned")
        self._on_submit(order)
        execution = Execution(str(len(self.executions) + 1), order)
        self.executions.append(execution)
        known = Known(execution, [Launch(execution) for _ in range(2 if outcome == "duplicate" else 1)])
        self.known.append(known)
        if outcome == "early":
            self._on_early(known.launches[0])
        if outcome == "drop_reply":
            raise ExecutorUnclearError("planned")
        self._gate.passed("after submit")
        return execution.reference

    def status(self, reference: str, *, timeout_s: float) -> ExecutorState:
        """Where an execution stands."""
        self._gate.passed("before status")
        self._answers(timeout_s)
        return next((k.execution.state for k in self._remembered() if k.execution.reference == reference), "unknown")

    def find(self, job_id: str, attempt: int, *, timeout_s: float) -> str | None:
        """The first execution of an attempt."""
        self._gate.passed("before find")
        self._answers(timeout_s)
        return next((known.execution.reference for known in self._of(job_id, attempt)), None)

    def cancel(self, reference: str, *, timeout_s: float) -> bool:
        """Stop an execution, its launchers with it."""
        self._gate.passed("before cancel")
        done = super().cancel(reference, timeout_s=timeout_s)
        for launch in self.launches if done else ():
            if launch.execution.reference == reference:
                launch.phase = "ended"
        return done

    def knows(self, order: Order) -> bool:
        """Whether it would find an attempt."""
        return bool(self._of(order.job_id, order.attempt))

    def _remembered(self) -> list[Known]:
        return [known for known in self.known if not known.forgotten]

    def _of(self, job_id: str, attempt: int) -> list[Known]:
        wanted = (job_id, attempt)
        return [k for k in self._remembered() if (k.execution.order.job_id, k.execution.order.attempt) == wanted]


class WorldClock(FixedClock):
    """Time passes when the world says so; two things never happen at the same instant."""

    def now(self) -> dt.datetime:
        """The present instant, a millisecond after it was last asked for."""
        self.sleep(0.001)
        return super().now()
