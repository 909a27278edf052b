"""The tick against a real database: whatever was lost, the job ends once."""

from typing import Any

import pytest

from rythmiq.contracts.keys import dispatch_key
from rythmiq.ports import DatabaseUnavailableError
from rythmiq.ports.database import Capacity
from rythmiq.ports.jobs import StartedJob
from tests.support.memory import Fault
from tests.support.reconciling import DOWN, code, set_state, status, tick_after
from tests.support.service_rig import LEASE_S, Rig, User, at_once, lines

# --- nothing is due ---------------------------------------------------------------------------------------------------


def test_a_tick_without_work_does_nothing(rig: Rig, user: User) -> None:
    """A job within its lease is left alone."""
    accepted = rig.create(user)
    before = rig.row(accepted.job_id)
    report = rig.loop.tick()
    assert (report.reconciled, report.dispatched) == (0, 0)
    assert rig.row(accepted.job_id) == before


def test_a_tick_tells_what_it_purged(rig: Rig, user: User) -> None:
    """An upload that no job claimed in a day."""
    rig.upload(user)
    assert tick_after(rig, 25 * 3600).purged["uploads"] == 1


# --- the webhook is lost ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "unknown"])
def test_a_lost_webhook_is_made_good_by_the_result_object(rig: Rig, user: User, state: Any) -> None:
    """Whatever the executor says: the result stands first."""
    accepted = rig.create(user)
    rig.store_result(rig.work(accepted.job_id))
    set_state(rig, accepted.job_id, state)
    assert tick_after(rig).reconciled == 1
    assert status(rig, accepted.job_id) == ("completed", 1)
    assert rig.ledger(accepted.job_id) == ["reserve", "settle"]


def test_a_lost_failure_is_made_good_too(rig: Rig, user: User) -> None:
    """With its own code, not the executor's."""
    accepted = rig.create(user)
    rig.store_result(rig.failure(accepted.job_id))
    tick_after(rig)
    assert (status(rig, accepted.job_id), code(rig, accepted.job_id)) == (("failed", 1), "DECODE_FAILED")


def test_the_webhook_that_comes_after_the_tick_finds_the_job_ended(rig: Rig, user: User) -> None:
    """One settlement, one ZIP."""
    accepted = rig.create(user)
    body = rig.work(accepted.job_id)
    rig.store_result(body)
    tick_after(rig)
    assert rig.webhooks.receive(body) == "terminal"
    assert len(rig.zip_writes()) == 1


def test_a_get_past_the_lease_heals_the_job(rig: Rig, user: User) -> None:
    """Without any scheduler."""
    accepted = rig.create(user)
    rig.store_result(rig.work(accepted.job_id))
    rig.advance(LEASE_S + 1)
    assert rig.view(user, accepted.job_id).status == "completed"


def test_packaging_trouble_in_a_tick_is_tried_again_by_a_later_one(rig: Rig, user: User) -> None:
    """The claim is given back, the job is due again in a minute."""
    accepted = rig.create(user)
    rig.store_result(rig.work(accepted.job_id))
    rig.store.plan(Fault("upload", DOWN, key_part="_output.zip"))
    tick_after(rig)
    assert status(rig, accepted.job_id) == ("processing", 1)
    tick_after(rig, 61)
    assert status(rig, accepted.job_id) == ("completed", 1)


# --- the executor's word ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "running"])
def test_an_attempt_that_goes_on_is_trusted_for_another_minute(rig: Rig, user: User, state: Any) -> None:
    """The same attempt, the same execution."""
    accepted = rig.create(user)
    set_state(rig, accepted.job_id, state)
    tick_after(rig)
    assert status(rig, accepted.job_id) == ("processing", 1)
    assert rig.loop.tick().reconciled == 0
    assert tick_after(rig, 61).reconciled == 1


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("succeeded", "EXECUTOR_LOST"),
        ("failed", "EXECUTOR_LOST"),
        ("unknown", "EXECUTOR_LOST"),
        ("cancelled", "EXECUTOR_CANCELLED"),
    ],
)
def test_an_attempt_that_ended_without_a_result_is_followed_by_another(
    rig: Rig, user: User, state: Any, expected: str
) -> None:
    """After the backoff, and the old dispatch object is gone: the fence."""
    accepted = rig.create(user)
    set_state(rig, accepted.job_id, state)
    tick_after(rig)
    assert (status(rig, accepted.job_id), code(rig, accepted.job_id)) == (("processing", 2), expected)
    assert dispatch_key(user.user_id, accepted.job_id, 1) not in rig.store.objects
    tick_after(rig, 11)
    assert [execution.order.attempt for execution in rig.executor.of(accepted.job_id)] == [1, 2]
    assert dispatch_key(user.user_id, accepted.job_id, 2) in rig.store.objects


