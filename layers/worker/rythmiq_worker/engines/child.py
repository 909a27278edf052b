"""The parent's side of text recognition: the engine runs in a process that can be killed.

No signal interrupts native code (an alarm set at 1 s surfaced after 14.7 s), and a crash in it takes the process along.
So the engine gets a process of its own, by exec and never by fork, in a session of its own; no Python thread is
involved. The picture travels as raw pixels in a nameless file that the child maps: the parent holds none of it while
the child works.

    JobError
    ├── OcrTimeoutError   OCR_TIMEOUT: killed at its limit
    └── OcrEngineError    OCR_FAILED: whatever else went wrong; `detail.reason` says what
"""

import contextlib
import json
import math
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from rythmiq.contracts.errors import DetailValue, ErrorCode, JobError
from rythmiq_worker.engines.text import BUNDLED, ModelChoice, PageText, PageTurn, Quad, TextLine, TextSight

if TYPE_CHECKING:
    import PIL.Image

ENGINES: Mapping[str, str] = MappingProxyType(
    {"rapidocr": "rythmiq_worker.engines.rapidocr", "paddleocr": "rythmiq_worker.engines.paddle"}
)
"""Engines by the name that OCR_ENGINE takes, and the module whose `load()` makes each."""

# What an engine may know of the environment: how to start Python and find its libraries, and no secret.
ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "TESSDATA_PREFIX",
    "TMPDIR",
    "TZ",
)
FIXED_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",  # Tesseract's own threads cost twice the CPU
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's official builds send events to their maker otherwise
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
)
MAX_ANSWER_BYTES = 8 * 1024 * 1024
READ_BYTES = 64 * 1024
STRIP_ROWS = 256
CORNERS = 4
NAME = re.compile("[A-Za-z ]{1,60}")


class OcrTimeoutError(JobError):
    """The engine took longer than its limit and was killed."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            ErrorCode.OCR_TIMEOUT,
            f"The text engine took longer than {timeout_s:g} s and was stopped.",
            detail={"timeout_s": timeout_s},
        )


class OcrEngineError(JobError):
    """The engine failed, died or answered nonsense.

    Args:
        reason: `unknown_engine`, `signal`, `exit`, `memory`, `engine`, `garbage` or `start`.
        message: one sentence without recognised text.
    """

    def __init__(self, reason: str, message: str, **detail: DetailValue) -> None:
        super().__init__(ErrorCode.OCR_FAILED, message, detail={"reason": reason, **detail})


@dataclass(frozen=True, slots=True)
class FrameFile:
    """One picture as raw RGB rows in a nameless file; a context manager that gives the memory back."""

    fd: int
    width_px: int
    height_px: int

    def close(self) -> None:
        """Give the memory back."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_frame(image: "PIL.Image.Image") -> FrameFile:
    """Write a picture where the child can map it; the caller drops it afterwards.

    It goes strip by strip, so that no second copy of the picture ever stands in memory.

    Args:
        image: upright, RGB.

    Raises:
        ValueError: the picture is not RGB.
        OcrEngineError: there is no room for it (OCR_FAILED).
    """
    if image.mode != "RGB":
        raise ValueError(f"a frame is RGB, not {image.mode}")
    width_px, height_px = image.size
    fd = _nameless_file()
    try:
        for top in range(0, height_px, STRIP_ROWS):
            _write_all(fd, image.crop((0, top, width_px, min(top + STRIP_ROWS, height_px))).tobytes())
    except OSError as error:
        os.close(fd)
        raise OcrEngineError("memory", "There is no room for the picture beside the text engine.") from error
    except BaseException:
        os.close(fd)
        raise
    return FrameFile(fd, width_px, height_px)


