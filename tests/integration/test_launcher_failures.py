"""Everything that can go wrong around a launch, each provoked; the job always hears of it, or the executor does."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.errors import CATALOGUE
from rythmiq_cli.local import Environ, StartResponse
from rythmiq_cli.local.store.s3_server import LocalStore, local_store
from tests.support.launch_run import Order, is_alive, until
from tests.support.webhook_receiver import Receiver
from tests.support.worker_run import Job
from tests.support.worker_uploads import blank


@pytest.fixture
def order(store: SpacesStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A sealed job that succeeds, its dispatch object in place."""
    order = Order(Job(store), receiver, tmp_path)
    order.upload(blank(300))
    order.put()
    return order


@pytest.fixture(scope="module")
def moody() -> Iterator[LocalStore]:
    """A store of its own, whose mood a test can spoil."""
    with local_store() as running:
        yield running


@pytest.fixture
def at_moody(moody: LocalStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A job at the store whose mood can be spoiled."""
    order = Order(Job(SpacesStore(moody.config, attempts=1)), receiver, tmp_path)
    order.upload(blank(300))
    order.put()
    return order


def spoil(monkeypatch: pytest.MonkeyPatch, moody: LocalStore, method: str, part: str, times: int) -> list[str]:
    """Answer 503 to so many requests of a method on keys with this part; the list of them."""
    app = moody.guard._app
    met: list[str] = []

    def spoiled(environ: Environ, start_response: StartResponse) -> object:
        if environ["REQUEST_METHOD"] == method and part in environ["PATH_INFO"] and len(met) < times:
            met.append(environ["PATH_INFO"])
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []
        return app(environ, start_response)

    monkeypatch.setattr(moody.guard, "_app", spoiled)
    return met


# --- the worker ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worker", "detail", "stage"),
    [
        ("worker_segfaults.py", {"reason": "crash", "signal": "SIGSEGV"}, "decode"),
        ("worker_killed.py", {"reason": "killed", "signal": "SIGKILL"}, "init"),
        ("worker_exits.py", {"reason": "crash", "exit_code": 3}, "init"),
        ("worker_garbage.py", {"reason": "garbage"}, "init"),
        ("worker_floods.py", {"reason": "garbage"}, "init"),
        ("worker_two_documents.py", {"reason": "garbage"}, "init"),
        ("worker_silent.py", {"reason": "silence"}, "init"),
        ("worker_other_job.py", {"reason": "wrong_job_id"}, "init"),
        ("worker_foreign_keys.py", {"reason": "wrong_keys"}, "upload"),
        ("no_such_file.py", {"reason": "crash", "exit_code": 2}, "init"),
    ],
)
def test_a_worker_that_breaks_its_contract_ends_the_attempt_with_the_reason(
    order: Order, worker: str, detail: dict[str, object], stage: str
) -> None:
    """A valid INTERNAL_ERROR, at the stage that had begun, which the reconciler may repeat."""
    done = order.run(worker)
    assert done.exit_code == 0
    error = order.failure().error
    assert (error.code, error.detail, error.stage) == ("INTERNAL_ERROR", detail, stage)
    assert error.retryable is CATALOGUE[error.code].retryable is True
    assert (done.frame["code"], done.frame["reason"]) == ("INTERNAL_ERROR", detail["reason"])


def test_a_worker_that_hangs_is_stopped_with_all_that_it_started(order: Order) -> None:
    """It is deaf to SIGTERM, and its helper has left its session."""
    order.environ["JOB_TIMEOUT_S"] = "5"
    assert order.run("worker_hangs.py").exit_code == 0
    error = order.failure().error
    assert (error.detail, error.stage) == ({"reason": "hang", "timeout_s": 5.0}, "ocr")
    assert not error.retryable  # on the same bytes it would hang again
    pids = (order.folder / "hanging-pids").read_text(encoding="ascii").split()
    assert not [pid for pid in pids if is_alive(int(pid))]


def test_what_a_worker_prints_beside_its_events_is_shown_in_dev_and_counted_elsewhere(order: Order) -> None:
    """A library may quote what it read."""
    shown = order.run("worker_prints.py")
    assert "from a child" in shown.stderr
    order.receiver.told.clear()
    order.environ["SERVICE_ENV"] = "staging"
    hidden = order.run("worker_prints.py")
    assert "from a child" not in hidden.stderr
    assert hidden.event("worker_noise")["hidden_bytes"] > 0
    assert order.success().job_id == order.job.job_id


def test_a_flood_on_stderr_is_cut(order: Order) -> None:
    """The log of a job stays readable, and the launcher small."""
    done = order.run("worker_floods.py")
    assert len(done.stderr) < 1_000_000


# --- SIGTERM ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker_and_is_reported(order: Order, number: signal.Signals) -> None:
    """There is time for that before whoever sent it loses patience."""
    with order.started("worker_hangs.py") as process:
        until((order.folder / "hanging-pids").exists)
        process.send_signal(number)
        done = order.ended(process)
    assert done.exit_code == 0
    assert order.failure().error.detail == {"reason": "terminated"}
    pids = (order.folder / "hanging-pids").read_text(encoding="ascii").split()
    assert not [pid for pid in pids if is_alive(int(pid))]


def test_a_signal_while_the_webhook_is_awaited_breaks_it_off(order: Order, receiver: Receiver) -> None:
    """The result stands in the store: the reconciler will find it."""
    receiver.answers = [None]
    with order.started() as process:
        receiver.wait_for(1)
        process.terminate()
        done = order.ended(process)
    assert (done.exit_code, done.frame["webhook"], done.frame["stored"]) == (0, "broken_off", True)
    assert order.result() == order.webhook()


def test_a_signal_while_the_webhook_is_repeated_ends_the_waiting(order: Order, receiver: Receiver) -> None:
    receiver.answers = [503]
    with order.started(webhook_pause_s=60, webhook_most_pause_s=60, webhook_total_s=600) as process:
        receiver.wait_for(1)
        process.terminate()
        done = order.ended(process)
    assert (done.exit_code, done.frame["webhook"]) == (0, "broken_off")


# --- the store -------------------------------------------------------------------------------------------------------


def test_a_store_that_fails_once_is_asked_again(
    at_moody: Order, moody: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the dispatch object and for the result."""
    fetched = spoil(monkeypatch, moody, "GET", "dispatch-a1", times=1)
    stored = spoil(monkeypatch, moody, "PUT", "result-a1", times=2)
    assert at_moody.run("worker_silent.py", store_pauses_s=[0.05, 0.05]).exit_code == 0
    assert at_moody.failure().error.code == "INTERNAL_ERROR"
    assert (len(fetched), len(stored)) == (1, 2)


def test_a_store_that_takes_no_result_does_not_stop_the_webhook(
    at_moody: Order, moody: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, moody, "PUT", "result-a1", times=100)
    done = at_moody.run("worker_silent.py", store_pauses_s=[0.05])
    assert (done.exit_code, done.frame["stored"], done.frame["webhook"]) == (0, False, "delivered")
    assert at_moody.webhook().status == "failed"


def test_a_result_that_nobody_has_is_a_failed_launch(
    at_moody: Order, moody: LocalStore, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """So that the executor's word is right: nobody knows."""
    spoil(monkeypatch, moody, "PUT", "result-a1", times=100)
    receiver.answers = [503]
    done = at_moody.run("worker_silent.py", store_pauses_s=[0.05], webhook_total_s=0.2)
    assert (done.exit_code, done.frame["stored"], done.frame["webhook"]) == (75, False, "undelivered")


def test_a_dispatch_object_that_cannot_be_had_is_a_failed_launch(
    at_moody: Order, moody: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unlike one that is not there, it may be there later."""
    spoil(monkeypatch, moody, "GET", "dispatch-a1", times=100)
    done = at_moody.run("worker_silent.py", store_pauses_s=[0.05])
    assert (done.exit_code, done.stdout, at_moody.receiver.told) == (75, "", [])


def test_a_store_that_does_not_answer_does_not_keep_a_launch_for_ever(order: Order) -> None:
    """Nothing listens there."""
    order.environ["SPACES_ENDPOINT"] = "http://127.0.0.1:9"
    assert order.run(store_pauses_s=[0.05]).exit_code == 75


# --- the webhook -----------------------------------------------------------------------------------------------------


def test_a_webhook_is_repeated_until_it_is_taken(order: Order, receiver: Receiver) -> None:
    """The same body each time."""
    receiver.answers = [503, 500, 409, 422, 302, 200]
    done = order.run("worker_silent.py", webhook_most_pause_s=0.1)
    assert (done.exit_code, done.frame["webhook"]) == (0, "delivered")
    assert [event["status"] for event in done.events if event["event"] == "webhook"] == [503, 500, 409, 422, 302, 200]
    assert [told.body for told in receiver.told] == [receiver.told[0].body] * 6


@pytest.mark.parametrize("status", [401, 404, 410])
def test_a_webhook_that_is_refused_for_good_is_not_repeated(order: Order, receiver: Receiver, status: int) -> None:
    """The result stands in the store all the same."""
    receiver.answers = [status]
    done = order.run("worker_silent.py")
    assert (done.exit_code, done.frame["webhook"], done.frame["stored"]) == (0, "refused", True)
    assert order.failure().error.code == "INTERNAL_ERROR"


def test_an_api_that_asks_for_more_time_gets_it_within_reason(order: Order, receiver: Receiver) -> None:
    """An hour is not within reason; what is no time at all counts for nothing."""
    receiver.answers = [
        (503, {"Retry-After": "3600"}),
        (503, {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}),
        (503, {"Retry-After": "soon"}),
        (409, {"Retry-After": "-1"}),
        200,
    ]
    done = order.run("worker_silent.py", webhook_most_pause_s=0.1)
    assert (done.frame["webhook"], len(receiver.told)) == ("delivered", 5)


def test_a_pause_that_the_api_asks_for_beyond_the_time_in_all_ends_the_trying(order: Order, receiver: Receiver) -> None:
    receiver.answers = [(503, {"Retry-After": "30"})]
    done = order.run("worker_silent.py", webhook_most_pause_s=32, webhook_total_s=10)
    assert (done.exit_code, done.frame["webhook"], len(receiver.told)) == (0, "undelivered", 1)


def test_a_webhook_that_never_answers_is_given_up(order: Order, receiver: Receiver) -> None:
    receiver.answers = [None]
    done = order.run("worker_silent.py", webhook_try_s=0.2, webhook_total_s=0.5)
    assert (done.exit_code, done.frame["webhook"], done.frame["stored"]) == (0, "undelivered", True)
    assert {event["status"] for event in done.events if event["event"] == "webhook"} == {None}


def test_a_webhook_that_nobody_listens_to_is_given_up(order: Order) -> None:
    order.put(order.dispatch(callback={"url": "http://127.0.0.1:9/internal/webhooks/camber", "token": order.token}))
    done = order.run("worker_silent.py", webhook_total_s=0.2)
    assert (done.exit_code, done.frame["webhook"], order.result().status) == (0, "undelivered", "failed")


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_is_reported_at_once_and_then_rarely(order: Order, receiver: Receiver) -> None:
    """Seven stages in less than the time between two reports: one report, with the attempt's own token."""
    order.run(progress_every_s=100)
    assert receiver.stages == ["fetch"]
    assert receiver.reported[0].secret == order.token
    assert receiver.reported[0].body == {"job_id": order.job.job_id, "attempt": 1, "stage": "fetch"}


def test_progress_tells_the_latest_stage_when_its_time_comes(order: Order, receiver: Receiver) -> None:
    order.run(progress_every_s=0)
    assert receiver.stages[0] == "fetch"
    assert receiver.stages == sorted(
        receiver.stages, key=["fetch", *["decode", "quality", "enhance", "ocr", "schema", "upload"]].index
    )


@pytest.mark.parametrize("progress", [500, None])
def test_progress_that_fails_or_hangs_is_in_nobodys_way(order: Order, receiver: Receiver, progress: int | None) -> None:
    receiver.progress = progress
    assert order.run(progress_every_s=0, progress_try_s=100).exit_code == 0
    assert order.success().job_id == order.job.job_id


def test_a_blocked_signal_is_still_heard(order: Order) -> None:
    """Whoever starts the launcher may have blocked SIGTERM, and a process inherits that."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        with order.started("worker_hangs.py") as process:
            until((order.folder / "hanging-pids").exists)
            os.kill(process.pid, signal.SIGTERM)
            order.ended(process)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    assert order.failure().error.detail == {"reason": "terminated"}
