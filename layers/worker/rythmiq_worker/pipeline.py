"""One job: a payload's bytes in, one result out, whatever happens between.

Source: docs/specification/worker.md.
"""

import importlib
import json
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import cast

from rythmiq.contracts.advice import Advice
from rythmiq.contracts.errors import CATALOGUE, ErrorCode, JobError, SettingsError, Stage
from rythmiq.contracts.result import MAX_STDOUT_BYTES, ErrorReport, Failure, Metrics, StageTime, Success
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.intake import admitted, job_id_of, parsed, validated
from rythmiq_worker.stdio import log_line

Log = Callable[[str], object]
StageVerb = Callable[[Frame, Context], None]

STAGES: tuple[Stage, ...] = ("fetch", "decode", "quality", "enhance", "ocr", "schema", "upload")
_MAX_MESSAGE_CHARS = 500


@dataclass(slots=True)
class _Run:
    """A job on its way: what it is, where it stands, and what it has cost."""

    log: Log
    job_id: str | None = None
    attempt: int | None = None
    stage: Stage = "init"
    began_s: float = field(default_factory=time.monotonic)
    times: list[StageTime] = field(default_factory=list)
    frame: Frame = field(default_factory=Frame)

    def tell(self, event: str, **facts: object) -> None:
        """Log one event; no personal data, no URL, no storage key."""
        ids = {"job_id": self.job_id, "attempt": self.attempt}
        self.log(json.dumps({"event": event, **ids, **facts}, separators=(",", ":")))

    def metrics(self, ocr_confidence: float | None = None) -> Metrics:
        made = bool(self.frame.document)
        return Metrics(
            ocr_confidence=ocr_confidence,
            processing_ms=round((time.monotonic() - self.began_s) * 1000),
            stages=tuple(self.times),
            input_bytes=self.frame.input_bytes,
            document_bytes=len(self.frame.document) if made else None,
            encodes=self.frame.encodes if made else None,
        )


def answer(document: bytes, environ: Mapping[str, str], log: Log = log_line) -> bytes:
    """Run one job and put its result into at most 64 KiB of JSON."""
    result = run(document, environ, log)
    text = result.model_dump_json().encode()
    if len(text) < MAX_STDOUT_BYTES:  # room for the line's end
        return text
    report = _report(JobError(ErrorCode.INTERNAL_ERROR, "the result is too large to be told", stage="upload"), "upload")
    return Failure(job_id=result.job_id, error=report, metrics=result.metrics).model_dump_json().encode()


def run(document: bytes, environ: Mapping[str, str], log: Log = log_line) -> Success | Failure:
    """Run one job; whatever goes wrong becomes a failure of the catalogue.

    Args:
        document: what came on STDIN.
        environ: the worker's environment.
        log: takes JSON lines.
    """
    job = _Run(log)
    try:
        result: Success | Failure = _run(job, document, environ)
    except JobError as error:
        result = _failure(job, _report(error, job.stage))
    except SettingsError as error:
        result = _failure(job, _unexpected("init", f"the worker is misconfigured: {error}"))
    except BaseException as error:  # noqa: BLE001  a library's SystemExit, too, must end in one valid document
        job.tell("unexpected", stage=job.stage, type=type(error).__name__, where=_where(error))
        # The error's own words may quote a file, a key or a name; its type does not.
        result = _failure(job, _unexpected(job.stage, f"something unexpected went wrong ({type(error).__name__})"))
    job.tell("result", status=result.status, code=result.error.code if isinstance(result, Failure) else None)
    return result


def _run(job: _Run, document: bytes, environ: Mapping[str, str]) -> Success:
    raw = parsed(document)
    job.job_id = job_id_of(raw)
    payload = validated(raw)
    job.attempt = payload.attempt
    ctx = admitted(payload, WorkerSettings.from_environ(environ))
    for stage in STAGES:
        job.stage = stage
        _run_stage(job, ctx)
    from rythmiq_worker.stages.ocr import confidence_of  # noqa: PLC0415  it ran, so it is there

    frame = job.frame
    if frame.quality is None or frame.artifacts is None or frame.receipt is None:
        raise AssertionError("a stage left its part out")
    return Success(
        job_id=payload.job_id,
        quality_score=frame.quality.score,
        warnings=tuple(str(notice) for notice in frame.warnings),
        advice=tuple(Advice(code=notice.code.value, parameters=dict(notice.parameters)) for notice in frame.warnings),
        artifacts=frame.artifacts,
        metrics=job.metrics(confidence_of(frame)),
        receipt=frame.receipt,
    )


def _run_stage(job: _Run, ctx: Context) -> None:
    job.tell("stage", stage=job.stage, state="start")
    wall_s, cpu_s = time.monotonic(), _cpu_s()
    try:
        # Imported in its turn: a job that ends early does not pay for what comes later, and each stage for its own.
        module = importlib.import_module(f"rythmiq_worker.stages.{job.stage}")
        cast("StageVerb", getattr(module, job.stage))(job.frame, ctx)
    finally:
        took = StageTime(
            stage=job.stage,
            wall_ms=round((time.monotonic() - wall_s) * 1000),
            cpu_ms=round((_cpu_s() - cpu_s) * 1000),
        )
        job.times.append(took)
        job.tell("stage", stage=job.stage, state="end", wall_ms=took.wall_ms, cpu_ms=took.cpu_ms)


def _cpu_s() -> float:
    """User and system time of this process and of its ended children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _report(error: JobError, stage_at_hand: Stage) -> ErrorReport:
    return ErrorReport(
        code=error.code,
        stage=CATALOGUE[error.code].stage or stage_at_hand,
        message=error.message[:_MAX_MESSAGE_CHARS],
        retryable=error.retryable,
        detail=dict(error.detail) if error.detail else None,
    )


def _unexpected(stage: Stage, message: str) -> ErrorReport:
    return _report(JobError(ErrorCode.INTERNAL_ERROR, message), stage)


def _failure(job: _Run, report: ErrorReport) -> Failure:
    return Failure(job_id=job.job_id, error=report, metrics=job.metrics() if job.times else None)


def _where(error: BaseException) -> str | None:
    """File name and line at which it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else None
