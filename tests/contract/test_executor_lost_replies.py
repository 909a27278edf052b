"""A thousand attempts, of whose requests every fifth loses its reply: a thousand executions, each known by its number.

Dispatcher and reconciler are the real ones; the database is a list of who has a number and who has not.
"""

import datetime as dt
import random
import uuid
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import pytest

from rythmiq.adapters.camber.executor import CamberExecutor
from rythmiq.contracts.payload import StorageReference
from rythmiq.ports import Executor
from rythmiq.ports.database import Capacity, Database
from rythmiq.ports.jobs import OverdueJob, TickWork
from rythmiq.services import Backends
from rythmiq.services.dispatch import DispatchConfig, Dispatcher
from rythmiq.services.reconcile import ReconcilePolicy, Reconciler, WorkLoop
from rythmiq.services.settle import Settlement
from tests.support.executor_rigs import camber_in_process, kubernetes_at, kubernetes_config
from tests.support.fake_camber import FakeCamber
from tests.support.fake_camber import Plan as CamberPlan
from tests.support.fake_runs import FakeRuns
from tests.support.kubernetes_stub import KubernetesStub
from tests.support.kubernetes_stub import Plan as KubernetesPlan
from tests.support.memory import FixedClock, MemoryExecutor, MemoryStore

JOBS, LOST, SEED = 1_000, 0.2, 20261123
AT = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
CAPACITY = Capacity(max_inflight=JOBS)


class Dice(deque[Any]):
    """A plan without an end: of every five requests about one goes as planned."""

    def __init__(self, *faults: CamberPlan | KubernetesPlan) -> None:
        super().__init__(faults)
        self._random = random.Random(SEED)  # noqa: S311  chance, not a secret
        self.lost = 0

    def popleft(self) -> object:
        """What becomes of the next request."""
        if self._random.random() >= LOST:
            return "answer"
        self.lost += 1
        return self._random.choice(self)


class Attempts:
    """The part of `ports.Database` that a tick touches; whoever has no number is overdue."""

    def __init__(self, jobs: int) -> None:
        ids = random.Random(SEED)  # noqa: S311  chance, not a secret
        self.waiting = deque(_job(ids) for _ in range(jobs))
        self.references: dict[str, str] = {}

    def jobs_tick(self, capacity: Capacity) -> TickWork:
        """Hand out whoever is next, and the same one again after a few others."""
        del capacity
        while self.waiting:
            job = self.waiting.popleft()
            if job.job_id not in self.references:
                self.waiting.insert(min(7, len(self.waiting)), job)
                return TickWork(overdue=job)
        return TickWork()

    def job_submitted(self, job_id: str, attempt: int, *, executor: str, executor_ref: str) -> bool:
        """Keep a number."""
        assert (attempt, bool(executor)) == (1, True)
        assert self.references.setdefault(job_id, executor_ref) == executor_ref
        return True

    def job_extend(self, job_id: str, attempt: int, *, lease_s: int) -> bool:
        """Nothing is late here."""
        del job_id, attempt, lease_s
        return True


def _job(ids: random.Random) -> OverdueJob:
    def new() -> str:
        return str(uuid.UUID(int=ids.getrandbits(128), version=4))

    return OverdueJob(
        job_id=new(),
        user_id=new(),
        attempt=1,
        document_id=new(),
        created_at=AT,
        dispatched_at=AT,
        portal="neet-2026",
        slot="photo",
        portal_version="1",
        portal_name="NEET",
        schema_definition={},
        raw_path=None,
        artifact_url="https://files.test/a.jpg",
        mime_type=None,
        original_filename=None,
        options={},
        kid=None,
        wrapped_key=None,
        executor=None,
        executor_ref=None,
        started_at=AT,
        submitted_at=None,
    )


def dispatched(executor: Executor, jobs: int = JOBS) -> Attempts:
    """Tick until everybody has a number."""
    attempts, clock = Attempts(jobs), FixedClock(AT)
    database = cast("Database", attempts)
    backends = Backends(database, MemoryStore(clock), None, None, clock)
    storage = StorageReference(bucket="b", region="r", endpoint="https://store.test")
    dispatcher = Dispatcher(backends, executor, DispatchConfig(storage, "https://api.test/hook", 16 * "x", CAPACITY))
    reconciler = Reconciler(
        backends,
        executor,
        dispatcher=dispatcher,
        settlement=Settlement(backends, CAPACITY),
        policy=ReconcilePolicy(CAPACITY),
    )
    WorkLoop(backends, dispatcher=dispatcher, reconciler=reconciler, capacity=CAPACITY).tick(most=3 * jobs)
    assert not attempts.waiting
    return attempts


@pytest.fixture
def camber() -> tuple[FakeCamber, Dice]:
    """Camber, which now and then loses an answer in one of four ways."""
    dice = Dice("accept_then_drop", "accept_then_timeout", "accept_then_502", "no_id")
    return FakeCamber(FakeRuns(slots=None), dice), dice


@pytest.fixture
def kubernetes() -> Iterator[tuple[KubernetesStub, Dice, str]]:
    """A cluster that hangs up now and then."""
    dice = Dice("accept_then_drop")
    stub = KubernetesStub(FakeRuns(slots=None), dice, validates=False)
    with stub.serve() as url:
        yield stub, dice, url


def test_camber_executes_each_attempt_once(camber: tuple[FakeCamber, Dice]) -> None:
    fake, dice = camber
    attempts = dispatched(camber_in_process(fake))
    assert dice.lost > JOBS * LOST
    assert len(fake.runs.runs) == len({run.words for run in fake.runs.runs}) == JOBS
    shown = {job.command.split()[2]: str(number) for number, job in fake.jobs.items()}
    assert attempts.references == shown


def test_without_the_look_up_camber_would_execute_many_twice(
    camber: tuple[FakeCamber, Dice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above would say of a reconciler that only repeats."""
    monkeypatch.setattr(CamberExecutor, "find", lambda *_, **__: None)
    fake, _ = camber
    dispatched(camber_in_process(fake), 200)
    assert len(fake.runs.runs) > 200 * 1.15


def test_kubernetes_executes_each_attempt_once(kubernetes: tuple[KubernetesStub, Dice, str]) -> None:
    stub, dice, url = kubernetes
    attempts = dispatched(kubernetes_at(kubernetes_config(url)), 250)
    assert dice.lost > 250 * LOST
    assert len(stub.runs.runs) == 250
    assert set(attempts.references.values()) == set(stub.jobs)


def test_the_executor_in_memory_executes_each_attempt_once() -> None:
    chance = random.Random(SEED)  # noqa: S311  chance, not a secret
    executor = MemoryExecutor(("drop_reply" if chance.random() < LOST else "accept") for _ in range(2 * JOBS))
    attempts = dispatched(executor)
    assert len(executor.executions) == len(attempts.references) == JOBS
