"""Both ends of an attempt: the dispatch object that it starts from, and the result that follows from the worker's end.

With a key ring only a service object is taken as a dispatch object, which no client can make. Without one it is plain
JSON, and taken only where the worker takes plaintext. The result is the worker's own, or an INTERNAL_ERROR that says
why there is none.

Source: docs/specification/launcher.md, docs/specification/worker.md, docs/specification/rqe1.md.
"""

import signal
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from rythmiq.contracts.attempt import Dispatch
from rythmiq.contracts.errors import ErrorCode, Stage, may_repeat
from rythmiq.contracts.result import MAX_STDOUT_BYTES, RESULT, ErrorReport, Failure, Success
from rythmiq.crypto import DecryptionError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_worker.launcher.process import Ended

MAX_DISPATCH_BYTES = 1024 * 1024
"""As much as the worker reads, with what RQE1 adds."""


class DispatchRefusedError(Exception):
    """The object at the dispatch key is not one that this launcher runs.

    Args:
        reason: a word for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Launch:
    """What the command line names: one attempt of one job."""

    user_id: str
    job_id: str
    attempt: int


def opened(data: bytes, *, storage_key: str, launch: Launch, ring: KeyRing | None) -> Dispatch:
    """Open a dispatch object.

    Args:
        data: the object's bytes.
        storage_key: its key in the store; it opens under no other.
        launch: what it must be about.
        ring: of DISPATCH_KEYS; None where jobs are plaintext.

    Raises:
        DispatchRefusedError: it is forged, damaged, sealed under a key that the ring does not have, or about another
            attempt.
    """
    try:
        document = data if ring is None else ring.open_service(data, storage_key=storage_key)
    except DecryptionError as error:
        raise DispatchRefusedError(error.reason) from None
    try:
        dispatch = Dispatch.model_validate_json(document)
    except ValidationError:
        raise DispatchRefusedError("malformed") from None
    if (dispatch.user_id, dispatch.job_id, dispatch.attempt) != (launch.user_id, launch.job_id, launch.attempt):
        raise DispatchRefusedError("another_attempt")
    return dispatch


def payload_of(dispatch: Dispatch) -> dict[str, Any]:
    """The worker's payload: the dispatch object without the callback."""
    return dispatch.model_dump(mode="json", exclude={"callback"})


Reason = Literal["crash", "killed", "hang", "terminated", "silence", "garbage", "wrong_job_id", "wrong_keys", "start"]

_SENTENCES: dict[Reason, str] = {
    "crash": "The worker crashed.",
    "killed": "The worker was killed, as when memory runs out.",
    "hang": "The worker did not end by its deadline and was stopped.",
    "terminated": "The executor ended the job.",
    "silence": "The worker ended without a result.",
    "garbage": "The worker printed what is not one valid result.",
    "wrong_job_id": "The worker answered for another job.",
    "wrong_keys": "The worker answered with objects that are not this job's.",
    "start": "The worker could not be started.",
}


def judged(ended: Ended, dispatch: Dispatch, *, stage: Stage, timeout_s: float) -> Success | Failure:
    """Return the worker's result if it kept its contract, else a synthesized failure.

    Args:
        ended: how it ended.
        dispatch: what it was asked to do.
        stage: the one that it had begun last.
        timeout_s: its deadline, for the report.
    """
    match ended.by, ended.exit_code:
        case "deadline", _:
            result: Success | Failure = synthesized_failure(dispatch, "hang", stage, timeout_s=timeout_s)
        case ("terminated" | "start") as reason, _:
            result = synthesized_failure(dispatch, reason, stage)
        case "flood", _:
            result = synthesized_failure(dispatch, "garbage", stage)
        case _, 0:
            result = _read(ended.stdout, dispatch, stage)
        case _, code if code == -signal.SIGKILL:
            result = synthesized_failure(dispatch, "killed", stage, signal="SIGKILL")
        case _, code if code < 0:
            result = synthesized_failure(dispatch, "crash", stage, signal=_signal_name(-code))
        case _, code:
            result = synthesized_failure(dispatch, "crash", stage, exit_code=code)
    return result


def synthesized_failure(dispatch: Dispatch, reason: Reason, stage: Stage, **detail: str | float) -> Failure:
    """Make the failure of a worker that did not report one itself."""
    facts = {"reason": reason, **detail}
    return Failure(
        job_id=dispatch.job_id,
        error=ErrorReport(
            code=ErrorCode.INTERNAL_ERROR,
            stage=stage,
            message=_SENTENCES[reason],
            retryable=may_repeat(ErrorCode.INTERNAL_ERROR, facts),
            detail=facts,
        ),
    )


def _read(stdout: bytes, dispatch: Dispatch, stage: Stage) -> Success | Failure:
    if not stdout.strip():
        return synthesized_failure(dispatch, "silence", stage)
    try:
        if len(stdout) > MAX_STDOUT_BYTES:
            raise ValueError("more than a result may have")  # noqa: TRY301  one answer to all that is no result
        result = RESULT.validate_json(stdout)
    except (ValidationError, ValueError):
        return synthesized_failure(dispatch, "garbage", stage)
    if result.job_id not in {dispatch.job_id, None}:
        return synthesized_failure(dispatch, "wrong_job_id", stage)
    # The API would refuse such a result, and nobody would learn why.
    owner = (dispatch.user_id, dispatch.document_id)
    if isinstance(result, Success) and result.artifacts.owner(dispatch.job_id) != owner:
        return synthesized_failure(dispatch, "wrong_keys", stage)
    return result


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
