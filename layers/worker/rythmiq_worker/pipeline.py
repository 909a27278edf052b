"""One job: a payload's bytes in, one result out, whatever happens between.

Source: SPEC 5.
"""

import datetime as dt
import json
import resource
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from pydantic import ValidationError

from rythmiq.contracts.errors import CATALOGUE, ErrorCode, JobError, SettingsError, Stage
from rythmiq.contracts.keys import RawKey, parse_key
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.result import ErrorReport, Failure, Metrics, StageTime, Success
from rythmiq.settings import WorkerSettings
from rythmiq_worker.frame import Context, Frame
from rythmiq_worker.stdio import MAX_PAYLOAD_BYTES

StageVerb = Callable[[Frame, Context], None]
_MAX_PROBLEMS = 10
_MAX_MESSAGE = 500


@dataclass(slots=True)
class _Clock:
    """What each stage took."""

    began_s: float = field(default_factory=time.monotonic)
    stages: list[StageTime] = field(default_factory=list)

    def metrics(self, frame: Frame | None = None, ocr_confidence: float | None = None) -> Metrics:
        return Metrics(
            ocr_confidence=ocr_confidence,
            processing_ms=round((time.monotonic() - self.began_s) * 1000),
            stages=tuple(self.stages),
            input_bytes=frame.input_bytes if frame else None,
            document_bytes=len(frame.document) if frame and frame.document else None,
            encodes=frame.encodes if frame and frame.document else None,
        )


def run(document: bytes, environ: Mapping[str, str], log: Callable[[str], object] | None = None) -> Success | Failure:
    """Run one job; never raises.

    Args:
        document: what came on STDIN.
        environ: the worker's environment.
        log: takes JSON lines; default STDERR.
    """
    clock, frame = _Clock(), Frame()
    job_id: str | None = None
    stage: Stage = "init"
    try:
        raw = _parsed(document)
        job_id = _job_id(raw)
        settings = WorkerSettings.from_environ(environ)
        ctx = _context(raw, settings)
        for stage, verb in _stages():
            _run_stage(stage, verb, frame, ctx, clock, log or _to_stderr)
        return _success(frame, ctx, clock)
    except JobError as error:
        return _failure(job_id, error, clock, frame)
    except SettingsError as error:
        misconfigured = JobError(ErrorCode.INTERNAL_ERROR, f"the worker is misconfigured: {error}", stage="init")
        return _failure(job_id, misconfigured, clock, frame)
    except Exception as error:  # noqa: BLE001  every exit of the worker is one valid document
        (log or _to_stderr)(_line("error", job_id=job_id, stage=stage, kind=type(error).__name__))
        unexpected = JobError(
            ErrorCode.INTERNAL_ERROR, f"something unexpected went wrong ({type(error).__name__})", stage=stage
        )
        return _failure(job_id, unexpected, clock, frame)


def _stages() -> "list[tuple[Stage, StageVerb]]":
    """The seven verbs, imported when a job is known to be valid."""
    from rythmiq_worker.stages.decode import decode  # noqa: PLC0415  an invalid payload needs none of them
    from rythmiq_worker.stages.enhance import enhance  # noqa: PLC0415  ditto
    from rythmiq_worker.stages.fetch import fetch  # noqa: PLC0415  ditto
    from rythmiq_worker.stages.ocr import ocr  # noqa: PLC0415  ditto
    from rythmiq_worker.stages.quality import quality  # noqa: PLC0415  ditto
    from rythmiq_worker.stages.schema import schema  # noqa: PLC0415  ditto
    from rythmiq_worker.stages.upload import upload  # noqa: PLC0415  ditto

    return [
        ("fetch", fetch),
        ("decode", decode),
        ("quality", quality),
        ("enhance", enhance),
        ("ocr", ocr),
        ("schema", schema),
        ("upload", upload),
    ]


def _run_stage(  # noqa: PLR0913, PLR0917  a stage and those who watch it
    stage: Stage, verb: StageVerb, frame: Frame, ctx: Context, clock: _Clock, log: Callable[[str], object]
) -> None:
    ids = {"job_id": ctx.payload.job_id, "attempt": ctx.payload.attempt, "stage": stage}
    log(_line("stage", state="start", **ids))
    wall_s, cpu_s = time.monotonic(), _cpu_s()
    try:
        verb(frame, ctx)
    finally:
        took = StageTime(
            stage=stage,
            wall_ms=round((time.monotonic() - wall_s) * 1000),
            cpu_ms=round((_cpu_s() - cpu_s) * 1000),
        )
        clock.stages.append(took)
        log(_line("stage", state="end", wall_ms=took.wall_ms, cpu_ms=took.cpu_ms, **ids))