def test_a_result_that_comes_between_two_questions_is_seen(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher stores it and ends while the tick is asking the executor."""
    accepted = rig.create(user)

    def ends_now(*_: object, **__: object) -> str:
        rig.store_result(rig.work(accepted.job_id))
        return "succeeded"

    monkeypatch.setattr(rig.executor, "status", ends_now)
    tick_after(rig)
    assert status(rig, accepted.job_id) == ("completed", 1)


def test_a_worker_that_vanishes_each_time_ends_in_a_refund(rig: Rig, user: User) -> None:
    """Three attempts, then failed; every error is kept."""
    accepted = rig.create(user)
    for _ in range(8):
        set_state(rig, accepted.job_id, "failed")
        tick_after(rig)
    assert status(rig, accepted.job_id) == ("failed", 3)
    assert len(rig.executor.of(accepted.job_id)) == 3
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]
    assert rig.balances_are_the_ledgers()


def test_a_late_start_after_abandonment_finds_nothing_and_is_ignored(rig: Rig, user: User) -> None:
    """The fence holds whatever the zombie still says."""
    accepted = rig.create(user)
    late = rig.work(accepted.job_id)
    set_state(rig, accepted.job_id, "unknown")
    tick_after(rig)
    tick_after(rig, 11)
    assert rig.webhooks.receive(late) == "stale"
    assert rig.webhooks.receive(rig.work(accepted.job_id, 2)) == "completed"
    assert len(rig.zip_writes()) == 1


def test_the_fence_goes_before_the_next_attempt(rig: Rig, user: User) -> None:
    """While the old dispatch object cannot be removed, there is no next attempt."""
    accepted = rig.create(user)
    set_state(rig, accepted.job_id, "failed")
    rig.store.plan(Fault("delete", DOWN, key_part="dispatch-a1"))
    tick_after(rig)
    assert status(rig, accepted.job_id) == ("processing", 1)
    tick_after(rig, 61)
    assert status(rig, accepted.job_id) == ("processing", 2)


def test_an_attempt_that_waits_too_long_is_stopped_and_given_up(rig: Rig, user: User) -> None:
    """Fifteen minutes pending; stopped where the executor can."""
    rig.executor = type(rig.executor)(cancel=True)
    rig.build()
    accepted = rig.create(user)
    tick_after(rig, 899)
    assert status(rig, accepted.job_id) == ("processing", 1)
    tick_after(rig, 61)
    assert status(rig, accepted.job_id) == ("processing", 2)
    assert rig.executor.executions[0].state == "cancelled"


def test_an_attempt_that_runs_longer_than_the_launcher_may_is_given_up(rig: Rig, user: User) -> None:
    """Its late start, its own deadline, and a little more."""
    accepted = rig.create(user)
    set_state(rig, accepted.job_id, "running")
    tick_after(rig, 900 + 240 + 100)
    assert status(rig, accepted.job_id) == ("processing", 1)
    tick_after(rig, 61)
    assert status(rig, accepted.job_id) == ("processing", 2)


def test_an_executor_that_never_answers_again_does_not_hold_a_job_for_ever(rig: Rig, user: User) -> None:
    """However silent it is, the attempts pass, and the credit comes back."""
    accepted = rig.create(user)
    rig.executor.silent = True
    for _ in range(12):
        tick_after(rig, 1_300)
    assert status(rig, accepted.job_id)[0] == "failed"
    assert rig.ledger(accepted.job_id) == ["reserve", "refund"]


def test_a_reference_of_another_executor_is_not_asked_of_this_one(rig: Rig, user: User) -> None:
    """After an operator's change of EXECUTOR the number means nothing: the attempt is lost, and started anew."""
    accepted = rig.create(user)
    rig.database.job_submitted(accepted.job_id, 1, executor="camber", executor_ref="1")
    set_state(rig, accepted.job_id, "running")
    tick_after(rig)
    assert status(rig, accepted.job_id) == ("processing", 2)


# --- ticks among themselves -------------------------------------------------------------------------------------------


def test_ten_ticks_at_once_reconcile_a_job_once(rig: Rig, user: User) -> None:
    """One claims it."""
    accepted = rig.create(user)
    rig.store_result(rig.work(accepted.job_id))
    rig.advance(LEASE_S + 1)
    came = at_once(10, lambda _: rig.loop.tick())
    assert sum(report.reconciled for report in came) == 1
    assert status(rig, accepted.job_id) == ("completed", 1)
    assert len(rig.zip_writes()) == 1


def test_one_job_that_cannot_be_healed_does_not_stop_the_others(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect is logged by its kind."""
    first, second = rig.create(user), rig.create(user)
    rig.store_result(rig.work(second.job_id))
    find = rig.store.fetch_object

    def broken(key: str, **terms: Any) -> bytes:
        if first.job_id in key:
            raise KeyError(key)
        return find(key, **terms)

    monkeypatch.setattr(rig.store, "fetch_object", broken)
    tick_after(rig)
    assert status(rig, second.job_id) == ("completed", 1)
    defects = [line for line in lines(capsys.readouterr().err) if line["event"] == "tick_defect"]
    assert [(line["job_id"], line["reason"]) for line in defects] == [(first.job_id, "KeyError")]


def test_a_tick_starts_nothing_after_its_time(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database has started already is due again in a second, and not only after its lease."""
    rig.capacity = Capacity(max_inflight=2, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    first, _, third = rig.create(user), rig.create(user), rig.create(user)
    rig.store_result(rig.failure(first.job_id))
    fetch = rig.store.fetch_object

    def slow(key: str, **terms: Any) -> bytes:
        rig.clock.sleep(2)
        return fetch(key, **terms)

    monkeypatch.setattr(rig.store, "fetch_object", slow)
    tick_after(rig)
    assert status(rig, third.job_id)[0] == "processing"
    assert rig.executor.of(third.job_id) == []
    monkeypatch.undo()
    tick_after(rig, 2)
    assert len(rig.executor.of(third.job_id)) == 1


def test_a_burst_is_drained_as_places_become_free(rig: Rig, user: User) -> None:
    """Never more in flight than the executor is to be given."""
    rig.initial_credits = 8
    rig.capacity = Capacity(max_inflight=2, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    jobs = [rig.create(user).job_id for _ in range(8)]
    for number in range(8):
        assert len(rig.executor.executions) == min(8, number + 2)
        done = rig.executor.executions[number].order.job_id
        rig.webhooks.receive(rig.work(done))
    assert [status(rig, job_id) for job_id in jobs] == [("completed", 1)] * 8


def beside_somebody(rig: Rig) -> None:
    """Two places, and somebody who was here lately: the last place is kept for such people."""
    rig.initial_credits = 8
    rig.capacity = Capacity(max_inflight=2, lease_s=LEASE_S, max_attempts=3)
    rig.build()
    rig.webhooks.receive(rig.work(rig.create(User()).job_id))


def test_a_burst_that_a_kept_place_holds_up_is_drained_by_its_own_reports(rig: Rig, user: User) -> None:
    beside_somebody(rig)
    jobs = [rig.create(user).job_id for _ in range(5)]
    for number in range(5):
        assert [each.order.job_id for each in rig.executor.executions[1:]] == jobs[: number + 1]
        rig.webhooks.receive(rig.work(jobs[number]))
    assert [status(rig, job_id) for job_id in jobs] == [("completed", 1)] * 5


def test_a_job_that_a_kept_place_holds_up_starts_when_somebody_looks_past_the_lease_before_it(
    rig: Rig, user: User
) -> None:
    beside_somebody(rig)
    lost, waiting = rig.create(user), rig.create(user)
    assert rig.view(user, waiting.job_id).status == "pending"
    set_state(rig, lost.job_id, "failed")
    rig.advance(LEASE_S + 1)
    assert rig.view(user, waiting.job_id).status == "processing"
    assert len(rig.executor.of(waiting.job_id)) == 1


def test_a_database_that_goes_away_in_a_tick_is_told(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """POST /internal/reconcile is answered 503 then; a GET is answered all the same."""
    accepted = rig.create(user)
    rig.advance(LEASE_S + 1)

    def gone(*_: object) -> None:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(rig.database, "jobs_tick", gone)
    with pytest.raises(DatabaseUnavailableError):
        rig.loop.tick()
    assert rig.view(user, accepted.job_id).status == "processing"


def test_a_lease_that_cannot_be_shortened_is_waited_for(rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store and the database fail together: past the lease the job is dispatched."""

    def gone(*_: object, **__: object) -> bool:
        raise DatabaseUnavailableError("gone")

    rig.store.plan(Fault("upload", DOWN, key_part="dispatch-a1"))
    with monkeypatch.context() as patched:
        patched.setattr(rig.database, "job_extend", gone)
        accepted = rig.create(user)
    assert rig.loop.tick().reconciled == 0
    tick_after(rig)
    assert len(rig.executor.of(accepted.job_id)) == 1


def test_an_executor_that_refuses_while_the_database_is_away_refuses_again(
    rig: Rig, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is then written by the tick."""

    def gone(*_: object, **__: object) -> StartedJob:
        raise DatabaseUnavailableError("gone")

    rig.executor.plan("reject", "reject")
    with monkeypatch.context() as patched:
        patched.setattr(rig.database, "job_fail_attempt", gone)
        accepted = rig.create(user)
    tick_after(rig)
    assert code(rig, accepted.job_id) == "EXECUTOR_REJECTED"
