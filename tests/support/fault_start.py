"""One job in a world of faults, and a store that never takes its ZIP."""

from collections.abc import Iterator

import pytest

from tests.support.fault_parts import Launch
from tests.support.fault_world import DOWN, World, set_clock
from tests.support.memory import Fault
from tests.support.postgres_fixture import PostgresForTests
from tests.support.service_rig import User


@pytest.fixture(scope="module")
def fault_database(postgres: PostgresForTests) -> Iterator[tuple[str, str]]:
    """One database on the worlds' clock: its owner's URL, and its superuser's."""
    with postgres.database() as url:
        superuser_url = postgres.superuser_url(url.rsplit("/", 1)[1])
        set_clock(superuser_url)
        yield url, superuser_url


@pytest.fixture
def world(fault_database: tuple[str, str]) -> Iterator[World]:
    """A world in which nothing has happened."""
    made = World(*fault_database, max_inflight=64, cancels=True)
    yield made
    made.close()


def start(world: World, *phases: str) -> Launch:
    """A job whose launcher has come so far."""
    world.wish(User())
    launch = world.machine.launches[-1]
    for phase in phases:
        world.step(launch)
        assert launch.phase == phase
    return launch


def store_never_takes_the_zip(world: World) -> None:
    world.store.plan(Fault("upload", DOWN, key_part="_output.zip", times=3))
    world.run_to_end(start(world, "running", "worked", "stored"))
    assert world.sql("select status from public.jobs") == [("failed",)]
