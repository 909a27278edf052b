"""What the executor reads in Camber's answers: states, lists and logs, in whatever form they come (docs/camber.md)."""

import asyncio
import uuid

import httpx
import pytest

from rythmiq.adapters.camber import (
    STATES,
    HttpTransport,
    Wire,
)
from rythmiq.adapters.camber.executor import CamberExecutor, CamberService
from rythmiq.ports import ExecutorUnclearError
from tests.support.camber_rig import TIMEOUT_S, executor, fake, service
from tests.support.executor_rigs import TERMS
from tests.support.executor_run import new_order
from tests.support.fake_camber import KEY, FakeCamber, Plan

__all__ = ["executor", "fake"]


# --- status -----------------------------------------------------------------------------------------------------------


def test_a_job_is_seen_through_all_of_cambers_states(fake: FakeCamber, executor: CamberExecutor) -> None:
    order = new_order()
    number = executor.submit(order, timeout_s=TIMEOUT_S)
    seen = [asyncio.run(service(fake).get_job_status(number)) for _ in range(3)]
    fake.runs.finish(order)
    seen.append(asyncio.run(service(fake).get_job_status(number)))
    assert [(told["raw_status"], told["status"], told["terminal"]) for told in seen] == [
        ("PROVISIONING", "starting", False),
        ("INITIALIZING", "starting", False),
        ("RUNNING", "running", False),
        ("COMPLETED", "succeeded", True),
    ]
    assert set(seen[-1]) == {
        "camber_job_id",
        "status",
        "raw_status",
        "terminal",
        "created_at",
        "started_at",
        "finished_at",
    }
    assert [told["finished_at"] is not None for told in seen] == [False, False, False, True]


def test_a_job_that_stays_pending_is_cancelled_by_camber_or_starts_when_nobody_waits(
    fake: FakeCamber, executor: CamberExecutor
) -> None:
    """The second is why attempts are fenced: there is no call that would stop it."""
    orders = [new_order(), new_order()]
    fake.plan.extend(["hold", "hold"])
    stuck, zombie = (executor.submit(order, timeout_s=TIMEOUT_S) for order in orders)
    assert executor.status(stuck, timeout_s=TIMEOUT_S) == "pending"
    fake.cancel_for_good(stuck)
    assert executor.status(stuck, timeout_s=TIMEOUT_S) == "cancelled"
    assert executor.logs(stuck, tail_lines=10, timeout_s=TIMEOUT_S) == ""
    assert executor.cancel(zombie, timeout_s=TIMEOUT_S) is False
    fake.runs.release(fake.jobs[int(zombie)].run)
    assert fake.runs.running(orders[1]) == 1


@pytest.mark.parametrize("plan", ["refuse_connection", "read_timeout", "html_502", "html_200", "redirect", "too_many"])
def test_a_question_that_is_not_answered_says_nothing_of_the_job(
    fake: FakeCamber, executor: CamberExecutor, plan: Plan
) -> None:
    fake.plan.extend([plan, plan, plan])
    with pytest.raises(ExecutorUnclearError):
        executor.status("25001", timeout_s=TIMEOUT_S)
    with pytest.raises(ExecutorUnclearError):
        executor.find(str(uuid.uuid4()), 1, timeout_s=TIMEOUT_S)
    if plan != "html_200":  # a log may be any text
        with pytest.raises(ExecutorUnclearError):
            executor.logs("25001", tail_lines=10, timeout_s=TIMEOUT_S)


def answering(document: object, status: int = 200) -> CamberExecutor:
    """A Camber that always says this."""
    transport = HttpTransport(
        "https://camber.test",
        KEY,
        config=TERMS,
        wire=Wire(),
        http=httpx.MockTransport(lambda _: httpx.Response(status, json=document)),
    )
    return CamberExecutor(CamberService("", "", transport=transport))


@pytest.mark.parametrize(
    "document",
    [
        {"code": 0, "data": {"job_id": 1, "job_status": "RUNNING"}},
        {"job_id": 1, "job_status": "RUNNING"},
        {"id": "1", "status": "running"},
        {"code": 0, "data": {"job_id": 1, "job_status": "HIBERNATING"}},
    ],
)
def test_a_status_is_read_with_or_without_an_envelope_and_a_new_word_is_no_end(document: object) -> None:
    assert answering(document).status("1", timeout_s=TIMEOUT_S) == "running"


