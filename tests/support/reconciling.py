"""A tick past the lease, and what it left of a job."""

from typing import Any

from rythmiq.contracts.errors import StoreUnavailableError
from rythmiq.services.reconcile import TickReport
from tests.support.service_rig import LEASE_S, Rig

DOWN = StoreUnavailableError("the server answered 503")


def tick_after(rig: Rig, seconds: float = LEASE_S + 1) -> TickReport:
    rig.advance(seconds)
    return rig.loop.tick()


def status(rig: Rig, job_id: str) -> tuple[str, int]:
    row = rig.row(job_id)
    return row["status"], row["attempt"]


def code(rig: Rig, job_id: str) -> Any:
    details = rig.row(job_id)["error_details"]
    return details.get("code") or details["attempts"][-1]["code"]


def set_state(rig: Rig, job_id: str, state: Any) -> None:
    for execution in rig.executor.of(job_id):
        execution.state = state
