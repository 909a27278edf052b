"""Every fault of docs/specification/executors.md alone: the job ends once, with one ZIP and one charge at most."""

from collections.abc import Callable

import pytest

from tests.support.fault_ends import check
from tests.support.fault_parts import killed
from tests.support.fault_start import fault_database, start, store_never_takes_the_zip, world
from tests.support.fault_world import DOWN, World
from tests.support.memory import Fault
from tests.support.service_rig import LEASE_S, User

__all__ = ["fault_database", "world"]


def lost_reply(world: World) -> None:
    world.machine.submits.append("drop_reply")
    start(world)
    world.advance(31)
    world.tick()
    assert len(world.machine.executions) == 1


def lost_request(world: World) -> None:
    world.machine.submits.append("drop_request")
    world.wish(User())


def duplicate_start(world: World) -> None:
    world.machine.submits.append("duplicate")
    start(world, "running", "worked", "stored")
    first, second = world.machine.launches
    for launch in (first, second, first, second):
        if launch.phase != "ended":
            world.step(launch)


def late_start(world: World) -> None:
    launch = start(world)
    world.advance(901)
    world.tick()
    world.advance(31)
    world.tick()
    launch.execution.state = "pending"
    launch.phase = "queued"
    world.run_to_end(launch)


def stuck_then_cancelled(world: World) -> None:
    launch = start(world, "running")
    world.step(launch, "hang")
    world.advance(1_300)
    world.tick()
    assert launch.execution.state == "cancelled"


def cancelled_by_the_executor_and_running_on(world: World) -> None:
    launch = start(world, "running")
    launch.execution.state = "cancelled"
    world.advance(LEASE_S + 1)
    world.tick()
    world.run_to_end(launch)


def crash_before_the_result(world: World) -> None:
    world.step(start(world, "running", "worked"), "crash")


def crash_after_the_result(world: World) -> None:
    world.step(start(world, "running", "worked", "stored"), "crash")


def webhook_lost(world: World) -> None:
    launch = start(world, "running", "worked", "stored")
    while launch.phase != "ended":
        world.step(launch, post="lose")


def webhook_lost_and_no_result_either(world: World) -> None:
    launch = start(world, "running", "worked")
    world.step(launch, "store_down")
    while launch.phase != "ended":
        world.step(launch, post="lose")


def webhook_answer_lost(world: World) -> None:
    launch = start(world, "running", "worked", "stored")
    world.step(launch, post="lose_answer")
    world.run_to_end(launch)


def webhook_duplicated(world: World) -> None:
    launch = start(world, "running", "worked", "stored", "ended")
    assert launch.body is not None
    for _ in range(5):
        assert world.deliver(launch.body) == 200


def webhook_duplicated_while_it_is_settled(world: World) -> None:
    """At every call that the settlement makes outside."""
    came: list[int | None] = []
    for gates in range(1, 16):
        launch = start(world, "running", "worked", "stored")
        body = launch.body
        assert body is not None
        world.gate.arm(gates, lambda body=body: came.append(world.deliver(body)))  # type: ignore[misc]  # a default binds it
        world.step(launch)
        world.run_to_end(launch)
    assert {200, 409} <= set(came)


def webhooks_out_of_order(world: World) -> None:
    """The first attempt's report comes when the second has been started, and again at the end."""
    launch = start(world, "running", "worked")
    late = launch.body
    assert late is not None
    world.step(launch, "crash")
    world.advance(LEASE_S + 1)
    world.tick()
    world.advance(31)
    world.tick()
    second = world.machine.launches[-1]
    assert second.order.attempt == 2
    world.deliver(late)
    world.run_to_end(second)
    world.deliver(late)


def webhook_before_the_submit_returns(world: World) -> None:
    world.machine.submits.append("early")
    world.wish(User())
    assert world.machine.launches[0].phase == "ended"


def garbage_on_stdout(world: World) -> None:
    world.step(start(world, "running"), "garbage")


