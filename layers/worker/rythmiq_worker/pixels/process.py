"""The worker's side of the image process: starts it early, gives it the job, and takes its files and facts.

The worker itself imports nothing that reads a picture. It believes of the answer what `answers` has checked, logs the
stages under its own ids, measures by the kernel what they cost, and turns a death into a failure of the catalogue.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from rythmiq.contracts import StrictJsonError, read_object
from rythmiq.contracts.errors import ErrorCode, JobError, Stage
from rythmiq_worker.events import known_event
from rythmiq_worker.job import Context, Files, Upload
from rythmiq_worker.pixels import CPU_S, answers, context_bytes, line_of
from rythmiq_worker.pixels.answers import InvalidAnswerError, Made, PageRequest, reading
from rythmiq_worker.walls.sibling import Program, Sibling, SiblingError, anonymous_file, seal, write_all

if TYPE_CHECKING:
    from rythmiq_worker.stages import Running

PROGRAM = Program("rythmiq_worker.pixels.child_main")
WALL_S = CPU_S
"""How long it may take beside the time in which text is read: one that sleeps uses no CPU."""
_ORDER: Final[tuple[Stage, ...]] = ("decode", "quality", "enhance", "ocr", "schema")
_CHANNELS: Final = 3
Event = Callable[..., object]


class ImageProcess:
    """The process that reads one job's pictures; a context manager that ends it.

    Args:
        ctx: the job.
        event: logs one event of the job.

    Raises:
        JobError: INTERNAL_ERROR, when it cannot be started, or lacks a wall that the worker requires.
    """

    def __init__(self, ctx: Context, event: Event) -> None:
        self._ctx, self._event = ctx, event
        self._stage: Stage = "init"
        self._ocr_ends_at: float | None = None
        self._ends_at = time.monotonic() + WALL_S
        self._files = self._given, self._made, self._frame = [
            anonymous_file(name) for name in ("given", "made", "frame")
        ]
        settings = ctx.settings
        kind = ctx.payload.portal_schema.schema_definition.kind
        try:
            self._sibling = Sibling(PROGRAM, self._files, (*self._files, settings.ocr_models_dir or "", kind))
        except OSError:
            self._close()
            raise _internal("the image process could not be started", "start", "init") from None
        self._walls_received = False
        if settings.sandbox == "required":
            self._receive_walls()

    def cpu_s(self) -> float:
        """What it has taken, while it has not been reaped."""
        return self._sibling.cpu_s()

    def make(self, upload: Upload, running: "Running") -> Made:
        """Have it run the stages up to SCHEMA.

        Args:
            upload: FETCH's value.
            running: entered with each stage's name, and left when the stage ends.

        Raises:
            JobError: a stage fails with a code of the catalogue, or the process breaks off.
        """
        context = context_bytes(self._ctx)
        for part in (context, *upload.contents):
            write_all(self._given, part)
        seal(self._given)
        if not self._walls_received:
            self._receive_walls()
        self._ends_at = time.monotonic() + WALL_S
        self._sibling.send(line_of({"context": len(context), "uploads": list(map(len, upload.contents))}))
        with ExitStack() as stage:
            while True:
                message = self._receive()
                if message.get("event") == "stage":
                    stage.close()
                    if self._moves_on(message):
                        stage.enter_context(running(self._stage))
                elif "text" in message:
                    self._sibling.send(self._read(self._checked(answers.page_request, message["text"])))
                elif "made" in message and self._stage == _ORDER[-1]:
                    self._stage = "upload"
                    made: Made = self._checked(lambda value: answers.made(value, self._ctx.payload), message["made"])
                    return made
                else:
                    self._fails(message)

    def files(self, made: Made) -> Files:
        """Take the files that it made.

        Raises:
            JobError: they cannot be read, or are not those that it announced.
        """
        message = self._receive()
        if "files" not in message:
            self._fails(message)
        counts, pages = self._checked(answers.sizes, message)
        parts, at = [], 0
        for count in counts:
            parts.append(os.pread(self._made, count, at))
            at += count
        document, preview, before, text, master = parts
        if tuple(map(len, parts)) != counts:
            raise self._invalid()
        self._checked(lambda content: answers.require_document(made.receipt, content), document)
        self._sibling.end()
        return Files(document, preview, before, text, master, pages)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._sibling.end()
        self._close()

    def _receive_walls(self) -> None:
        message = self._receive()
        if "walls" not in message:
            self._fails(message)
        missing = self._checked(answers.walls, message["walls"])
        self._walls_received = True
        if missing:
            self._event("walls", missing=",".join(missing))
            if self._ctx.settings.sandbox == "required":
                raise _internal(f"SANDBOX=required, and this machine lacks {', '.join(missing)}", "walls", "init")

    def _receive(self) -> dict[str, Any]:
        try:
            return read_object(self._sibling.receive(self._ends_at))
        except StrictJsonError:
            raise self._invalid() from None
        except TimeoutError:
            if time.monotonic() < self._ends_at:  # it hung up, and stays
                raise self._invalid() from None
            self._sibling.end()
            raise _internal(f"the image process did not end within {WALL_S} s", "hang", self._stage) from None
        except SiblingError as error:
            raise self._ended(error.exit_code) from None

    def _moves_on(self, message: dict[str, Any]) -> bool:
        """Whether a stage begins; each follows the one before."""
        entered = message.get("state") == "start"
        at = _ORDER.index(self._stage) + 1 if self._stage in _ORDER else 0
        expected = _ORDER[at] if entered and at < len(_ORDER) else self._stage
        if message.get("stage") != expected or message.get("state") not in {"start", "end"} or expected not in _ORDER:
            raise self._invalid()
        self._stage = expected
        return entered

    def _read(self, page: PageRequest) -> bytes:
        """Have a page read, within the time that all pages have together; the answer to the image process."""
        from rythmiq_worker.engines.child import FrameFile  # noqa: PLC0415  only documents
        from rythmiq_worker.engines.child_main import document_of  # noqa: PLC0415  ditto
        from rythmiq_worker.stages.ocr import own_reader  # noqa: PLC0415  ditto

        if self._stage != "ocr" or os.fstat(self._frame).st_size != page.width_px * page.height_px * _CHANNELS:
            raise self._invalid()
        now = time.monotonic()
        if self._ocr_ends_at is None:
            self._ocr_ends_at = now + self._ctx.settings.ocr_timeout_s
        left_s = max(0.0, min(page.timeout_s, self._ocr_ends_at - now))
        frame = FrameFile(self._frame, page.width_px, page.height_px)
        try:
            return document_of(own_reader(self._ctx).read(frame, turn=page.turn, timeout_s=left_s))
        except JobError as error:
            return line_of({"failed": {"code": error.code.value, "message": error.message, "detail": error.detail}})
        finally:
            self._ends_at += time.monotonic() - now

    def _fails(self, message: dict[str, Any]) -> NoReturn:
        """Take what ends the job: an unexpected error is logged first."""
        if message.get("event") == "unexpected":
            payload, line = self._ctx.payload, line_of({**message, "stage": self._stage})
            known = known_event(line, job_id=payload.job_id, attempt=payload.attempt)
            if known is None:
                raise self._invalid()
            self._event("unexpected", **{name: known[name] for name in ("stage", "type", "where") if name in known})
            message = self._receive()
        if "failed" not in message:
            raise self._invalid()
        raise self._checked(lambda value: answers.failure(value, self._stage), message["failed"])

    def _checked(self, read: Callable[[Any], Any], value: object) -> Any:
        try:
            return reading(read, value)
        except InvalidAnswerError:
            raise self._invalid() from None

    def _invalid(self) -> JobError:
        self._sibling.end()
        return _internal("the image process did not answer as it must", "garbage", self._stage)

    def _ended(self, exit_code: int | None) -> JobError:
        """The error that its death means."""
        if exit_code is None:
            return self._invalid()
        name = signal.Signals(-exit_code).name if exit_code < 0 else None
        if self._stage == "decode" or name == "SIGXCPU":
            sentence = "The file asks for more work or memory than we give it."
            return JobError(ErrorCode.DECODE_FAILED, sentence, detail={"reason": "too_complex"})
        if self._sibling.spent_s >= CPU_S - 1:
            return _internal(f"the job took more than {CPU_S} s of CPU", "hang", self._stage)
        if name == "SIGKILL":
            return _internal(
                "the image process was killed, as when the machine runs out of memory", "killed", self._stage
            )
        how = f"was ended by {name}" if name else f"left with exit code {exit_code}"
        # Native code that is refused memory mostly aborts, or reads where nothing is; the same bytes do it again.
        reason = "memory" if name in _OF_NATIVE_CODE else "signal" if name else "exit"
        return _internal(f"the image process {how}", reason, self._stage)

    def _close(self) -> None:
        for fd in self._files:
            os.close(fd)


_OF_NATIVE_CODE = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"})


def _internal(message: str, reason: str, stage: Stage) -> JobError:
    return JobError(ErrorCode.INTERNAL_ERROR, message, detail={"reason": reason}, stage=stage)
