"""The faults that a test plans for the local executor, each as it was planned."""

import sys

import pytest

from rythmiq.ports import ExecutorRejectedError, ExecutorUnclearError
from tests.support.executor_run import TIMEOUT_S, RunningExecutor, new_order
from tests.support.launch_run import until
from tests.support.local_executor_rig import order, running

__all__ = ["order", "running"]


def test_a_dropped_reply_leaves_an_order_that_can_be_found(running: RunningExecutor) -> None:
    order = new_order()
    running.plan({"job_id": order.job_id, "drop_reply": True})
    with pytest.raises(ExecutorUnclearError):
        running.submit(order)
    assert running.executor.find(order.job_id, 1, timeout_s=TIMEOUT_S) is not None
    running.finish(order)


def test_a_dropped_order_cannot_be_found(running: RunningExecutor) -> None:
    order = new_order()
    running.plan({"drop_order": True})
    with pytest.raises(ExecutorUnclearError):
        running.submit(order)
    assert running.executor.find(order.job_id, 1, timeout_s=TIMEOUT_S) is None


def test_a_rejection_is_for_good(running: RunningExecutor) -> None:
    running.plan({"reject": True})
    with pytest.raises(ExecutorRejectedError):
        running.submit(new_order())


def test_a_duplicate_runs_under_two_numbers(running: RunningExecutor) -> None:
    order = new_order()
    running.plan({"duplicate": True})
    reference = running.submit(order)
    until(lambda: len(running.stubs(order)) == 2)
    assert running.executor.find(order.job_id, 1, timeout_s=TIMEOUT_S) == reference
    running.finish(order)
    running.until(reference, "succeeded")


def test_a_held_order_waits_until_the_plan_lets_it_go_and_others_overtake_it(running: RunningExecutor) -> None:
    """A start an hour late, when everybody has given up on it."""
    held, other = new_order(), new_order()
    running.plan({"job_id": held.job_id, "attempt": 1, "hold": True})
    references = [running.submit(order) for order in (held, other)]
    running.finish(other)
    running.until(references[1], "succeeded")
    assert running.state(references[0]) == "pending"
    running.plan()
    running.finish(held)
    running.until(references[0], "succeeded")


def test_a_stuck_order_is_cancelled_without_having_started(running: RunningExecutor) -> None:
    order = new_order()
    running.plan({"hold": True})
    reference = running.submit(order)
    running.plan({"cancel": True})
    running.until(reference, "cancelled")
    assert running.stubs(order) == []


def test_a_late_reply_comes_after_the_end(running: RunningExecutor) -> None:
    """So that a webhook can be there before submit returns."""
    order = new_order()
    running.plan({"late_reply": True, "program": [sys.executable, "-c", "pass"]})
    assert running.state(running.submit(order)) == "succeeded"
