"""What the worker's end means for the job: its own result, or an INTERNAL_ERROR that says why there is none.

Source: docs/specification/worker.md, docs/specification/executors.md.
"""

import signal
from typing import Literal

from pydantic import ValidationError

from rythmiq.contracts.dispatch import Dispatch
from rythmiq.contracts.errors import CATALOGUE, ErrorCode, Stage
from rythmiq.contracts.result import MAX_STDOUT_BYTES, RESULT, ErrorReport, Failure, Success
from rythmiq_worker.launcher.process import Ended

Reason = Literal[
    "crash", "killed", "hang", "terminated", "silence", "garbage", "wrong_job_id", "wrong_keys", "start", "data_key"
]

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
    "data_key": "The job's data key does not unwrap.",
}


def judged(ended: Ended, dispatch: Dispatch, *, stage: Stage, timeout_s: float) -> Success | Failure:
    """The worker's result when it kept its contract, else a failure that says why there is none.

    Args:
        ended: how it ended.
        dispatch: what it was asked.
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
    """The failure of a worker that does not report one itself."""
    return Failure(
        job_id=dispatch.job_id,
        error=ErrorReport(
            code=ErrorCode.INTERNAL_ERROR,
            stage=stage,
            message=_SENTENCES[reason],
            retryable=CATALOGUE[ErrorCode.INTERNAL_ERROR].retryable,
            detail={"reason": reason, **detail},
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
