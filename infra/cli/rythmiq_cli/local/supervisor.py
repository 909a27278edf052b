"""Keeps processes running: one that ends without being stopped is started again.

One thread starts and ends them all. A `Tether` ends them should this process be killed.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.local.tether import Tether

_LOOK_EVERY_S = 0.05
_STEADY_AFTER_S = 5.0
_MAX_PAUSE_S = 2.0
_FIRST_STARTS = 3

Spawn = Callable[[int], "subprocess.Popen[bytes]"]
Log = Callable[[Mapping[str, Any]], None]


class PartError(RythmiqError):
    """A part of the cloud does not start."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process to keep running.

    Attributes:
        name: for logs and errors.
        spawn: starts its process in a session of its own; it prints to the descriptor that is given.
        ready: whether it answers now.
        log: a file for what it prints; by default the cloud's log.
        stop_signal: asks it to end.
        grace_s: how long that may take before it is killed with its group.
        ready_within_s: how long a start may take.
    """

    name: str
    spawn: Spawn
    ready: Callable[[], bool]
    log: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 5.0
    ready_within_s: float = 60.0


@dataclass(slots=True)
class _Running:
    part: Part
    process: "subprocess.Popen[bytes] | None" = None
    started_s: float = 0.0
    not_before_s: float = 0.0
    starts: int = 0
    quick_ends: int = 0
    stopping: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)


class Supervisor:
    """Starts parts, restarts what ends, and stops all in reverse order.

    Args:
        tether: ends the processes should this one be killed.
        descriptor: where parts write that have no log of their own.
        log: called with each start and end.
    """

    def __init__(self, tether: Tether, descriptor: int, log: Log = lambda _event: None) -> None:
        self._tether = tether
        self._descriptor = descriptor
        self._log = log
        self._parts: list[_Running] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def start(self, part: Part) -> None:
        """Start a part and wait until it answers.

        Raises:
            PartError: it ends again and again, or does not answer in time.
        """
        running = _Running(part)
        with self._lock:
            self._parts.append(running)
        ends_at_s = time.monotonic() + part.ready_within_s
        while not (running.process is not None and running.process.poll() is None and part.ready()):
            if running.starts > _FIRST_STARTS:
                raise PartError(f"{part.name} ends as soon as it is started{_tail(part)}")
            if time.monotonic() > ends_at_s:
                raise PartError(f"{part.name} does not answer within {part.ready_within_s:g} s{_tail(part)}")
            time.sleep(_LOOK_EVERY_S)

    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        with self._lock:
            return {r.part.name: r.process.pid for r in self._parts if r.process is not None}

    def stop(self, name: str) -> None:
        """Stop one part for good."""
        with self._lock:
            running = next(running for running in self._parts if running.part.name == name)
            running.stopping = True
        running.stopped.wait()

    def close(self) -> None:
        """Stop every part, the last one started first."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_EVERY_S):
            with self._lock:
                parts = list(self._parts)
            for running in parts:
                self._supervise(running)
        for running in reversed(self._parts):
            self._end(running)

    def _supervise(self, running: _Running) -> None:
        now_s = time.monotonic()
        if running.stopping:
            self._end(running)
        elif running.process is None:
            if now_s >= running.not_before_s:
                self._spawn(running)
        elif (code := running.process.poll()) is not None:
            self._log({"event": "part_ended", "level": "warning", "part": running.part.name, "exit_code": code})
            self._tether.let_go(running.process.pid)
            steady = now_s - running.started_s > _STEADY_AFTER_S
            running.quick_ends = 0 if steady else running.quick_ends + 1
            running.not_before_s = now_s + min(_MAX_PAUSE_S, 0.1 * running.quick_ends**2)
            running.process = None

    def _spawn(self, running: _Running) -> None:
        part = running.part
        running.starts += 1
        running.started_s = time.monotonic()
        own_log = None if part.log is None else os.open(part.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            process = part.spawn(self._descriptor if own_log is None else own_log)
        except OSError as error:
            self._log({"event": "part_not_started", "level": "error", "part": part.name, "reason": str(error)})
            running.not_before_s = running.started_s + _MAX_PAUSE_S
            return
        finally:
            if own_log is not None:
                os.close(own_log)
        self._tether.hold(process.pid)
        running.process = process
        self._log({"event": "part_started", "part": part.name, "pid": process.pid, "starts": running.starts})

    def _end(self, running: _Running) -> None:
        process, began_s = running.process, time.monotonic()
        if process is not None and process.poll() is None:
            for number, wait_s in ((running.part.stop_signal, running.part.grace_s), (signal.SIGKILL, 5.0)):
                _send(process, number)
                try:
                    process.wait(wait_s)
                except subprocess.TimeoutExpired:
                    continue
                break
        if process is not None:
            self._tether.let_go(process.pid)
            wall_ms = int((time.monotonic() - began_s) * 1000)
            self._log({"event": "part_stopped", "part": running.part.name, "code": process.poll(), "wall_ms": wall_ms})
        running.process = None
        running.stopping = False
        with self._lock:
            if running in self._parts and not self._closing.is_set():
                self._parts.remove(running)
        running.stopped.set()


def program(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path
) -> Callable[[int], "subprocess.Popen[bytes]"]:
    """A spawn function for a command whose STDERR goes to the log; `environ` is all of its environment."""

    def spawn(log: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  a part's own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=dict(environ),
            cwd=cwd,
            start_new_session=True,
        )

    return spawn


def _send(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """SIGKILL goes to the whole group; a gentler one to its leader, which knows how to end its own."""
    try:
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # one that was stopped must be resumed to receive it
    except ProcessLookupError:
        return


def _tail(part: Part) -> str:
    """The last lines of a part's own log."""
    if part.log is None or not part.log.exists():
        return ""
    lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return ":\n" + "\n".join(lines[-8:])
