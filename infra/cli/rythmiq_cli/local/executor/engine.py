"""The local executor's one loop: takes orders into a queue, starts launchers in turn, and sees them end.

    PENDING -> PROVISIONING -> RUNNING -> COMPLETED | FAILED        PENDING -> CANCELLED

One thread, the caller of `run`, starts and ends processes; others hand orders in and read. Each change is on disk
before it is visible. After a kill, queued orders are started, running launchers are re-identified by PID and start
time, and one that is gone is FAILED unless its log holds its exit code.

Source: docs/specification/executors.md.
"""

import contextlib
import dataclasses
import datetime as dt
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rythmiq.ports import Order
from rythmiq_cli.local.executor import FIRST_ID, KEPT_TERMINAL, Entry, Fault, FaultPlan, Journal, Process, State
from rythmiq_cli.local.executor import launchers as processes

if TYPE_CHECKING:
    import subprocess

_TICK_S = 0.05
_IDLE_TICK_S = 0.5
_MOST_WAIT_S = 300.0


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """The executor's limits and delays.

    Attributes:
        slots: how many launchers run at once; 0 starts none.
        pending_s: how long an order waits at least.
        provisioning_s: between its turn and its start.
        grace_s: between SIGTERM and SIGKILL when the executor stops.
        program: the launcher's command line up to the order.
    """

    slots: int = 4
    pending_s: float = 0.0
    provisioning_s: float = 0.0
    grace_s: float = 10.0
    program: Sequence[str] = processes.PROGRAM


