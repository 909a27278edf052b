"""The local executor: a process of its own that survives kills, and misbehaves where a test plans it."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import result_key
from rythmiq.ports import ExecutorRejectedError, ExecutorUnclearError
from rythmiq.ports import Order as Ordered
from rythmiq_cli.local.environment import executor_environ
from tests.support.executor_run import TIMEOUT_S, RunningExecutor, new_order, running_executor
from tests.support.launch_run import KEYS, WEBHOOK_SECRET, Order, is_alive, until
from tests.support.webhook_receiver import Receiver
from tests.support.worker_run import FAULTS, ROOT, Job, environ_for
from tests.support.worker_uploads import blank


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningExecutor]:
    """An executor with stubs in the launchers' place."""
    with running_executor(tmp_path) as executor:
        yield executor


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExecutor]:
    """An executor for all that give it nothing to do."""
    with running_executor(tmp_path_factory.mktemp("idle")) as executor:
        yield executor


@pytest.fixture
def real(store: SpacesStore, tmp_path: Path) -> Iterator[RunningExecutor]:
    """An executor with launchers."""
    folder = tmp_path / "executor"
    folder.mkdir()
    environ = {
        **environ_for(store.config),
        "DISPATCH_KEYS": KEYS,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "SUPABASE_SERVICE_ROLE_KEY": "not-for-launchers",
    }
    with running_executor(folder, environ=environ, with_stub=False) as executor:
        yield executor


@pytest.fixture
def order(store: SpacesStore, receiver: Receiver, tmp_path: Path) -> Order:
    """A sealed job that succeeds, its dispatch object in place."""
    order = Order(Job(store), receiver, tmp_path)
    order.upload(blank(300))
    order.put()
    return order


def ordered(order: Order) -> Ordered:
    return Ordered(order.job.user_id, order.job.job_id, order.attempt)


def pid_of(running: RunningExecutor, reference: str) -> int:
    process = running.entry(reference)["process"]
    assert isinstance(process, dict)
    return int(process["pid"])


# --- a whole job -----------------------------------------------------------------------------------------------------


def test_an_order_becomes_a_launch_and_the_launch_a_webhook(real: RunningExecutor, order: Order) -> None:
    """The executor itself tells nobody anything."""
    reference = real.submit(ordered(order))
    real.until(reference, "succeeded")
    assert order.success().job_id == order.job.job_id
    assert real.entry(reference)["exit_code"] == 0
    assert "RYTHMIQ_RESULT_BEGIN" in real.log(reference)


def test_an_abandoned_order_fails_and_says_so(real: RunningExecutor, order: Order) -> None:
    """A launcher that starts late finds no dispatch object."""
    order.store.delete_object(order.key)
    reference = real.submit(ordered(order))
    real.until(reference, "failed")
    assert real.entry(reference)["exit_code"] == 66
    assert order.receiver.told == []


@pytest.mark.parametrize("victim", ["launcher", "worker"])
def test_a_killed_launcher_fails_and_a_killed_worker_is_reported(
    real: RunningExecutor, order: Order, victim: str
) -> None:
    """In both cases nothing is left running."""
    real.plan({"kill": victim, "kill_when": '"stage":"fetch","state":"start"'})
    reference = real.submit(ordered(order))
    if victim == "launcher":
        real.until(reference, "failed")
        assert (real.entry(reference)["exit_code"], order.receiver.told) == (-9, [])
    else:
        real.until(reference, "succeeded")
        assert order.failure().error.detail == {"reason": "killed", "signal": "SIGKILL"}


@pytest.mark.parametrize(
    ("point", "exit_code", "has_result", "webhooks"),
    [
        ("after_dispatch", -9, False, 0),
        ("before_result", -9, False, 0),
        ("after_result", -9, True, 0),
        ("webhook_lost", 0, True, 0),
        ("after_webhook", -9, True, 1),
        ("webhook_twice", 0, True, 2),
    ],
)
def test_wherever_a_launcher_goes_wrong_what_it_had_done_stands(  # noqa: PLR0913  a row of the table
    real: RunningExecutor, order: Order, point: str, exit_code: int, webhooks: int, *, has_result: bool
) -> None:
    """These are the points from which the reconciler has to find the way."""
    real.plan({"program": [sys.executable, str(FAULTS / "launcher_goes_wrong.py"), point]})
    reference = real.submit(ordered(order))
    real.until(reference, "succeeded" if exit_code == 0 else "failed")
    assert real.entry(reference)["exit_code"] == exit_code
    assert len(order.receiver.told) == webhooks
    key = result_key(order.job.user_id, order.job.job_id, 1)
    assert (order.store.object_exists(key) is not None) is has_result
    assert not [told for told in order.receiver.told if told.body != order.receiver.told[0].body]


