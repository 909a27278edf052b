"""The local executor: a process of its own that survives kills, and misbehaves where a test plans it."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rythmiq.contracts.keys import result_key
from rythmiq_cli.local.environment import executor_environ
from tests.support import loopback
from tests.support.executor_run import TIMEOUT_S, RunningExecutor, new_order, running_executor
from tests.support.launch_run import Order, until
from tests.support.local_executor_rig import idle, order, ordered, real, running
from tests.support.worker_run import FAULTS, ROOT

__all__ = ["idle", "order", "real", "running"]


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
    assert loopback.post(f"{idle.url}/jobs", content=body).status_code == status
    assert loopback.get(f"{idle.url}/jobs").json() == {"jobs": []}


@pytest.mark.parametrize("path", ["/", "/jobs/1", "/jobs/1/logs", "/jobs/../x", "/nothing", "/jobs/25001/"])
def test_what_is_not_there_is_404(idle: RunningExecutor, path: str) -> None:
    assert loopback.get(idle.url + path).status_code == 404


def test_cancelling_is_for_those_who_ask_for_it(running: RunningExecutor, tmp_path: Path) -> None:
    """Camber has none."""
    order = new_order()
    reference = running.submit(order)
    assert loopback.delete(f"{running.url}/jobs/{reference}").status_code == 405
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
