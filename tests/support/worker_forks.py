"""Many workers for the price of few starts: processes that fork one for each job (`fork_server`), one for each core."""

import json
import os
import queue
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.worker_run import ROOT, Done, Job, environ_for, held_to_the_contract

# What a worker may take at all, so that one that runs wild ends alone; what it should take is the test's to say.
_ADDRESS_SPACE_BYTES = 6 * 2**30


@dataclass(frozen=True, slots=True)
class Ended:
    """How a forked worker ended, and what it took together with its own children.

    Attributes:
        exit_code: negative for a signal.
    """

    exit_code: int
    wall_s: float
    cpu_s: float
    max_rss_bytes: int
    stdout: bytes
    stderr: bytes
    environ: Mapping[str, str]

    def held(self) -> Done:
        """Hold it to what is promised of every run."""
        return held_to_the_contract(self.exit_code, self.stdout, self.stderr, self.environ)


@dataclass(frozen=True, slots=True)
class Forks:
    """The fork servers that stand ready."""

    servers: "queue.Queue[subprocess.Popen[str]]"
    environ: Mapping[str, str]
    room: Path
    count: int

    def run(self, job: Job) -> Ended:
        """Run one job in a fork of its own."""
        place = self.room / uuid.uuid4().hex
        place.mkdir()
        (place / "payload").write_text(json.dumps(job.payload))
        server = self.servers.get()
        try:
            told, telling = _pipes(server)
            told.write(f"{place}\n")
            told.flush()
            ended = json.loads(telling.readline())
        finally:
            self.servers.put(server)
        stdout, stderr = ((place / name).read_bytes() for name in ("stdout", "stderr"))
        return Ended(**ended, stdout=stdout, stderr=stderr, environ=self.environ)


@contextmanager
def forks(job: Job, room: Path, *, timeout_s: int) -> Iterator[Forks]:
    """Start the servers, with the environment that the worker of `job` would have."""
    environ, count = environ_for(job.store.config), os.cpu_count() or 1
    servers: queue.Queue[subprocess.Popen[str]] = queue.Queue()
    command = [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(timeout_s)]
    with ExitStack() as started:
        for _ in range(count):
            server = subprocess.Popen(
                [*command, str(_ADDRESS_SPACE_BYTES)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
            )
            started.enter_context(server)
            servers.put(server)
        yield Forks(servers, environ, room, count)
        for _ in range(count):
            _pipes(servers.get())[0].close()  # the end of its list ends a server


def _pipes(server: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    if server.stdin is None or server.stdout is None:
        raise AssertionError("a server is started with both")
    return server.stdin, server.stdout
