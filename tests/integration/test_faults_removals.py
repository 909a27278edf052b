"""What a job that failed or was deleted leaves in the store is removed, whatever comes late."""

from tests.support.fault_ends import GONE_S, clear_up, masters_without_a_document
from tests.support.fault_start import fault_database, start, store_never_takes_the_zip, world
from tests.support.fault_world import DOWN, World
from tests.support.memory import Fault

__all__ = ["fault_database", "world"]


def test_the_master_of_a_job_that_failed_is_removed_by_a_tick(world: World) -> None:
    """The worker stored everything, and nobody could make a ZIP of it."""
    store_never_takes_the_zip(world)
    assert len(masters_without_a_document(world)) == 1
    world.advance(3_500)
    world.tick()
    assert len(masters_without_a_document(world)) == 1
    world.advance(200)
    world.tick()
    assert not masters_without_a_document(world)


def test_what_a_second_launcher_writes_after_a_failure_is_removed_too(world: World) -> None:
    """It started before the dispatch object was removed, and ended after the first removal."""
    world.machine.submits.append("duplicate")
    start(world)
    first, second = world.machine.launches
    for launch in (first, second):
        world.step(launch)
    world.step(first, "no_image")
    world.run_to_end(first)
    assert second.phase == "running"
    world.advance(GONE_S)
    world.tick()
    world.run_to_end(second)
    assert len(masters_without_a_document(world)) == 1
    world.advance(GONE_S)
    world.tick()
    assert not masters_without_a_document(world)
    assert world.sql("select job_id from public.removals join public.jobs on id = job_id") == []


def test_a_late_start_of_a_job_that_failed_finds_nothing(world: World) -> None:
    world.machine.submits.append("duplicate")
    start(world)
    first, second = world.machine.launches
    world.step(first)
    world.step(first, "no_image")
    world.run_to_end(first)
    world.advance(GONE_S)
    world.tick()
    world.step(second)
    assert (second.phase, second.execution.state) == ("ended", "succeeded")
    assert second.dispatch is None


def test_what_a_launcher_writes_after_the_owner_deleted_the_job_is_removed(world: World) -> None:
    """It had started before."""
    world.machine.submits.append("duplicate")
    start(world)
    first, second = world.machine.launches
    world.step(second)
    world.run_to_end(first)
    world.delete(world.wishes[0])
    assert not [key for key in world.store.objects if first.order.job_id in key]
    world.run_to_end(second)
    assert masters_without_a_document(world)
    clear_up(world)
    assert world.store.objects == {}


def test_a_removal_that_the_store_refuses_is_repeated(world: World) -> None:
    store_never_takes_the_zip(world)
    world.store.plan(Fault("delete", DOWN, key_part="master/"))
    world.advance(GONE_S)
    world.tick()
    assert masters_without_a_document(world)
    world.advance(601)
    world.tick()
    assert not masters_without_a_document(world)