def read_page(  # noqa: PLR0913  two of them are for tests
    frame: FrameFile,
    *,
    timeout_s: float,
    turn: bool = False,
    engine: str = "rapidocr",
    models: ModelChoice = BUNDLED,
    environ: Mapping[str, str] | None = None,
    engines: Mapping[str, str] = ENGINES,
) -> PageText:
    """Read the text of a picture in a child process, killed at the limit.

    Args:
        frame: the picture.
        timeout_s: limit for everything, the child's start included.
        turn: whether it may be turned by a multiple of 90 degrees, so that its text is upright.
        engine: a name of `engines`.
        models: which ones it loads.
        environ: the environment to choose the child's few variables from; this process's own by default.
        engines: module by name; another book than ENGINES is for tests.

    Returns:
        The lines in reading order, and the turn.

    Raises:
        OcrTimeoutError: the limit has passed (OCR_TIMEOUT).
        OcrEngineError: anything else (OCR_FAILED).
    """
    deadline = time.monotonic() + timeout_s
    if engine not in engines:
        known = ", ".join(sorted(engines))
        raise OcrEngineError("unknown_engine", f"OCR_ENGINE={engine} is not an engine of this worker; known: {known}.")
    read_fd, write_fd = os.pipe()
    try:
        which = (engines[engine], models.language, models.folder or "", ",".join(models.languages), int(turn))
        child = _start(which, frame, write_fd, os.environ if environ is None else environ)
    except OSError as error:
        os.close(read_fd)
        raise OcrEngineError("start", "The text engine's process could not be started.") from error
    finally:
        os.close(write_fd)
    try:
        document = _read_until(read_fd, deadline)
        exit_code = child.wait(max(0.0, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise OcrTimeoutError(timeout_s) from None
    finally:
        os.close(read_fd)
        _kill(child)
    return _page(document, exit_code)


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("rythmiq-frame", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _start(
    which: tuple[object, ...], frame: FrameFile, result_fd: int, environ: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    arguments = (*which, frame.fd, frame.width_px, frame.height_px, result_fd, os.getpid())
    return subprocess.Popen(  # noqa: S603  our own module, by name
        [sys.executable, "-m", "rythmiq_worker.engines.child_main", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # libraries print there what is no JSON line, and may quote what they read
        env={**{name: environ[name] for name in ENVIRONMENT if name in environ}, **FIXED_ENVIRONMENT},
        pass_fds=(frame.fd, result_fd),
        start_new_session=True,
    )


def _read_until(fd: int, deadline: float) -> bytes:
    """Everything up to the end of the pipe.

    Raises:
        TimeoutError: the deadline came first.
        OcrEngineError: there is too much of it.
    """
    parts: list[bytes] = []
    total = 0
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                raise TimeoutError
            part = os.read(fd, READ_BYTES)
            if not part:
                return b"".join(parts)
            parts.append(part)
            total += len(part)
            if total > MAX_ANSWER_BYTES:
                raise OcrEngineError("garbage", f"The text engine answered more than {MAX_ANSWER_BYTES} bytes.")


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """End the child and whatever it started, and reap it."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _page(document: bytes, exit_code: int) -> PageText:
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        raise OcrEngineError("signal", f"The text engine was ended by {name}{hint}.", signal=name)
    if exit_code:
        raise OcrEngineError("exit", f"The text engine left with exit code {exit_code}.", exit_code=exit_code)
    try:
        content = json.loads(document)
        if "error" in content:
            failure = _failure(**content["error"])
        else:
            turn, sight = content["turn"], content["sight"]
            return PageText(
                [_line(*line) for line in content["lines"]],
                None if turn is None else _turn(*turn),
                None if sight is None else _sight(*sight),
            )
    except (ValueError, TypeError, KeyError, RecursionError):
        raise OcrEngineError("garbage", "The text engine did not answer with lines of text.") from None
    raise failure


def _failure(*, reason: str, type: str, where: str | None, message: str | None) -> OcrEngineError:  # noqa: A002  wire names
    if reason == "memory":
        return OcrEngineError("memory", "The text engine ran out of memory.")
    if message is not None:
        return OcrEngineError("engine", message, type=type)
    place = f" at {where}" if where else ""
    return OcrEngineError("engine", f"The text engine failed with {type}{place}.", type=type)


def _turn(degrees: object, decided_by: object, lines: object, evidence: object, against: object) -> PageTurn:
    if not isinstance(degrees, int) or degrees not in {90, 180, 270} or not isinstance(lines, int):
        raise ValueError("not a turn")
    if decided_by not in {"reading", "headline"}:
        raise ValueError("not a turn")
    said = tuple(value for value in (evidence, against) if isinstance(value, float) and math.isfinite(value))
    first, second = said
    return PageTurn(degrees, str(decided_by), lines, first, second)


def _sight(*values: object) -> TextSight:
    letters, said, missed, unread_lines, cut_lines, scripts = values
    counts = [value for value in (letters, unread_lines, cut_lines) if isinstance(value, int) and value >= 0]
    amounts = [float(value) for value in (said, missed) if isinstance(value, int | float) and 0 <= value < math.inf]
    if not isinstance(scripts, list) or not all(isinstance(name, str) and NAME.fullmatch(name) for name in scripts):
        raise ValueError("no names of scripts")
    read, unread, cut = counts
    surely, lost = amounts
    return TextSight(read, surely, lost, unread, cut, tuple(scripts))


def _line(text: object, confidence: object, corners: object) -> TextLine:
    if not isinstance(text, str) or not text.strip() or not isinstance(confidence, float) or not 0 <= confidence <= 1:
        raise ValueError("not a line")
    if not isinstance(corners, list) or len(corners) != CORNERS:
        raise ValueError("not four corners")
    first, second, third, fourth = ((float(x), float(y)) for x, y in corners)
    quad: Quad = first, second, third, fourth
    if not all(math.isfinite(value) for point in quad for value in point):
        raise ValueError("not a place on a page")
    return TextLine(" ".join(text.split()), confidence, quad)
