"""The executor that takes every job and starts nothing."""

from rythmiq.adapters.local_executor import HoldExecutor
from rythmiq.ports import Executor, Order

JOB = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"


def test_it_knows_what_it_took_though_it_keeps_nothing() -> None:
    executor: Executor = HoldExecutor()
    reference = executor.submit(Order(JOB, JOB, 2), timeout_s=1)
    assert HoldExecutor().find(JOB, 2, timeout_s=1) == reference
    assert HoldExecutor().status(reference, timeout_s=1) == "running"
    assert HoldExecutor().cancel(reference, timeout_s=1)


def test_it_knows_nothing_of_another_executors_jobs() -> None:
    assert HoldExecutor().status("42", timeout_s=1) == "unknown"
    assert not HoldExecutor().cancel("42", timeout_s=1)


def test_nothing_ran_so_nothing_was_written() -> None:
    executor = HoldExecutor()
    assert executor.logs(executor.submit(Order(JOB, JOB, 1), timeout_s=1), tail_lines=9, timeout_s=1) == ""
    assert (executor.name, executor.capabilities.logs) == ("hold", False)
