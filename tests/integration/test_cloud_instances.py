"""Instances of a function: one call at a time each, started on demand, paused, replaced when they are killed."""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.cloud_functions import Server, process_state, within

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="process states are read from /proc")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Server]:
    """Serves one function behind the local gateway."""
    with contextlib.ExitStack() as stack:
        yield Server(tmp_path, stack)


def test_calls_one_after_another_meet_the_same_instance(serve: Server) -> None:
    client = serve()
    assert [client.get("/echo").json()["calls"] for _ in range(3)] == [1, 2, 3]


def test_calls_at_once_meet_instances_of_their_own(serve: Server) -> None:
    client = serve(
        """
        import os, time
        def main(event):
            time.sleep(0.5)
            return {"body": {"pid": os.getpid()}}
        """
    )
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: client.get("/echo").json()["pid"], range(3)))
    assert len(set(answers)) == 3


def test_an_instance_is_paused_between_calls_and_answers_the_next(serve: Server) -> None:
    client = serve()
    pid = client.get("/echo").json()["pid"]
    within(5, lambda: process_state(pid) == "T")
    assert client.get("/echo").json()["calls"] == 2


def test_a_call_whose_instance_is_killed_is_502_and_the_instance_is_replaced(serve: Server) -> None:
    client = serve()
    pid = client.get("/echo").json()["pid"]
    within(5, lambda: process_state(pid) == "T")
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.get, "/echo?sleep")
        within(5, lambda: process_state(pid) != "T")
        os.kill(pid, signal.SIGKILL)
        assert answer.result().status_code == 502
    assert client.get("/echo").json()["calls"] == 1


def test_an_idle_instance_that_is_killed_is_replaced_before_anybody_calls(serve: Server) -> None:
    client = serve()
    pid = client.get("/echo").json()["pid"]
    os.kill(pid, signal.SIGKILL)
    (idle,) = within(5, lambda: [idle.process.pid for idle in serve.pool._idle if idle.process.pid != pid])
    assert client.get("/echo").json()["pid"] == idle


def test_closing_ends_instances_in_mid_call_and_at_rest(serve: Server) -> None:
    client = serve()
    pid = client.get("/echo").json()["pid"]
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(client.get, "/echo?sleep")
        within(5, lambda: serve.pool._busy)
        serve.gateway.close()
        with contextlib.suppress(httpx.HTTPError):
            assert answer.result().status_code in {502, 503}
    assert process_state(pid) in {"", "Z"}