@pytest.mark.parametrize(
    ("document", "status"), [([], 200), ({"code": 0, "data": {}}, 200), ({"code": 1}, 400), ({"code": 5}, 200)]
)
def test_an_answer_that_says_nothing_of_a_job_is_no_verdict(document: object, status: int) -> None:
    with pytest.raises(ExecutorUnclearError):
        answering(document, status).status("1", timeout_s=TIMEOUT_S)


def test_every_state_that_camber_documents_is_known() -> None:
    documented = {"PENDING", "PROVISIONING", "INITIALIZING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"}
    assert documented <= set(STATES)


@pytest.mark.parametrize("reference", ["25001/logs", "../me", "1" * 13, "٣", "-1", " 1"])
def test_what_is_no_number_of_cambers_is_never_asked_for(
    fake: FakeCamber, executor: CamberExecutor, reference: str
) -> None:
    assert executor.status(reference, timeout_s=TIMEOUT_S) == "unknown"
    assert executor.logs(reference, tail_lines=5, timeout_s=TIMEOUT_S) == ""
    assert fake.requests == []


# --- find -------------------------------------------------------------------------------------------------------------


def test_a_list_that_shows_no_commands_cannot_tell_and_says_so(fake: FakeCamber, executor: CamberExecutor) -> None:
    """Better an attempt that is given up after a while than one that runs twice."""
    order = new_order()
    executor.submit(order, timeout_s=TIMEOUT_S)
    fake.shows_commands = False
    with pytest.raises(ExecutorUnclearError, match="command"):
        executor.find(order.job_id, 1, timeout_s=TIMEOUT_S)


def test_a_full_list_that_begins_with_the_oldest_cannot_tell_and_says_so(
    fake: FakeCamber, executor: CamberExecutor
) -> None:
    orders = [new_order() for _ in range(51)]
    for order in orders:
        executor.submit(order, timeout_s=TIMEOUT_S)
    assert executor.find(orders[-1].job_id, 1, timeout_s=TIMEOUT_S) == "25051"
    fake.newest_first = False
    assert executor.find(orders[0].job_id, 1, timeout_s=TIMEOUT_S) == "25001"
    with pytest.raises(ExecutorUnclearError, match="oldest"):
        executor.find(orders[-1].job_id, 1, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize(
    ("command", "is_it"),
    [
        ("./rythmiq-launch {user} {job} 1", True),
        ("bash -c 'cd /work && ./rythmiq-launch {user} {job} 1'", True),
        ("./rythmiq-launch {user} {job} 1; exit", True),
        ("./rythmiq-launch {user} {job} 12", False),
        ("./rythmiq-launch {user} {job} 2", False),
        ("./rythmiq-launch {job} {user} 1", False),
        ("echo {job} 1", False),
    ],
)
def test_an_attempt_is_known_by_its_command_whatever_is_wrapped_around_it(command: str, *, is_it: bool) -> None:
    order = new_order()
    shown = command.format(user=order.user_id, job=order.job_id)
    executor = answering({"code": 0, "data": {"jobs": [{"job_id": 3, "command": shown}]}})
    assert executor.find(order.job_id, 1, timeout_s=TIMEOUT_S) == ("3" if is_it else None)


# --- logs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", [{"data": {"logs": "a\nb\n"}}, {"data": ["a", "b"]}, {"data": "a\nb\n"}])
def test_logs_are_read_in_whatever_form_they_come(document: object) -> None:
    assert answering(document).logs("1", tail_lines=1, timeout_s=TIMEOUT_S) == "b\n"


def test_logs_may_be_plain_text() -> None:
    http = httpx.MockTransport(lambda _: httpx.Response(200, text="a\nb\n"))
    transport = HttpTransport("https://camber.test", KEY, config=TERMS, wire=Wire(), http=http)
    executor = CamberExecutor(CamberService("", "", transport=transport))
    assert executor.logs("1", tail_lines=2, timeout_s=TIMEOUT_S) == "a\nb\n"