# --- what a launcher is given ----------------------------------------------------------------------------------------


def test_a_launcher_gets_a_short_list_of_the_environment(tmp_path: Path) -> None:
    """Its own and the worker's variables, how to start Python, and nothing that the cloud around it knows."""
    environ = {"DISPATCH_KEYS": "k", "SPACES_KEY": "s", "JOB_TIMEOUT_S": "9", "WEBHOOK_SECRET": "w"}
    others = {"DATABASE_URL": "d", "HOME": "/h", "ENCRYPTION_KEYS": "e"}
    with running_executor(tmp_path, environ={**environ, **others}) as running:
        order = new_order()
        reference = running.submit(order)
        running.until_started(order)
        facts = json.loads(running.log(reference))
        running.finish(order)
    shown = {name for name in facts["names"] if name != "LC_CTYPE"}  # Python's own doing (PEP 538)
    assert shown == {"PATH", "PYTHONPATH", "TMPDIR", "DISPATCH_KEYS", "SPACES_KEY", "JOB_TIMEOUT_S"}


def test_the_executor_is_given_no_encryption_keys_by_the_cloud() -> None:
    """H4: what it holds is all that a taken-over worker could ever read of it."""
    values = {"DISPATCH_KEYS": "d", "ENCRYPTION_KEYS": "e", "WEBHOOK_SECRET": "w", "SPACES_SECRET": "s"}
    given = executor_environ({"PATH": "/bin", "ENCRYPTION_KEYS": "e", "SUPABASE_SERVICE_ROLE_KEY": "k"}, values)
    assert given == {"PATH": "/bin", "DISPATCH_KEYS": "d", "SPACES_SECRET": "s"}


# One user without any capability, as on a machine where nobody is root.
_PLAIN = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--securebits", "+noroot"]
PLAIN_USER = _PLAIN if os.geteuid() == 0 else []


