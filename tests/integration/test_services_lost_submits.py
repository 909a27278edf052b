"""A submit or its answer is lost, or comes late: the attempt is started once, by the tick against a real database."""

import pytest

from rythmiq.ports import Order
from rythmiq.ports.database import Capacity
from tests.support.memory import Fault
from tests.support.reconciling import DOWN, code, set_state, status, tick_after
from tests.support.service_rig import LEASE_S, Rig, User


def test_a_submit_whose_reply_was_lost_is_found_and_not_repeated(rig: Rig, user: User) -> None:
    """The executor's reference is kept, and there is one execution."""
    rig.executor.plan("drop_reply")
    accepted = rig.create(user)
    assert rig.row(accepted.job_id)["executor_ref"] is None
    set_state(rig, accepted.job_id, "running")
    tick_after(rig, 31)
    assert rig.row(accepted.job_id)["executor_ref"] == "1"
    assert len(rig.executor.executions) == 1


def test_a_submit_that_never_arrived_is_repeated_for_the_same_attempt(rig: Rig, user: User) -> None:
    """Half a minute later, and only because the executor knows nothing of it."""
    rig.executor.plan("drop_request")
    accepted = rig.create(user)
    tick_after(rig, 31)
    assert [execution.order for execution in rig.executor.executions] == [rig.order(accepted.job_id)]
    assert status(rig, accepted.job_id) == ("processing", 1)


def test_a_dispatch_object_that_could_not_be_stored_is_stored_by_the_next_tick(rig: Rig, user: User) -> None:
    """Ten seconds later; the launcher then finds it."""
    rig.store.plan(Fault("upload", DOWN, key_part="dispatch-a1"))
    accepted = rig.create(user)
    assert tick_after(rig, 11).reconciled == 1
    assert len(rig.executor.executions) == 1
    assert rig.webhooks.receive(rig.work(accepted.job_id)) == "completed"


def test_a_job_that_was_started_and_never_dispatched_is_dispatched_past_its_lease(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function was killed right after the commit."""
    with monkeypatch.context() as patched:
        patched.setattr(rig.loop, "follow", lambda _: None)
        accepted = rig.create(user)
    assert rig.executor.executions == []
    tick_after(rig)
    assert len(rig.executor.of(accepted.job_id)) == 1


def test_an_executor_that_is_silent_is_not_submitted_to_again(rig: Rig, user: User) -> None:
    """Whether the first submit was taken nobody can say now: look first, submit later."""
    rig.executor.plan("drop_reply")
    accepted = rig.create(user)
    rig.executor.silent = True
    tick_after(rig, 31)
    rig.executor.silent = False
    set_state(rig, accepted.job_id, "running")
    tick_after(rig, 61)
    assert len(rig.executor.executions) == 1


def test_a_submit_that_is_refused_on_the_second_try_fails_the_job(rig: Rig, user: User) -> None:
    """With a refund."""
    rig.executor.plan("drop_request", "reject")
    accepted = rig.create(user)
    tick_after(rig, 31)
    assert (status(rig, accepted.job_id), code(rig, accepted.job_id)) == (("failed", 1), "EXECUTOR_REJECTED")


def test_a_webhook_may_come_before_the_submit_returns(rig: Rig, user: User) -> None:
    """The executor's word is then of no more use."""
    came: list[str] = []

    def worker(order: Order) -> None:
        came.append(rig.webhooks.receive(rig.work(order.job_id)))

    rig.executor = type(rig.executor)(on_start=worker)
    rig.build()
    accepted = rig.create(user)
    assert came == ["completed"]
    assert status(rig, accepted.job_id) == ("completed", 1)
    assert rig.row(accepted.job_id)["executor_ref"] is None


def test_replies_may_be_lost_and_every_job_runs_once(rig: Rig, user: User) -> None:
    """Forty jobs, a fifth of the replies dropped: forty executions."""
    rig.initial_credits, rig.max_active_jobs = 40, 40
    rig.capacity = Capacity(max_inflight=40, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    for number in range(40):
        rig.executor.plan("drop_reply" if number % 5 == 0 else "accept")
        rig.create(user)
    for execution in rig.executor.executions:
        execution.state = "running"
    for _ in range(4):
        tick_after(rig, 61)
    assert len({execution.order.job_id for execution in rig.executor.executions}) == 40
    assert len(rig.executor.executions) == 40
