"""One job in the image process: reads what to do, runs the stages, and reports how it ended."""

import json
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self

from rythmiq.contracts.errors import ErrorCode, JobError, Stage
from rythmiq_worker.job import Conformed, Context, Upload
from rythmiq_worker.pixels import FILES, line_of, read_assignment
from rythmiq_worker.stages import conformed
from rythmiq_worker.walls.sibling import received_lines, write_all

if TYPE_CHECKING:
    from PIL.Image import Image

    from rythmiq_worker.engines import PageText


_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_NAME_CHARS = 64
_OPENCV_NO_MEMORY = -4


class JobRun:
    """One job.

    Args:
        requests: the pipe that the worker writes to.
        answers: the pipe that it reads.
        given: the file with the job and its uploads.
        made: the file for what is made.
        frame: the file for a page that is to be read.
    """

    def __init__(self, requests: int, answers: int, given: int, made: int, frame: int) -> None:
        self._requests = received_lines(requests)
        self._answers, self._given, self._made, self._frame = answers, given, made, frame
        self._stage: Stage = "init"

    def through(self, missing_walls: Sequence[str]) -> None:
        """Read the job and run it; whatever goes wrong becomes an answer."""
        self.send(walls=missing_walls)
        begins = next(self._requests, None)
        if begins is None:
            return  # nothing to do: the upload could not be had
        try:
            self._run(json.loads(begins))
        except JobError as error:
            self.send(failed={"code": error.code.value, "message": error.message, "detail": error.detail})
        except BaseException as error:  # noqa: BLE001  a library's SystemExit, too, must end in an answer
            kind = type(error).__name__
            self.send(event="unexpected", stage=self._stage, type=kind, where=_where(error))
            # The error's own words may quote a file or a name; its type does not.
            message = f"something unexpected went wrong ({kind})"
            memory = isinstance(error, MemoryError) or getattr(error, "code", None) == _OPENCV_NO_MEMORY
            detail = {"reason": "memory"} if memory else None
            self.send(failed={"code": ErrorCode.INTERNAL_ERROR.value, "message": message, "detail": detail})

    def send(self, **message: object) -> None:
        """Send one message."""
        write_all(self._answers, line_of(message) + b"\n")

    def request(self, **message: object) -> dict[str, Any]:
        """Send one message, and read its answer."""
        self.send(**message)
        answer: dict[str, Any] = json.loads(next(self._requests))
        return answer

    def _run(self, begins: dict[str, Any]) -> None:
        at, parts = 0, []
        for size in (begins["context"], *begins["uploads"]):
            parts.append(os.pread(self._given, size, at))
            at += size
        job = read_assignment(parts[0])
        ctx = Context(job.payload, job.settings, job.dispatched_at, reader=_RemoteReader(self, self._frame))
        made = conformed(Upload(tuple(parts[1:])), ctx, self._running)
        self.send(made=_facts(made, ctx))
        self._stage = "upload"
        from rythmiq_worker.stages.schema import pack  # noqa: PLC0415  it is there, with its stage

        files = pack(made)
        contents = [getattr(files, name) for name in FILES]
        for content in contents:
            write_all(self._made, content)
        self.send(files=dict(zip(FILES, map(len, contents), strict=True)), pages=files.pages)

    @contextmanager
    def _running(self, stage: Stage) -> Iterator[None]:
        self._stage = stage
        self.send(event="stage", stage=stage, state="start")
        yield
        self.send(event="stage", stage=stage, state="end")


@dataclass(frozen=True, slots=True)
class _Frame:
    """A page in the file for it, which is emptied when nobody reads it any more."""

    fd: int
    width_px: int
    height_px: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        os.ftruncate(self.fd, 0)


class _RemoteReader:
    """Implements `job.PageReader`: the worker has another walled process read the page."""

    def __init__(self, run: JobRun, fd: int) -> None:
        self._run, self._fd = run, fd

    def frame(self, image: "Image") -> _Frame:
        from rythmiq_worker.engines.child import write_pixels  # noqa: PLC0415  only documents

        os.lseek(self._fd, 0, os.SEEK_SET)
        write_pixels(self._fd, image)
        return _Frame(self._fd, *image.size)

    def read(self, frame: object, *, turn: bool, timeout_s: float) -> "PageText":
        from rythmiq_worker.engines.child import OcrTimeoutError, page_of  # noqa: PLC0415  only documents

        if not isinstance(frame, _Frame):
            raise TypeError("a frame of this reader")
        page = {"width_px": frame.width_px, "height_px": frame.height_px, "turn": turn, "timeout_s": timeout_s}
        answer = self._run.request(text=page)
        failed = answer.get("failed")
        if failed is None:
            return page_of(answer)
        if failed["code"] == ErrorCode.OCR_TIMEOUT:
            raise OcrTimeoutError(timeout_s)
        raise JobError(ErrorCode(failed["code"]), failed["message"], detail=failed["detail"])


def _facts(made: Conformed, ctx: Context) -> dict[str, object]:
    document = made.document
    return {
        "quality": made.assessment.quality.score,
        "warnings": [[notice.code.value, dict(notice.parameters)] for notice in ctx.warnings],
        "confidence": made.texts.confidence,
        "encodes": document.encodes,
        "document_bytes": len(document.content),
        "receipt": document.receipt.model_dump(),
    }


def _where(error: BaseException) -> str | None:
    """File name and line at which it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return None
    return f"{_NO_NAME.sub('', PurePath(frames[-1].filename).name)[:_MAX_NAME_CHARS]}:{frames[-1].lineno}"