def silence(world: World) -> None:
    world.step(start(world, "running"), "silence")


def out_of_memory(world: World) -> None:
    world.step(start(world, "running"), "killed")


def hang(world: World) -> None:
    world.step(start(world, "running"), "hang")


def hang_before_it_starts(world: World) -> None:
    world.step(start(world), "hang")


def always_out_of_memory(world: World) -> None:
    start(world)
    for _ in range(40):
        for launch in world.machine.launches:
            if launch.phase == "running":
                world.step(launch, "killed")
            elif launch.phase != "ended":
                world.step(launch)
        world.advance(61)
        world.tick()
    [(status, attempt)] = world.sql("select status, attempt from public.jobs")
    assert (status, attempt) == ("failed", 3)


def upload_fails(world: World) -> None:
    world.step(start(world, "running"), "upload_failed")


def no_image(world: World) -> None:
    world.step(start(world, "running"), "no_image")


def database_restarts_before_the_dispatch(world: World) -> None:
    world.faulty.plan("refuse", after=1, times=2)
    world.wish(User())


def database_restarts_in_a_settlement(world: World) -> None:
    launch = start(world, "running", "worked", "stored")
    world.faulty.plan("refuse", after=1, times=2)
    world.step(launch)


def database_loses_an_answer(world: World) -> None:
    """Each of the first calls of a job's life in turn."""
    for lost in range(4):
        world.faulty.plan("lose", after=lost)
        world.wish(User())
        world.faulty.faults.clear()
    for lost in range(2):
        launch = start(world, "running", "worked", "stored")
        world.faulty.plan("lose", after=lost)
        world.step(launch)
        world.faulty.faults.clear()


def store_refuses_the_dispatch(world: World) -> None:
    world.store.plan(Fault("upload", DOWN, key_part="dispatch-a1"))
    world.wish(User())


def store_takes_the_dispatch_and_does_not_say_so(world: World) -> None:
    world.store.plan(Fault("upload", DOWN, key_part="dispatch-a1", after=True))
    world.wish(User())


def store_refuses_the_zip(world: World) -> None:
    world.store.plan(Fault("upload", DOWN, key_part="_output.zip", times=2))
    world.run_to_end(start(world, "running", "worked", "stored"))


def store_keeps_the_fence(world: World) -> None:
    """The dispatch object cannot be removed: then there is no next attempt, and a late start may go on."""
    launch = start(world, "running")
    launch.execution.state = "failed"
    world.store.plan(Fault("delete", DOWN, key_part="dispatch-a1"))
    world.advance(LEASE_S + 1)
    world.tick()
    world.run_to_end(launch)


def executor_is_silent(world: World) -> None:
    start(world, "running")
    world.machine.silent = True
    world.advance(LEASE_S + 1)
    world.tick()


def executor_is_silent_for_minutes(world: World) -> None:
    """A key that is refused, say, until an operator mends it: the attempt goes on."""
    launch = start(world, "running")
    world.machine.silent = True
    for _ in range(2):
        world.advance(LEASE_S + 1)
        world.tick()
    world.machine.silent = False
    assert world.sql("select status, attempt from public.jobs") == [("processing", 1)]
    world.run_to_end(launch)
    assert world.sql("select status from public.jobs") == [("completed",)]


def executor_is_silent_for_hours(world: World) -> None:
    """No job waits forever: three attempts of fifteen minutes each, and the credit goes back."""
    start(world, "running")
    world.machine.silent = True
    while world.sql("select status from public.jobs") == [("processing",)]:
        world.advance(LEASE_S + 1)
        world.tick()
    assert world.sql("select status, attempt from public.jobs") == [("failed", 3)]
    world.machine.silent = False


def executor_forgets(world: World) -> None:
    launch = start(world, "running")
    world.machine.known[0].forgotten = True
    world.advance(LEASE_S + 1)
    world.tick()
    world.run_to_end(launch)


