"""Faults in random combinations: hypothesis plays fate in a `fault_world.World`; whatever it does, jobs end once.

The seeds are fixed, so that CI tries the same runs each time; `make test-long` tries ten times as many.
"""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.support.fault_ends import check
from tests.support.fault_parts import killed
from tests.support.fault_world import DOWN, World, set_clock
from tests.support.memory import Fault
from tests.support.postgres_fixture import PostgresForTests
from tests.support.service_rig import User

SEEDS = range(4)
RUNS_A_SEED, LONG_RUNS_A_SEED = 50, 500
STEPS = 24
MOST_JOBS = 5

some = st.integers(0, 11)
"""Which one of those there are, modulo."""
gates = st.integers(1, 12)


class Fate(RuleBasedStateMachine):
    """One run: what happens, in which order."""

    database: ClassVar[tuple[str, str]]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(*self.database, max_inflight=2)
        self.users = [User(), User(), User()]

    # --- clients ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.wishes) < MOST_JOBS)
    @rule(who=st.integers(0, 2))
    def create(self, who: int) -> None:
        self.world.wish(self.users[who])

    @precondition(lambda self: self.world.wishes)
    @rule(which=some)
    def create_again(self, which: int) -> None:
        self.world.ask(self._one(self.world.wishes, which))

    @precondition(lambda self: self.world.wishes)
    @rule(which=some)
    def get(self, which: int) -> None:
        self.world.look(self._one(self.world.wishes, which))

    @precondition(lambda self: self.world.wishes)
    @rule(which=some)
    def delete(self, which: int) -> None:
        self.world.delete(self._one(self.world.wishes, which))

    # --- time ---------------------------------------------------------------------------------------------------------

    @rule()
    def tick(self) -> None:
        self.world.tick()

    @rule(seconds=st.sampled_from([1, 11, 31, 61, 301, 901, 1_300]))
    def time_passes_and_a_tick_comes(self, seconds: int) -> None:
        self.world.advance(seconds)
        self.world.tick()

    # --- launchers ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self._open())
    @rule(which=some, steps=st.integers(1, 4))
    def launcher_goes_on(self, which: int, steps: int) -> None:
        launch = self._one(self._open(), which)
        for _ in range(steps):
            if launch.phase != "ended":
                self.world.step(launch)

    @precondition(lambda self: self._open())
    @rule(
        which=some,
        mishap=st.sampled_from(
            ["crash", "garbage", "silence", "killed", "hang", "no_image", "upload_failed", "store_down"]
        ),
    )
    def launcher_meets_with_a_mishap(self, which: int, mishap: Any) -> None:
        self.world.step(self._one(self._open(), which), mishap)

    @precondition(lambda self: self._open())
    @rule(which=some, post=st.sampled_from(["lose", "lose_answer"]))
    def webhook_is_lost(self, which: int, post: Any) -> None:
        self.world.step(self._one(self._open(), which), post=post)

    @precondition(lambda self: self.world.letters)
    @rule(which=some)
    def webhook_comes_again(self, which: int) -> None:
        self.world.deliver(self._one(self.world.letters, which))

    # --- the executor -------------------------------------------------------------------------------------------------

    @rule(outcome=st.sampled_from(["drop_reply", "drop_request", "duplicate", "early", "reject"]))
    def submit_will_go_wrong(self, outcome: Any) -> None:
        self.world.machine.submits.append(outcome)

    @rule()
    def executor_falls_silent_or_speaks_again(self) -> None:
        self.world.machine.silent = not self.world.machine.silent

    @precondition(lambda self: self.world.machine.known)
    @rule(which=some)
    def executor_forgets(self, which: int) -> None:
        self._one(self.world.machine.known, which).forgotten = True

    @precondition(lambda self: self.world.machine.known)
    @rule(which=some, runs_on=st.booleans())
    def executor_cancels(self, which: int, *, runs_on: bool) -> None:
        known = self._one(self.world.machine.known, which)
        known.execution.state = "cancelled"
        for launch in known.launches:
            launch.phase = launch.phase if runs_on else "ended"

    # --- database, store, functions -----------------------------------------------------------------------------------

    @rule(calls=st.integers(0, 3), fault=st.sampled_from(["refuse", "lose"]), times=st.integers(1, 3))
    def database_will_go_away(self, calls: int, fault: Any, times: int) -> None:
        self.world.faulty.plan(fault, after=calls, times=times)

    @rule(
        call=st.sampled_from(["fetch", "upload", "delete"]),
        part=st.sampled_from(["dispatch", "result", "_output.zip", "_document", ""]),
        times=st.integers(1, 3),
        after=st.booleans(),
    )
    def store_will_fail(self, call: Any, part: str, times: int, *, after: bool) -> None:
        self.world.store.plan(Fault(call, DOWN, key_part=part, times=times, after=after))

    @rule(gates=gates)
    def function_will_be_killed(self, gates: int) -> None:
        self.world.gate.arm(gates, killed)

    @rule(gates=gates, seconds=st.sampled_from([3, 20]))
    def function_will_stall(self, gates: int, seconds: int) -> None:
        self.world.gate.arm(gates, lambda: self.world.advance(seconds))

    @rule(gates=gates)
    def tick_will_come_in_the_middle(self, gates: int) -> None:
        self.world.gate.arm(gates, self.world.tick)

    @precondition(lambda self: self.world.letters)
    @rule(gates=gates, which=some)
    def webhook_will_come_in_the_middle(self, gates: int, which: int) -> None:
        letter = self._one(self.world.letters, which)
        self.world.gate.arm(gates, lambda: self.world.deliver(letter))

    # --- the end ------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """All faults end; what must hold then holds."""
        try:
            self.world.heal()
            check(self.world)
        finally:
            self.world.close()

    def _open(self) -> list[Any]:
        return [launch for launch in self.world.machine.launches if launch.phase != "ended" and not launch.hangs]

    @staticmethod
    def _one(things: Any, which: int) -> Any:
        return things[which % len(things)]


@pytest.fixture(scope="module")
def fate(postgres: PostgresForTests) -> Iterator[type[Fate]]:
    """The machine on a database of this module's own."""
    with postgres.database() as url:
        superuser_url = postgres.superuser_url(url.rsplit("/", 1)[1])
        set_clock(superuser_url)
        yield type("Fate", (Fate,), {"database": (url, superuser_url)})


def play(machine: type[Fate], number: int, runs: int) -> None:
    """Try so many runs from one seed."""
    terms = settings(
        max_examples=runs,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(type("Seeded", (machine,), {})), settings=terms)


@pytest.mark.parametrize(
    "number", [SEEDS[0], *(pytest.param(number, marks=pytest.mark.explores) for number in SEEDS[1:])]
)
def test_whatever_goes_wrong_together_every_job_ends_once(fate: type[Fate], number: int) -> None:
    play(fate, number, RUNS_A_SEED)


@pytest.mark.long
@pytest.mark.parametrize("number", SEEDS)
def test_whatever_goes_wrong_together_every_job_ends_once_in_ten_times_as_many_runs(
    fate: type[Fate], number: int
) -> None:
    play(fate, 100 + number, LONG_RUNS_A_SEED)
