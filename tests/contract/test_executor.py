"""One suite for every executor: what the use cases rely on when they start an attempt (`ports.Executor`)."""

import uuid
from collections.abc import Iterator

import pytest

from rythmiq.ports import ExecutorRejectedError, ExecutorState, ExecutorUnclearError, Order
from tests.support.executor_rigs import (
    NOBODY,
    ExecutorRig,
    FakeRig,
    LocalRig,
    MemoryRig,
    camber_over_http,
    kubernetes_at,
    kubernetes_config,
)
from tests.support.executor_run import new_order, running_executor
from tests.support.fake_camber import FakeCamber
from tests.support.kubernetes_stub import KubernetesStub
from tests.support.launch_run import until

TIMEOUT_S = 10.0
UNKNOWN = ["1", "999999999", "", "nonsense", "../jobs", "25001/logs", "-1", "²"]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExecutorRig]:
    """The local executor with two slots."""
    with running_executor(tmp_path_factory.mktemp("executor"), "--slots", "2") as running:
        yield LocalRig(running)


@pytest.fixture
def memory() -> ExecutorRig:
    """The shipped fake."""
    return MemoryRig()


@pytest.fixture
def camber_http() -> Iterator[ExecutorRig]:
    """Camber over HTTP."""
    fake = FakeCamber()
    with fake.serve() as url:
        yield FakeRig(camber_over_http(url), camber_over_http(NOBODY), fake.runs)


@pytest.fixture
def kubernetes() -> Iterator[ExecutorRig]:
    """A cluster."""
    stub = KubernetesStub()
    with stub.serve() as url:
        terms = kubernetes_config(url)
        yield FakeRig(kubernetes_at(terms), kubernetes_at(terms, api_url=NOBODY), stub.runs)


@pytest.fixture(params=["local", "memory", "camber_http", "kubernetes"])
def rig(request: pytest.FixtureRequest) -> ExecutorRig:
    """Each executor in turn."""
    found: ExecutorRig = request.getfixturevalue(request.param)
    return found


def submitted(rig: ExecutorRig, order: Order) -> str:
    return rig.executor.submit(order, timeout_s=TIMEOUT_S)


