"""Faults that a test plans for the local executor: what Camber was seen to do, and worse.

A plan is a JSON file, a list of faults; each names a job and an attempt, or any. It is read again at every use, so that
a test can plan a fault for a job whose id it has just learnt, and take it back. Without a file there are none.

Source: docs/specification/executors.md, docs/camber.md.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rythmiq.ports.executor import Order


class Fault(BaseModel):
    """What goes wrong with one order, or with all.

    Attributes:
        job_id: whose; None for any.
        attempt: which; None for any.
        reject: the order is refused for good.
        drop_order: it is not taken, and the connection is cut.
        drop_reply: it is taken, and the connection is cut before the reply.
        late_reply: the reply comes only after the launcher has ended: the webhook is there first.
        duplicate: it is started twice, under two numbers.
        hold: it stays PENDING while the plan says so: it never starts, or late.
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

    @property
    def is_in_use(self) -> bool:
        """Whether there is a file, which may change at any time."""
        return self._file is not None

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
