"""Parts that end are started again; the whole stops in order, whatever a part does."""

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rythmiq_cli.local.supervisor import Part, PartError, Supervisor, program
from rythmiq_cli.local.tether import Tether
from tests.support.cloud_functions import process_state, within

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="process states are read from /proc")

SERVER = """
import signal, socket, sys
port, deaf = int(sys.argv[1]), len(sys.argv) > 2
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        server.accept()[0].close()
"""


class Cloud:
    """A supervisor, and the parts that a test gives it."""

    def __init__(self, directory: Path, supervisor: Supervisor) -> None:
        self.directory = directory
        self.supervisor = supervisor
        self.events: list[dict[str, Any]] = []

    def part(self, name: str, *arguments: str, source: str = SERVER, **changes: Any) -> Part:
        """A part that listens on a port of its own."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        command = (sys.executable, "-I", "-S", "-c", source, str(port), *arguments)
        return Part(
            name,
            program(command, {"PATH": os.environ["PATH"]}, self.directory),
            lambda: _listens(port),
            self.directory / f"{name}.log",
            **changes,
        )

    def pid(self, name: str) -> int:
        """The process of a part; 0 while there is none."""
        return self.supervisor.pids().get(name, 0)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    events: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        tether = stack.enter_context(Tether())
        supervisor = Supervisor(tether, sys.stderr.fileno(), lambda event: events.append(dict(event)))
        stack.callback(supervisor.close)
        made = Cloud(tmp_path, supervisor)
        made.events = events
        yield made


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_a_started_part_answers(cloud: Cloud) -> None:
    part = cloud.part("one")
    cloud.supervisor.start(part)
    assert part.ready()


def test_a_killed_part_is_started_again_at_its_old_address(cloud: Cloud) -> None:
    part = cloud.part("one")
    cloud.supervisor.start(part)
    pid = cloud.pid("one")
    os.kill(pid, signal.SIGKILL)
    within(20, lambda: cloud.pid("one") not in {0, pid} and part.ready())
    assert [event["event"] for event in cloud.events] == ["part_started", "part_ended", "part_started"]


def test_a_part_that_is_killed_again_and_again_comes_back_each_time(cloud: Cloud) -> None:
    part = cloud.part("one")
    cloud.supervisor.start(part)
    for _ in range(3):
        pid = cloud.pid("one")
        os.kill(pid, signal.SIGKILL)
        within(20, lambda pid=pid: cloud.pid("one") not in {0, pid} and part.ready())  # type: ignore[misc]


def test_a_part_that_cannot_start_is_told_with_its_last_words(cloud: Cloud) -> None:
    with pytest.raises(PartError, match=r"(?s)one ends as soon as it is started.*no such thing"):
        cloud.supervisor.start(cloud.part("one", source="raise SystemExit('no such thing')"))


def test_a_part_that_never_answers_is_told(cloud: Cloud) -> None:
    sleeper = "import time; time.sleep(600)"
    with pytest.raises(PartError, match="one does not answer within"):
        cloud.supervisor.start(cloud.part("one", source=sleeper, ready_within_s=0.3))


def test_a_command_that_does_not_exist_is_tried_again_and_told(cloud: Cloud) -> None:
    part = Part("one", program(("/nowhere/program",), {}, cloud.directory), lambda: False, ready_within_s=0.3)
    with pytest.raises(PartError):
        cloud.supervisor.start(part)
    assert cloud.events[0]["event"] == "part_not_started"


def test_a_part_that_was_stopped_stays_stopped(cloud: Cloud) -> None:
    first, second = cloud.part("first"), cloud.part("second")
    cloud.supervisor.start(first)
    cloud.supervisor.start(second)
    cloud.supervisor.stop("first")
    assert not first.ready()
    assert second.ready()
    assert set(cloud.supervisor.pids()) == {"second"}


def test_parts_are_stopped_in_reverse_order(cloud: Cloud) -> None:
    for name in ("first", "second", "third"):
        cloud.supervisor.start(cloud.part(name))
    cloud.supervisor.close()
    stopped = [event["part"] for event in cloud.events if event["event"] == "part_stopped"]
    assert stopped == ["third", "second", "first"]


def test_a_part_that_does_not_hear_is_killed(cloud: Cloud) -> None:
    cloud.supervisor.start(cloud.part("deaf", "deaf", grace_s=0.2))
    pid = cloud.pid("deaf")
    cloud.supervisor.close()
    assert process_state(pid) == ""


def test_a_part_that_was_paused_hears_that_it_is_to_stop(cloud: Cloud) -> None:
    cloud.supervisor.start(cloud.part("paused", grace_s=60.0))
    os.kill(cloud.pid("paused"), signal.SIGSTOP)
    cloud.supervisor.close()
    (stopped,) = [event for event in cloud.events if event["event"] == "part_stopped"]
    assert stopped["code"] == -signal.SIGTERM