def _cpu_s() -> float:
    """User and system time of this process and of its ended children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _parsed(document: bytes) -> dict[str, object]:
    """The payload as a JSON object.

    Raises:
        JobError: PAYLOAD_MISSING or PAYLOAD_INVALID.
    """
    if not document.strip():
        raise JobError(ErrorCode.PAYLOAD_MISSING, "STDIN is empty; send one JSON document")
    if len(document) > MAX_PAYLOAD_BYTES:
        raise JobError(ErrorCode.PAYLOAD_INVALID, f"the payload has more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        raw = json.loads(document.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=_distinct)
    except RecursionError:
        raise JobError(ErrorCode.PAYLOAD_INVALID, "the payload is nested too deeply") from None
    except ValueError as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "not exactly one JSON document"
        raise JobError(ErrorCode.PAYLOAD_INVALID, f"the payload is {reason}") from None
    if not isinstance(raw, dict):
        raise JobError(ErrorCode.PAYLOAD_INVALID, "the payload is not a JSON object")
    return raw


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _job_id(raw: Mapping[str, object]) -> str | None:
    """The job's id when it can be trusted to be one."""
    value = raw.get("job_id")
    try:
        parsed = uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return value if parsed is not None and str(parsed) == value and parsed.version == 4 else None  # noqa: PLR2004  UUIDv4


def _context(raw: Mapping[str, object], settings: WorkerSettings) -> Context:
    """Validate the payload against the contract and the worker's own store.

    Raises:
        JobError: PAYLOAD_INVALID, naming fields and never values.
    """
    try:
        payload = Payload.model_validate(raw)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'payload'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        more = f" (and {len(problems) - _MAX_PROBLEMS} more)" if len(problems) > _MAX_PROBLEMS else ""
        message = "; ".join(problems[:_MAX_PROBLEMS])[: _MAX_MESSAGE - len(more)] + more
        raise JobError(ErrorCode.PAYLOAD_INVALID, message) from None
    named, own = payload.storage, settings
    same = (
        named.bucket == own.spaces_bucket
        and named.region.lower() == own.spaces_region.lower()
        and _endpoint(named.endpoint) == _endpoint(own.spaces_endpoint)
    )
    if not same:
        raise JobError(ErrorCode.PAYLOAD_INVALID, "storage: this worker serves another store")
    return Context(payload, settings, _dispatched_at(payload))


def _endpoint(text: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(text if "//" in text else f"https://{text}")
        return parts.scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", "", None


def _dispatched_at(payload: Payload) -> dt.datetime:
    """The instant in the artifacts' names: the payload's, else the upload's, so that a repeat writes the same keys."""
    if payload.dispatched_at is not None:
        return payload.dispatched_at
    if payload.input.raw_path is not None:
        key = parse_key(payload.input.raw_path)
        if isinstance(key, RawKey) and key.at is not None:
            return key.at
    return dt.datetime.now(tz=dt.UTC)


def _success(frame: Frame, ctx: Context, clock: _Clock) -> Success:
    from rythmiq_worker.stages.ocr import confidence_of  # noqa: PLC0415  it ran, so it is there

    if frame.quality is None or frame.artifacts is None or frame.receipt is None:
        raise AssertionError("a stage left its part out")
    return Success(
        job_id=ctx.payload.job_id,
        quality_score=frame.quality.score,
        warnings=tuple(str(code) for code in frame.warnings),
        artifacts=frame.artifacts,
        metrics=clock.metrics(frame, confidence_of(frame)),
        receipt=frame.receipt,
    )


def _failure(job_id: str | None, error: JobError, clock: _Clock, frame: Frame) -> Failure:
    return Failure(
        job_id=job_id,
        error=ErrorReport(
            code=error.code,
            stage=error.stage,
            message=error.message[:_MAX_MESSAGE],
            retryable=CATALOGUE[error.code].retryable,
            detail=dict(error.detail) if error.detail else None,
        ),
        metrics=clock.metrics(frame),
    )


def _line(event: str, **fields: object) -> str:
    return json.dumps({"event": event, **fields}, separators=(",", ":"))


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