def state(rig: ExecutorRig, reference: str) -> ExecutorState:
    return rig.executor.status(reference, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(("exit_code", "end"), [(0, "succeeded"), (75, "failed")])
def test_an_order_is_taken_runs_and_ends_by_its_launchers_exit_code(rig: ExecutorRig, exit_code: int, end: str) -> None:
    order = new_order()
    reference = submitted(rig, order)
    assert reference
    assert state(rig, reference) in {"pending", "running"}
    rig.until_started(order)
    until(lambda: state(rig, reference) == "running")
    rig.finish(order, exit_code)
    until(lambda: state(rig, reference) == end)


def test_the_launcher_is_told_user_job_and_attempt_and_nothing_else(rig: ExecutorRig) -> None:
    order = new_order(attempt=2)
    reference = submitted(rig, order)
    rig.finish(order)
    until(lambda: state(rig, reference) == "succeeded")
    log = rig.executor.logs(reference, tail_lines=100, timeout_s=TIMEOUT_S)
    if not rig.executor.capabilities.logs:
        assert log == ""
        return
    assert f'"words": ["{order.user_id}", "{order.job_id}", "2"]' in log


def test_orders_beyond_what_runs_at_once_wait_and_start_in_their_order(rig: ExecutorRig) -> None:
    orders = [new_order() for _ in range(4)]
    references = [submitted(rig, order) for order in orders]
    rig.until_started(*orders[:2])
    assert [state(rig, reference) for reference in references[2:]] == ["pending", "pending"]
    rig.finish(orders[1])
    rig.until_started(orders[2])
    assert state(rig, references[3]) == "pending"
    for order in (orders[0], orders[2], orders[3]):
        rig.finish(order)
    until(lambda: {state(rig, reference) for reference in references} == {"succeeded"})


def test_an_attempt_is_found_by_its_job_and_number_while_it_runs_and_afterwards(rig: ExecutorRig) -> None:
    """What an ambiguous submit is reconciled by."""
    first, second = new_order(), new_order()
    second = Order(first.user_id, first.job_id, 2)
    assert rig.executor.find(first.job_id, 1, timeout_s=TIMEOUT_S) is None
    references = [submitted(rig, first), submitted(rig, second)]
    found = [rig.executor.find(order.job_id, order.attempt, timeout_s=TIMEOUT_S) for order in (first, second)]
    assert found == references
    assert rig.executor.find(first.job_id, 3, timeout_s=TIMEOUT_S) is None
    assert rig.executor.find(str(uuid.uuid4()), 1, timeout_s=TIMEOUT_S) is None
    for order in (first, second):
        rig.finish(order)
    until(lambda: state(rig, references[0]) == "succeeded")
    assert rig.executor.find(first.job_id, 1, timeout_s=TIMEOUT_S) == references[0]


def test_an_order_given_twice_runs_as_often_as_the_executor_says(rig: ExecutorRig) -> None:
    """Once where submit is idempotent; else twice, and the use cases look before they repeat."""
    order = new_order()
    references = {submitted(rig, order), submitted(rig, order)}
    expected = 1 if rig.executor.capabilities.idempotent_submit else 2
    assert len(references) == expected
    until(lambda: rig.starts(order) == expected)
    rig.finish(order)
    until(lambda: {state(rig, reference) for reference in references} == {"succeeded"})


@pytest.mark.parametrize("reference", UNKNOWN)
def test_a_reference_that_the_executor_never_gave_is_unknown(rig: ExecutorRig, reference: str) -> None:
    """Whatever stands in the database."""
    assert state(rig, reference) == "unknown"
    assert rig.executor.cancel(reference, timeout_s=TIMEOUT_S) is False
    assert rig.executor.logs(reference, tail_lines=10, timeout_s=TIMEOUT_S) == ""


def test_an_order_is_stopped_where_the_executor_says_that_it_can(rig: ExecutorRig) -> None:
    """And goes on where it says that it cannot."""
    order = new_order()
    reference = submitted(rig, order)
    rig.until_started(order)
    until(lambda: state(rig, reference) == "running")
    can = rig.executor.capabilities.cancel
    assert rig.executor.cancel(reference, timeout_s=TIMEOUT_S) is can
    if not can:
        rig.finish(order)
    until(lambda: state(rig, reference) == ("cancelled" if can else "succeeded"))


def test_logs_are_cut_to_the_last_lines(rig: ExecutorRig) -> None:
    order = new_order()
    reference = submitted(rig, order)
    rig.finish(order)
    until(lambda: state(rig, reference) == "succeeded")
    last = '{"event": "exit", "exit_code": 0}\n' if rig.executor.capabilities.logs else ""
    assert rig.executor.logs(reference, tail_lines=1, timeout_s=TIMEOUT_S) == last
    assert rig.executor.logs(reference, tail_lines=0, timeout_s=TIMEOUT_S) == ""


@pytest.mark.parametrize("order", [Order("somebody", str(uuid.uuid4()), 1), Order(str(uuid.uuid4()), "$(id)", 1)])
def test_an_order_that_is_none_is_rejected_for_good(rig: ExecutorRig, order: Order) -> None:
    with pytest.raises(ExecutorRejectedError):
        submitted(rig, order)


def test_an_executor_that_is_not_there_leaves_everything_open(rig: ExecutorRig) -> None:
    """Nobody knows: neither a rejection nor an answer."""
    reference = submitted(rig, new_order())
    with pytest.raises(ExecutorUnclearError):
        rig.absent.submit(new_order(), timeout_s=TIMEOUT_S)
    with pytest.raises(ExecutorUnclearError):
        rig.absent.status(reference, timeout_s=TIMEOUT_S)
    with pytest.raises(ExecutorUnclearError):
        rig.absent.find(str(uuid.uuid4()), 1, timeout_s=TIMEOUT_S)


def test_an_executor_goes_by_the_name_that_the_database_knows(rig: ExecutorRig) -> None:
    assert rig.executor.name in {"local", "camber", "kubernetes"}
