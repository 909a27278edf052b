"""Local executors, with stubs or with launchers in them, and a job to order."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.ports import Order as Ordered
from tests.support.executor_run import RunningExecutor, running_executor
from tests.support.launch_run import KEYS, WEBHOOK_SECRET, Order
from tests.support.webhook_receiver import Receiver
from tests.support.worker_run import Job, environ_for
from tests.support.worker_uploads import blank


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningExecutor]:
    """An executor with stubs in the launchers' place."""
    with running_executor(tmp_path) as executor:
        yield executor


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExecutor]:
    """An executor for all that give it nothing to do."""
    with running_executor(tmp_path_factory.mktemp("idle")) as executor:
        yield executor


@pytest.fixture
def real(store: SpacesStore, tmp_path: Path) -> Iterator[RunningExecutor]:
    """An executor with launchers."""
    folder = tmp_path / "executor"
    folder.mkdir()
    environ = {
        **environ_for(store.config),
        "DISPATCH_KEYS": KEYS,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SUPABASE_SERVICE_ROLE_KEY": "not-for-launchers",
    }
    with running_executor(folder, environ=environ, with_stub=False) as executor:
        yield executor


@pytest.fixture
def order(store: SpacesStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A sealed job that succeeds, its dispatch object in place."""
    order = Order(Job(store), receiver, tmp_path)
    order.upload(blank(300))
    order.put()
    return order


def ordered(order: Order) -> Ordered:
    return Ordered(order.job.user_id, order.job.job_id, order.attempt)


def pid_of(running: RunningExecutor, reference: str) -> int:
    process = running.entry(reference)["process"]
    assert isinstance(process, dict)
    return int(process["pid"])