def executor_refuses(world: World) -> None:
    world.machine.submits.append("reject")
    world.wish(User())


def delete_is_broken_off(world: World) -> None:
    """The store fails in the middle of a DELETE: it is answered 503, and its repeat removes the rest."""
    launch = start(world, "running", "worked", "stored", "ended")
    world.store.plan(Fault("delete", DOWN, key_part="preview"))
    world.delete(world.wishes[0])
    assert not world.wishes[0].deleted
    assert [key for key in world.store.objects if launch.order.job_id in key]


FAULTS: dict[str, Callable[[World], None]] = {
    "the reply to a submit is dropped": lost_reply,
    "the submit itself is dropped": lost_request,
    "it is started twice": duplicate_start,
    "it starts late, after it was abandoned": late_start,
    "it is stuck, then cancelled": stuck_then_cancelled,
    "the executor cancels it, and it runs on": cancelled_by_the_executor_and_running_on,
    "it crashes before the result": crash_before_the_result,
    "it crashes after the result and before the webhook": crash_after_the_result,
    "the webhook is lost": webhook_lost,
    "webhook and result are lost": webhook_lost_and_no_result_either,
    "the webhook's answer is lost": webhook_answer_lost,
    "the webhook is duplicated": webhook_duplicated,
    "the webhook is duplicated while it is settled": webhook_duplicated_while_it_is_settled,
    "webhooks are out of order": webhooks_out_of_order,
    "the webhook comes before the submit returns": webhook_before_the_submit_returns,
    "garbage on STDOUT": garbage_on_stdout,
    "silence": silence,
    "the worker is killed for its memory": out_of_memory,
    "the worker is killed for its memory each time": always_out_of_memory,
    "it hangs": hang,
    "it hangs before it starts": hang_before_it_starts,
    "an artifact cannot be stored": upload_fails,
    "the picture is none": no_image,
    "the database restarts before the dispatch": database_restarts_before_the_dispatch,
    "the database restarts in a settlement": database_restarts_in_a_settlement,
    "the database loses an answer": database_loses_an_answer,
    "the store refuses the dispatch": store_refuses_the_dispatch,
    "the store takes the dispatch and does not say so": store_takes_the_dispatch_and_does_not_say_so,
    "the store refuses the ZIP": store_refuses_the_zip,
    "the store never takes the ZIP": store_never_takes_the_zip,
    "the store keeps the fence": store_keeps_the_fence,
    "the executor is silent": executor_is_silent,
    "the executor is silent for minutes": executor_is_silent_for_minutes,
    "the executor is silent for hours": executor_is_silent_for_hours,
    "the executor forgets": executor_forgets,
    "the executor refuses": executor_refuses,
    "a DELETE is broken off by the store": delete_is_broken_off,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_job_ends_once_when(world: World, fault: str) -> None:
    FAULTS[fault](world)
    world.heal()
    check(world)


def test_a_settlement_that_is_killed_at_any_call_settles_later_and_once(world: World) -> None:
    """SIGKILL before and after each call that a webhook makes outside."""
    for gates in range(1, 24):
        launch = start(world, "running", "worked", "stored")
        world.gate.arm(gates, killed)
        world.step(launch)
    world.heal()
    check(world)
    assert {status for (status,) in world.sql("select status from public.jobs")} == {"completed"}


def test_a_create_that_is_killed_at_any_call_makes_one_job(world: World) -> None:
    """The client repeats it; the executor is given each attempt once."""
    for gates in range(1, 14):
        world.gate.arm(gates, killed)
        world.wish(User())
    world.heal()
    check(world)
    assert len(world.machine.executions) == len(world.wishes)


def test_a_tick_that_is_killed_at_any_call_is_made_good_by_another(world: World) -> None:
    for gates in range(1, 20):
        world.step(start(world, "running"), "crash")
        world.advance(LEASE_S + 1)
        world.gate.arm(gates, killed)
        world.tick()
    world.heal()
    check(world)
