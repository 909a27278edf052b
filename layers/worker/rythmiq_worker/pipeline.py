"""One job: a payload's bytes in, one result out, whatever happens between.

The stages are called in one place each; a stage and what it needs is imported when it runs, so that a job that ends
early does not pay for what comes later, and a slot without text loads no engine.

Source: docs/specification/worker.md.
"""

import json
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from rythmiq.contracts.advice import Advice
from rythmiq.contracts.errors import CATALOGUE, ErrorCode, JobError, SettingsError, Stage
from rythmiq.contracts.result import MAX_STDOUT_BYTES, ErrorReport, Failure, Metrics, StageTime, Success
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.intake import admitted, job_id_of, parsed, validated
from rythmiq_worker.stdio import log_line

if TYPE_CHECKING:
    from rythmiq_worker.pixels.answers import Made
    from rythmiq_worker.pixels.process import ImageProcess

Log = Callable[[str], object]

_MAX_MESSAGE_CHARS = 500


@dataclass(slots=True)
class _Run:
    """A running job: its ids, the stage at hand, and what it has cost."""

    log: Log
    job_id: str | None = None
    attempt: int | None = None
    stage: Stage = "init"
    began_s: float = field(default_factory=time.monotonic)
    times: list[StageTime] = field(default_factory=list)
    input_bytes: int | None = None
    made: "Made | None" = None
    pixels: "ImageProcess | None" = None

    def event(self, event: str, **facts: object) -> None:
        """Log one event; no personal data, no URL, no storage key."""
        ids = {"job_id": self.job_id, "attempt": self.attempt}
        self.log(json.dumps({"event": event, **ids, **facts}, separators=(",", ":")))

    @contextmanager
    def running(self, stage: Stage) -> Iterator[None]:
        """Log a stage's start and end, and measure its wall and CPU time."""
        self.stage = stage
        self.event("stage", stage=stage, state="start")
        wall_s, cpu_s = time.monotonic(), self._cpu_s()
        try:
            yield
        finally:
            took = StageTime(
                stage=stage,
                wall_ms=round((time.monotonic() - wall_s) * 1000),
                cpu_ms=round((self._cpu_s() - cpu_s) * 1000),
            )
            self.times.append(took)
            self.event("stage", stage=stage, state="end", wall_ms=took.wall_ms, cpu_ms=took.cpu_ms)

    def _cpu_s(self) -> float:
        """User and system time of this process, of its ended children, and of the one that reads pictures."""
        own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
        return ended + (self.pixels.cpu_s() if self.pixels is not None else 0.0)

    def metrics(self, ocr_confidence: float | None = None) -> Metrics:
        """Return what the job has cost so far."""
        made = self.made
        return Metrics(
            ocr_confidence=ocr_confidence,
            processing_ms=round((time.monotonic() - self.began_s) * 1000),
            stages=tuple(self.times),
            input_bytes=self.input_bytes,
            document_bytes=made.document_bytes if made else None,
            encodes=made.encodes if made else None,
        )


def answer(document: bytes, environ: Mapping[str, str], log: Log = log_line) -> bytes:
    """Run one job and put its result into at most 64 KiB of JSON."""
    result = run(document, environ, log)
    text = result.model_dump_json().encode()
    if len(text) < MAX_STDOUT_BYTES:  # room for the line's end
        return text
    report = _report(
        JobError(ErrorCode.INTERNAL_ERROR, "the result is too large to be reported", stage="upload"), "upload"
    )
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
        result = _failure(job, _report(error, job.stage, job.attempt or 1))
    except SettingsError as error:
        result = _failure(job, _unexpected("init", f"the worker is misconfigured: {error}"))
    except BaseException as error:  # noqa: BLE001  a library's SystemExit, too, must end in one valid document
        job.event("unexpected", stage=job.stage, type=type(error).__name__, where=_where(error))
        # The error's own words may quote a file, a key or a name; its type does not.
        result = _failure(job, _unexpected(job.stage, f"something unexpected went wrong ({type(error).__name__})"))
    job.event("result", status=result.status, code=result.error.code if isinstance(result, Failure) else None)
    return result


def _run(job: _Run, document: bytes, environ: Mapping[str, str]) -> Success:
    raw = parsed(document)
    job.job_id = job_id_of(raw)
    payload = validated(raw)
    job.attempt = payload.attempt
    ctx = admitted(payload, WorkerSettings.from_environ(environ))
    from rythmiq_worker.pixels.process import ImageProcess  # noqa: PLC0415  see the module docstring

    with ImageProcess(ctx, job.event) as pixels:  # it imports while we fetch
        job.pixels = pixels
        with job.running("fetch"):
            from rythmiq_worker.stages.fetch import fetch  # noqa: PLC0415  ditto

            fetched = fetch(ctx)
        job.input_bytes = fetched.size_bytes
        made = job.made = pixels.make(fetched, job.running)
        ctx.warn(*made.warnings)
        del fetched
        with job.running("upload"):
            from rythmiq_worker.stages.upload import upload  # noqa: PLC0415  ditto

            artifacts = upload(pixels.files(made), ctx)
    return Success(
        job_id=payload.job_id,
        quality_score=made.quality,
        warnings=tuple(str(notice) for notice in ctx.warnings),
        advice=tuple(Advice(code=notice.code.value, parameters=dict(notice.parameters)) for notice in ctx.warnings),
        artifacts=artifacts,
        hashes=ctx.hashes(artifacts),
        metrics=job.metrics(made.confidence),
        receipt=made.receipt,
    )


def _report(error: JobError, stage_at_hand: Stage, attempt: int = 1) -> ErrorReport:
    return ErrorReport(
        code=error.code,
        stage=CATALOGUE[error.code].stage or stage_at_hand,
        message=error.message[:_MAX_MESSAGE_CHARS],
        # What took too long twice is taken for the page's own: a third time would be as long.
        retryable=error.retryable and not (error.code is ErrorCode.OCR_TIMEOUT and attempt > 1),
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
