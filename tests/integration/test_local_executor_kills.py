"""The local executor is killed or stopped, at any moment: nothing is lost and nothing runs twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.executor_run import RunningExecutor, new_order, running_executor
from tests.support.launch_run import is_alive, until
from tests.support.local_executor_rig import order, running
from tests.support.worker_run import FAULTS

__all__ = ["order", "running"]


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