def environ_of(pid: int) -> "subprocess.CompletedProcess[str]":
    """What another process of the same user reads of a process's environment."""
    command = [*PLAIN_USER, "cat", f"/proc/{pid}/environ"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(bool(PLAIN_USER) and not shutil.which("setpriv"), reason="needs setpriv to be no root")
def test_the_executors_environment_is_closed_to_its_own_user(tmp_path: Path) -> None:
    """A worker runs as the same user; another program of that user, which is not closed, shows what closing does."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DISPATCH_KEYS": "1:CANARY"}
    program = [sys.executable, "-m", "rythmiq_cli.local.executor", "--slots", "0", "--data-dir", str(tmp_path)]
    with (
        subprocess.Popen([*PLAIN_USER, *program], stdout=subprocess.PIPE, env=environ, cwd=ROOT) as executor,
        subprocess.Popen([*PLAIN_USER, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as other,
    ):
        assert executor.stdout is not None
        assert other.stdout is not None
        assert other.stdin is not None
        executor.stdout.readline()
        other.stdin.write(b"ready\n")
        other.stdin.flush()
        other.stdout.readline()
        closed, opened = environ_of(executor.pid), environ_of(other.pid)
        executor.terminate()
        other.terminate()
    assert "CANARY" in opened.stdout
    assert (closed.returncode, closed.stdout) == (1, "")


def test_a_launcher_works_in_a_directory_of_its_own_that_goes_with_it(running: RunningExecutor) -> None:
    """Also what it leaves there."""
    order = new_order()
    reference = running.submit(order)
    running.until_started(order)
    directory = Path(json.loads(running.log(reference))["cwd"])
    assert list(directory.iterdir()) == []
    (directory / "left behind").write_bytes(b"x")
    running.finish(order)
    running.until(reference, "succeeded")
    until(lambda: not directory.exists())


def test_a_launcher_has_a_session_of_its_own(running: RunningExecutor) -> None:
    order = new_order()
    running.submit(order)
    running.until_started(order)
    (pid,) = running.stubs(order)
    assert os.getsid(pid) == pid
    running.finish(order)


# --- kills and restarts ----------------------------------------------------------------------------------------------


def test_a_killed_executor_comes_back_with_nothing_lost_and_nothing_doubled(tmp_path: Path) -> None:
    """What ran is known again, what waited starts, what had ended stays so."""
    with running_executor(tmp_path, "--slots", "2") as running:
        ended, first, second, waiting = (new_order() for _ in range(4))
        references = {order: running.submit(order) for order in (ended, first, second, waiting)}
        running.finish(ended, 75)
        running.until(references[ended], "failed")
        running.until_started(first, second)
        pids = [*running.stubs(first), *running.stubs(second)]
        running.kill()
        running.start()
        assert running.state(references[ended]) == "failed"
        assert [running.state(references[order]) for order in (first, second, waiting)] == [
            *("running", "running", "pending")
        ]
        assert [*running.stubs(first), *running.stubs(second)] == pids
        running.finish(first, 0)
        running.finish(second, 75)
        running.until(references[first], "succeeded")
        running.until(references[second], "failed")
        running.finish(waiting)
        running.until(references[waiting], "succeeded")
        assert running.submit(new_order()) not in references.values()


def test_a_launcher_that_ended_while_the_executor_was_away_is_judged_by_its_last_word(
    running: RunningExecutor,
) -> None:
    """Its log says with which exit code; one that vanished without a word has failed."""
    well, badly, silently = new_order(), new_order(), new_order()
    references = [running.submit(order) for order in (well, badly, silently)]
    running.until_started(well, badly, silently)
    (vanished,) = running.stubs(silently)
    pids = [pid for order in (well, badly, silently) for pid in running.stubs(order)]
    running.kill()
    running.finish(well, 0)
    running.finish(badly, 75)
    os.kill(vanished, signal.SIGKILL)
    until(lambda: not [pid for pid in pids if is_alive(pid)])
    running.start()
    states = ["succeeded", "failed", "failed"]
    until(lambda: [running.state(reference) for reference in references] == states)


def test_a_number_that_passed_to_another_process_is_not_taken_for_the_launcher(running: RunningExecutor) -> None:
    """The instant of its start tells; a stranger is neither waited for nor ended."""
    order = new_order()
    reference = running.submit(order)
    running.until_started(order)
    (pid,) = running.stubs(order)
    running.until(reference, "running")
    running.kill()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        file = running.folder / "data" / "jobs" / f"{reference}.json"
        entry = json.loads(file.read_text(encoding="utf-8"))
        entry["process"] |= {"pid": stranger.pid}
        file.write_text(json.dumps(entry), encoding="utf-8")
        running.start()
        running.until(reference, "failed")
        running.stop()
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("had_started", [True, False])
def test_an_executor_killed_around_a_start_starts_exactly_once(running: RunningExecutor, had_started: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Between the start and the note of it, and before the start."""
    order = new_order()
    reference = running.submit(order)
    running.until_started(order)
    running.until(reference, "running")
    (pid,) = running.stubs(order)
    running.kill()
    file = running.folder / "data" / "jobs" / f"{reference}.json"
    entry = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**entry, "status": "PROVISIONING", "process": None}), encoding="utf-8")
    if not had_started:
        os.kill(pid, signal.SIGKILL)
        for gate in running.gates.iterdir():
            gate.unlink()
        (running.folder / "data" / "logs" / f"{reference}.log").unlink()
    running.start()
    running.until(reference, "running")
    running.until_started(order)
    assert (running.stubs(order) == [pid]) is had_started
    running.finish(order)
    running.until(reference, "succeeded")


def test_sigterm_stops_everything_it_started_and_keeps_what_waits(tmp_path: Path) -> None:
    with running_executor(tmp_path, "--slots", "1") as running:
        order, waiting = new_order(), new_order()
        references = [running.submit(each) for each in (order, waiting)]
        running.until_started(order)
        (pid,) = running.stubs(order)
        assert running.stop() == 0
        assert not is_alive(pid)
        assert [running.entry(reference)["status"] for reference in references] == ["FAILED", "PENDING"]
        running.start()
        running.finish(waiting)
        running.until(references[1], "succeeded")