class Engine:
    """Orders, their processes, and what is known of them on disk.

    Args:
        data_dir: where everything is kept.
        environ: to choose the launchers' few variables from.
        config: limits and delays.
        plan: faults, for tests.
    """

    def __init__(
        self, data_dir: Path, environ: Mapping[str, str], config: ExecutorConfig, plan: FaultPlan | None = None
    ) -> None:
        self._data_dir = data_dir = data_dir.resolve()
        self._environ = environ
        self._config = config
        self._plan = plan or FaultPlan()
        self._journal = Journal(data_dir / "jobs")
        for name in ("logs", "work"):
            (data_dir / name).mkdir(exist_ok=True, mode=0o700)
        self._changed = threading.Condition()
        self._entries: dict[str, Entry] = {}
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._due_s: dict[str, float] = {}
        self._killed: set[str] = set()
        self._cancelled: set[str] = set()
        self._stopping = False
        with self._changed:
            self._recover()

    # --- for any thread ----------------------------------------------------------------------------------------------

    def submit(self, order: Order) -> Entry:
        """Take an order, whether or not it was given before; it starts later."""
        with self._changed:
            entry = self._new_entry(order)
            if self._plan.of(order).duplicate:
                self._new_entry(order)
            self._changed.notify_all()
        return entry

    def fault_of(self, order: Order) -> Fault:
        """The fault that is planned for an order."""
        return self._plan.of(order)

    def get(self, entry_id: str) -> Entry | None:
        """One order."""
        with self._changed:
            return self._entries.get(entry_id)

    def listed(self, job_id: str | None = None, attempt: int | None = None) -> list[Entry]:
        """Orders, oldest first."""
        with self._changed:
            return [
                entry
                for entry in self._entries.values()
                if job_id in {None, entry.order.job_id} and attempt in {None, entry.order.attempt}
            ]

    def cancel(self, entry_id: str) -> bool:
        """Stop an order; False when it has ended or is unknown. One that runs has time to report."""
        with self._changed:
            entry = self._entries.get(entry_id)
            if entry is None or entry.is_terminal:
                return False
            if entry.process is not None:
                self._cancelled.add(entry_id)
                processes.end(entry.process, signal.SIGTERM)
            else:
                self._finish(entry, "CANCELLED", None)
        return True

    def log_of(self, entry_id: str, lines: int) -> str:
        """The last lines that a launcher wrote."""
        return processes.tail(self._log(entry_id), lines)

    def wait_for_end(self, entry_id: str) -> None:
        """Return once an order has ended, or the executor stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._entries[entry_id].is_terminal, timeout=_MOST_WAIT_S)

    def stop(self) -> None:
        """Make `run` return soon; safe in a signal handler."""
        self._stopping = True

    # --- for the one loop --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until `stop`; then end everything that was started."""
        while not self._stopping:
            with self._changed:
                for entry in self._running():
                    self._check(entry)
                for entry in self._queue():
                    self._advance(entry)
                self._changed.wait(_TICK_S if self._running() or self._queue() else _IDLE_TICK_S)
        self._end_all()

    def _advance(self, entry: Entry) -> None:
        """Bring one queued order further, if it is its turn."""
        fault = self._plan.of(entry.order)
        if fault.cancel:
            self._finish(entry, "CANCELLED", None)
            return
        if entry.status == "PENDING":
            if fault.hold or len(self._busy()) >= self._config.slots or self._is_early(entry, self._config.pending_s):
                return
            entry = self._note(entry, status="PROVISIONING")
        if not self._is_early(entry, self._config.provisioning_s):
            self._start(entry, fault)

    def _is_early(self, entry: Entry, wait_s: float) -> bool:
        """Whether an order still has to wait in its state."""
        now_s = time.monotonic()
        if self._due_s.setdefault(entry.id, now_s + wait_s) > now_s:
            return True
        del self._due_s[entry.id]
        return False

    def _start(self, entry: Entry, fault: Fault) -> None:
        directory = self._data_dir / "work" / entry.id
        directory.mkdir(exist_ok=True, mode=0o700)
        try:
            child = processes.start(
                entry.order,
                program=fault.program or self._config.program,
                environ=self._environ,
                directory=directory,
                log=self._log(entry.id),
            )
        except OSError:
            self._finish(entry, "FAILED", None)
            return
        self._own[entry.id] = child
        self._note(entry, status="RUNNING", started_at=_now(), process=processes.identified(child.pid))

    def _check(self, entry: Entry) -> None:
        """Record the end of a launcher; kill it or its worker where the plan says so."""
        if entry.process is None:
            raise AssertionError("what runs is a process")
        own = self._own.get(entry.id)
        if own is not None and own.poll() is not None:
            code: int | None = own.returncode
        elif own is None and not processes.is_running(entry.process):
            code = processes.exit_code_of(self._log(entry.id))
        else:
            self._kill_by_plan(entry, entry.process)
            return
        status: State = "COMPLETED" if code == 0 else "FAILED"
        self._finish(entry, "CANCELLED" if entry.id in self._cancelled else status, code)

    def _kill_by_plan(self, entry: Entry, process: Process) -> None:
        fault = self._plan.of(entry.order)
        if fault.kill is None or entry.id in self._killed:
            return
        if fault.kill_when and fault.kill_when not in processes.tail(self._log(entry.id), 1_000):
            return
        victims = [process.pid] if fault.kill == "launcher" else processes.children(process.pid)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self._killed.add(entry.id)

    def _finish(self, entry: Entry, status: State, exit_code: int | None) -> None:
        self._own.pop(entry.id, None)
        shutil.rmtree(self._data_dir / "work" / entry.id, ignore_errors=True)
        self._note(entry, status=status, exit_code=exit_code, finished_at=_now(), process=None)
        self._forget_old()

    def _end_all(self) -> None:
        """SIGTERM to every launcher, SIGKILL to those that take too long."""
        ends_at_s = time.monotonic() + self._config.grace_s
        with self._changed:
            self._changed.notify_all()
            self._signal_all(signal.SIGTERM)
            while self._running() and time.monotonic() < ends_at_s:
                self._changed.wait(_TICK_S)
                for entry in self._running():
                    self._check(entry)
            self._signal_all(signal.SIGKILL)
            for entry in self._running():
                if (own := self._own.get(entry.id)) is not None:
                    own.wait()
                self._finish(entry, "FAILED", None)

    def _signal_all(self, number: signal.Signals) -> None:
        for entry in self._running():
            if entry.process is not None:
                processes.end(entry.process, number)

    # --- what is known -----------------------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Read what a process before this one left, and take its launchers over."""
        for entry in self._journal.read():
            self._entries[entry.id] = entry
        known = {entry.process.pid for entry in self._running() if entry.process is not None}
        for entry in [entry for entry in self._entries.values() if entry.status == "PROVISIONING"]:
            # Killed between its start and the note of it, or before its start.
            started = next((process for process in processes.found(entry.order) if process.pid not in known), None)
            if started is not None:
                known.add(started.pid)
                self._note(entry, status="RUNNING", started_at=_now(), process=started)
            elif processes.tail(self._log(entry.id), 1):
                code = processes.exit_code_of(self._log(entry.id))
                self._finish(entry, "COMPLETED" if code == 0 else "FAILED", code)
            else:
                self._note(entry, status="PENDING")
        for directory in (self._data_dir / "work").iterdir():
            if directory.name not in {entry.id for entry in self._running()}:
                shutil.rmtree(directory, ignore_errors=True)

    def _new_entry(self, order: Order) -> Entry:
        number = max((int(entry_id) for entry_id in self._entries), default=FIRST_ID - 1) + 1
        entry = Entry(str(number), order, "PENDING", _now())
        self._journal.write(entry)
        self._entries[entry.id] = entry
        return entry

    def _note(self, entry: Entry, **changes: object) -> Entry:
        changed = dataclasses.replace(entry, **changes)  # type: ignore[arg-type]  # the fields are the callers'
        self._journal.write(changed)
        self._entries[entry.id] = changed
        self._changed.notify_all()
        return changed

    def _forget_old(self) -> None:
        ended = [entry for entry in self._entries.values() if entry.is_terminal]
        for entry in ended[:-KEPT_TERMINAL]:
            self._journal.forget(entry.id)
            self._log(entry.id).unlink(missing_ok=True)
            del self._entries[entry.id]

    def _running(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.status == "RUNNING"]

    def _busy(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.status in {"PROVISIONING", "RUNNING"}]

    def _queue(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.status in {"PENDING", "PROVISIONING"}]

    def _log(self, entry_id: str) -> Path:
        return self._data_dir / "logs" / f"{entry_id}.log"


def _now() -> str:
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds")
