"""Many at once: a thousand submits with lost replies, five thousand webhooks in disorder, a burst on few places."""

import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.database_invariants import broken_invariants
from tests.support.fault_ends import check
from tests.support.fault_world import World, set_clock
from tests.support.postgres_fixture import PostgresForTests
from tests.support.service_rig import User

SUBMITS, DROPPED = 1_000, 0.2
DELIVERED_JOBS, DELIVERIES = 100, 5_000


@pytest.fixture(scope="module")
def fault_database(postgres: PostgresForTests) -> Iterator[tuple[str, str]]:
    """One database on the worlds' clock: its owner's URL, and its superuser's."""
    with postgres.database() as url:
        superuser_url = postgres.superuser_url(url.rsplit("/", 1)[1])
        set_clock(superuser_url)
        yield url, superuser_url


@pytest.mark.explores
def test_a_thousand_submits_with_a_fifth_of_the_replies_lost_are_a_thousand_executions(
    fault_database: tuple[str, str],
) -> None:
    world = World(*fault_database, max_inflight=SUBMITS)
    dice = random.Random(6)  # noqa: S311  a fixed seed is the point
    try:
        for number in range(SUBMITS):
            if number % 10 == 0:
                user = User()
            world.machine.submits.append("drop_reply" if dice.random() < DROPPED else "accept")
            world.wish(user)
        unknown = world.sql("select count(*) from public.jobs where executor_ref is null")[0][0]
        assert 150 < unknown < 250
        for execution in world.machine.executions:
            execution.state = "running"
        world.advance(61)
        for _ in range(unknown // 40 + 1):
            world.tick()
        assert world.sql("select count(*) from public.jobs where executor_ref is null") == [(0,)]
        assert len(world.machine.executions) == SUBMITS
        assert len({execution.order.job_id for execution in world.machine.executions}) == SUBMITS
    finally:
        world.close()


@pytest.mark.explores
def test_five_thousand_deliveries_in_random_order_make_no_transition_twice(fault_database: tuple[str, str]) -> None:
    """Successes and failures of a hundred jobs, first attempts and second ones, each fifty times, shuffled."""
    world = World(*fault_database, max_inflight=DELIVERED_JOBS)
    world.capacity = type(world.capacity)(max_inflight=DELIVERED_JOBS, lease_s=100_000, max_attempts=3)
    world.build()
    dice = random.Random(7)  # noqa: S311  a fixed seed is the point
    try:
        letters = []
        for number in range(DELIVERED_JOBS):
            if number % 10 == 0:
                user = User()
            world.wish(user)
            launch = world.machine.launches[-1]
            world.step(launch)
            world.step(launch, ("no_image", "killed", None, None)[number % 4])
            letters.append(launch.body)
        shuffled = letters * (DELIVERIES // DELIVERED_JOBS)
        dice.shuffle(shuffled)
        answers = Counter(world.deliver(letter) for letter in shuffled if letter is not None)
        assert answers == {200: DELIVERIES}
        transitions = dict(world.sql("select label, value from public.counters where name = 'jobs_ended'"))
        assert transitions == {"completed": 50, "failed": 25}
        assert world.sql("select count(*) from public.credit_ledger where kind in ('settle', 'refund')") == [(75,)]
        assert world.sql("select attempt, count(*) from public.jobs group by 1 order by 1") == [(1, 75), (2, 25)]
        assert not broken_invariants(world.admin)
    finally:
        world.close()


@settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    jobs=st.lists(st.integers(0, 4), min_size=1, max_size=24),
    room=st.integers(1, 4),
    dice=st.randoms(use_true_random=False),
)
def test_a_burst_never_floods_the_executor_and_leaves_nobody_waiting_for_another(
    fault_database: tuple[str, str], jobs: list[int], room: int, dice: random.Random
) -> None:
    """Whoever asks how often, and in whatever order jobs end; fairness is watched at every start."""
    world = World(*fault_database, max_inflight=room)
    users = [User() for _ in range(5)]
    try:
        for number in jobs:
            world.wish(users[number])
        given_n = min(room, len(jobs))
        assert len(world.machine.executions) == given_n
        while running := [launch for launch in world.machine.launches if launch.phase != "ended"]:
            assert len(running) <= room
            world.run_to_end(dice.choice(running))
        assert len(world.machine.executions) == len(jobs)
        check(world)
    finally:
        world.close()