def test_sigterm_also_stops_launchers_of_the_executor_before(running: RunningExecutor) -> None:
    order = new_order()
    running.submit(order)
    running.until_started(order)
    (pid,) = running.stubs(order)
    running.kill()
    running.start()
    running.stop()
    until(lambda: not is_alive(pid))


def test_a_launcher_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with running_executor(tmp_path, "--grace-s", "0.2") as running:
        running.plan({"program": [sys.executable, str(FAULTS / "worker_hangs.py")]})
        reference = running.submit(new_order())
        running.until(reference, "running")
        work = running.folder / "data" / "work" / reference / "hanging-pids"
        until(work.exists)
        pid, helper = map(int, work.read_text(encoding="ascii").split())
        running.stop()
        assert not is_alive(pid)
        os.kill(helper, signal.SIGKILL)


# --- planned faults --------------------------------------------------------------------------------------------------


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


def test_an_order_waits_and_is_prepared_at_least_as_long_as_it_is_told(tmp_path: Path) -> None:
    with running_executor(tmp_path, "--pending-s", "0.2", "--provisioning-s", "0.3") as running:
        order = new_order()
        reference = running.submit(order)
        running.finish(order)
        running.until(reference, "succeeded")
        entry = running.entry(reference)
        submitted, started = (dt.datetime.fromisoformat(str(entry[name])) for name in ("submitted_at", "started_at"))
        assert started - submitted >= dt.timedelta(seconds=0.49)


def test_an_order_that_is_being_prepared_takes_its_slot(tmp_path: Path) -> None:
    """Camber's PROVISIONING, which counts as pending."""
    with running_executor(tmp_path, "--slots", "1", "--provisioning-s", "3600") as running:
        references = [running.submit(new_order()) for _ in range(2)]
        until(lambda: running.entry(references[0])["status"] == "PROVISIONING")
        assert running.entry(references[1])["status"] == "PENDING"
        assert [running.state(reference) for reference in references] == ["pending", "pending"]


def test_an_executor_without_slots_takes_orders_and_starts_nothing(tmp_path: Path) -> None:
    """So that a test can play the launcher."""
    with running_executor(tmp_path, "--slots", "0") as running:
        reference = running.submit(new_order())
        assert running.state(reference) == "pending"


# --- its HTTP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{}", 400), (b"[1]", 400), (b"{" * 100, 400), (b'{"job_id": "x"}', 400), (b"x" * 5000, 404)],
)
def test_what_is_no_order_is_not_taken(idle: RunningExecutor, body: bytes, status: int) -> None:
    assert httpx.post(f"{idle.url}/jobs", content=body, trust_env=False).status_code == status
    assert httpx.get(f"{idle.url}/jobs", trust_env=False).json() == {"jobs": []}


@pytest.mark.parametrize("path", ["/", "/jobs/1", "/jobs/1/logs", "/jobs/../x", "/nothing", "/jobs/25001/"])
def test_what_is_not_there_is_404(idle: RunningExecutor, path: str) -> None:
    assert httpx.get(idle.url + path, trust_env=False).status_code == 404


def test_cancelling_is_for_those_who_ask_for_it(running: RunningExecutor, tmp_path: Path) -> None:
    """Camber has none."""
    order = new_order()
    reference = running.submit(order)
    assert httpx.delete(f"{running.url}/jobs/{reference}", trust_env=False).status_code == 405
    running.finish(order)
    folder = tmp_path / "other"
    folder.mkdir()
    with running_executor(folder, "--slots", "1", "--cancel") as able:
        first, second = new_order(), new_order()
        references = [able.submit(first), able.submit(second)]
        able.until_started(first)
        assert [able.executor.cancel(each, timeout_s=TIMEOUT_S) for each in reversed(references)] == [True, True]
        for each in references:
            able.until(each, "cancelled")
        assert able.executor.cancel(references[0], timeout_s=TIMEOUT_S) is False


def test_it_listens_on_loopback_only(running: RunningExecutor) -> None:
    assert running.url.startswith("http://127.0.0.1:")


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    """Without a word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rythmiq_cli.local.executor", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0
