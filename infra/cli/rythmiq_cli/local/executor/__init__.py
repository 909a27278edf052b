"""The local executor: takes orders over HTTP and starts a launcher for each.

Orders lie on disk, so that a killed executor comes back with nothing lost: one JSON file an order, replaced as a whole
at each change. Files are not synced: they outlive the process, not a power cut. A plan of faults is a JSON file, too,
which is read again at every use, so that a test can plan a fault for a job whose id it has just learnt, and take it
back.
"""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rythmiq.ports import Order

State = Literal["PENDING", "PROVISIONING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
FIRST_ID = 25_001
KEPT_TERMINAL = 1_000


@dataclass(frozen=True, slots=True)
class Process:
    """The identity of a process: PIDs are reused, a PID with its start time is not.

    Attributes:
        pid: its number.
        started_ticks: field 22 of `/proc/{pid}/stat`; 0 where there is no /proc.
        boot: which boot of the machine.
    """

    pid: int
    started_ticks: int
    boot: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One order and its state.

    Attributes:
        id: the executor's number for it.
        exit_code: of its launcher; None before its end, and when it is unknown.
    """

    id: str
    order: Order
    status: State
    submitted_at: str
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = None
    process: Process | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.status in TERMINAL

    def public(self) -> dict[str, object]:
        """The order as the executor's HTTP shows it."""
        facts = dataclasses.asdict(self)
        del facts["process"]
        order = facts.pop("order")
        return {
            **facts,
            **order,
            "command": f"rythmiq-launch {self.order.user_id} {self.order.job_id} {self.order.attempt}",
        }


class Journal:
    """The orders of one data directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def read(self) -> list[Entry]:
        """Every order, oldest first."""
        for leftover in self._directory.glob("*.partial"):
            leftover.unlink()
        return sorted(self._entries(), key=lambda entry: int(entry.id))

    def write(self, entry: Entry) -> None:
        """Write one order, replacing its earlier state."""
        file = self._directory / f"{entry.id}.json"
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(dataclasses.asdict(entry)), encoding="utf-8")
        partial.replace(file)

    def forget(self, entry_id: str) -> None:
        """Delete one order."""
        (self._directory / f"{entry_id}.json").unlink(missing_ok=True)

    def _entries(self) -> Iterator[Entry]:
        for file in self._directory.glob("*.json"):
            facts = json.loads(file.read_text(encoding="utf-8"))
            process = facts.pop("process")
            yield Entry(
                **{**facts, "order": Order(**facts["order"]), "process": Process(**process) if process else None}
            )


class Fault(BaseModel):
    """A planned fault of one order, or of all.

    Attributes:
        job_id: whose; None for any.
        attempt: which; None for any.
        reject: the order is refused for good.
        drop_order: it is not taken, and the connection is cut.
        drop_reply: it is taken, and the connection is cut before the reply.
        late_reply: the reply comes only after the launcher has ended: the webhook is there first.
        duplicate: it is started twice, under two numbers.
        hold: it stays PENDING while the plan holds it.
        cancel: it goes from PENDING to CANCELLED without having been started.
        program: what is started in the launcher's place.
        kill: who gets SIGKILL once it runs.
        kill_when: not before the launcher's log holds this text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: str | None = None
    attempt: int | None = None
    reject: bool = False
    drop_order: bool = False
    drop_reply: bool = False
    late_reply: bool = False
    duplicate: bool = False
    hold: bool = False
    cancel: bool = False
    program: tuple[str, ...] | None = None
    kill: Literal["launcher", "worker"] | None = None
    kill_when: str = ""


_FAULTS = TypeAdapter(list[Fault])
NO_FAULT = Fault()


class FaultPlan:
    """The faults of a file; none without one."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file

    def of(self, order: Order) -> Fault:
        """The first fault that is planned for an order."""
        for fault in self._read():
            if fault.job_id in {None, order.job_id} and fault.attempt in {None, order.attempt}:
                return fault
        return NO_FAULT

    def _read(self) -> list[Fault]:
        try:
            return _FAULTS.validate_json(self._file.read_bytes()) if self._file is not None else []
        except FileNotFoundError:
            return []
