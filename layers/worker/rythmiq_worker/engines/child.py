"""The parent's side of text recognition: the engine runs in a walled process that can be killed.

No signal interrupts native code (an alarm set at 1 s surfaced after 14.7 s), and a crash in it takes the process along.
So the engine gets a process of its own, behind the walls of `walls.lockdown`; no Python thread is involved. The picture
travels as raw pixels in an anonymous file that the child maps: the parent holds none of it while the child works.

    JobError
    ├── OcrTimeoutError   OCR_TIMEOUT: killed at its limit
    └── OcrEngineError    OCR_FAILED: whatever else went wrong; `detail.reason` says what
"""

import math
import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from rythmiq.contracts import StrictJsonError, read_object
from rythmiq.contracts.errors import DetailValue, ErrorCode, JobError
from rythmiq_worker.engines import BUNDLED, ModelChoice, PageText, PageTurn, Quad, TextLine, TextSight
from rythmiq_worker.events import printable
from rythmiq_worker.walls.sibling import Program, Sibling, SiblingError, anonymous_file, write_all

if TYPE_CHECKING:
    import PIL.Image
    from PIL.Image import Image

    from rythmiq.contracts.portal import OcrLanguage
    from rythmiq.settings.worker import WorkerSettings

ENGINES: Mapping[str, str] = MappingProxyType(
    {"rapidocr": "rythmiq_worker.engines.rapidocr", "paddleocr": "rythmiq_worker.engines.paddle"}
)
"""Engines by the name that OCR_ENGINE takes, and the module whose `load()` makes each."""
PROGRAM = Program("rythmiq_worker.engines.child_main")
MAX_ANSWER_BYTES = 8 * 1024 * 1024
STRIP_ROWS = 256
CORNERS = 4
NAME = re.compile("[A-Za-z ]{1,60}")
TYPE = re.compile("[A-Za-z_][A-Za-z0-9_.]{0,63}")
PLACE = re.compile("[A-Za-z0-9_.<> -]{1,64}:[0-9]{1,6}")
NO_WALL_MISSING = b"walls:"


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
        reason: `unknown_engine`, `signal`, `exit`, `memory`, `engine`, `garbage`, `start` or `walls`.
        message: one sentence without recognised text.
    """

    def __init__(self, reason: str, message: str, **detail: DetailValue) -> None:
        super().__init__(ErrorCode.OCR_FAILED, message, detail={"reason": reason, **detail})


@dataclass(frozen=True, slots=True)
class FrameFile:
    """One picture as raw RGB rows in an anonymous file; a context manager that gives the memory back."""

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
    fd = anonymous_file("frame")
    try:
        write_pixels(fd, image)
    except BaseException:
        os.close(fd)
        raise
    return FrameFile(fd, *image.size)


def write_pixels(fd: int, image: "PIL.Image.Image") -> None:
    """Write a picture's rows into an anonymous file, strip by strip.

    Raises:
        ValueError: the picture is not RGB.
        OcrEngineError: there is no room for it (OCR_FAILED).
    """
    if image.mode != "RGB":
        raise ValueError(f"a frame is RGB, not {image.mode}")
    width_px, height_px = image.size
    try:
        for top in range(0, height_px, STRIP_ROWS):
            write_all(fd, image.crop((0, top, width_px, min(top + STRIP_ROWS, height_px))).tobytes())
    except OSError as error:
        raise OcrEngineError("memory", "There is no room for the picture beside the text engine.") from error


def read_page(  # noqa: PLR0913  two of them are for tests
    frame: FrameFile,
    *,
    timeout_s: float,
    turn: bool = False,
    engine: str = "rapidocr",
    models: ModelChoice = BUNDLED,
    tessdata: str | None = None,
    walls_required: bool = False,
    engines: Mapping[str, str] = ENGINES,
    program: Program = PROGRAM,
) -> PageText:
    """Read the text of a picture in a walled process, killed at the limit.

    Args:
        frame: the picture.
        timeout_s: limit for everything, the child's start included.
        turn: whether it may be turned by a multiple of 90 degrees, so that its text is upright.
        engine: a name of `engines`.
        models: which ones it loads.
        tessdata: the operator's folder of Tesseract's data; by default the one that TESSDATA_PREFIX names.
        walls_required: whether a missing wall is a failure.
        engines: module by name; another book than ENGINES is for tests.
        program: what the process runs; another is for tests.

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
    folder = os.environ.get("TESSDATA_PREFIX", "") if tessdata is None else tessdata
    which = (engines[engine], models.language, models.folder or "", ",".join(models.languages), folder, int(turn))
    limit = (frame.fd, frame.width_px, frame.height_px, math.ceil(timeout_s))
    try:
        child = Sibling(program, [frame.fd], (*which, *limit), max_line_bytes=MAX_ANSWER_BYTES)
    except OSError as error:
        raise OcrEngineError("start", "The text engine's process could not be started.") from error
    with child:
        try:
            document = _document(child, deadline, walls_required=walls_required)
        except TimeoutError:
            raise OcrTimeoutError(timeout_s) from None
    return _page(document)


def _document(child: Sibling, deadline: float, *, walls_required: bool) -> bytes:
    """The one document that it says, once it has ended well; before it comes which walls are missing.

    Raises:
        TimeoutError: the deadline came first.
        OcrEngineError: it did not.
    """
    lines: list[bytes] = []
    try:
        while True:
            lines.append(child.receive(deadline))
            if walls_required and lines[0] != NO_WALL_MISSING:
                raise OcrEngineError("walls", "The text engine lacks walls, and SANDBOX=required.")
    except SiblingError as ended:
        code = ended.exit_code
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", as when memory runs out" if name == "SIGKILL" else ""
        raise OcrEngineError("signal", f"The text engine was ended by {name}{hint}.", signal=name)
    if code:
        raise OcrEngineError("exit", f"The text engine left with exit code {code}.", exit_code=code)
    if code is None or len(lines) != len(("walls", "document")):
        raise _garbage()
    return lines[1]


def _garbage() -> OcrEngineError:
    return OcrEngineError("garbage", "The text engine did not answer with lines of text.")


def _page(document: bytes) -> PageText:
    try:
        content = read_object(document)
        if "error" in content:
            failure = _failure(**content["error"])
        else:
            return page_of(content)
    except (StrictJsonError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise _garbage() from None
    raise failure


def page_of(content: Mapping[str, Any]) -> PageText:
    """Read a page as `child_main.document_of` writes it.

    Raises:
        ValueError, TypeError, KeyError: it is not one.
    """
    lines, turn, sight = content["lines"], content["turn"], content["sight"]
    if not isinstance(lines, list) or not isinstance(turn, list | None) or not isinstance(sight, list | None):
        raise TypeError("not a page")
    return PageText(
        [_line(*line) for line in lines],
        None if turn is None else _turn(*turn),
        None if sight is None else _sight(*sight),
    )


def _failure(*, reason: str, type: str, where: str | None, message: str | None) -> OcrEngineError:  # noqa: A002  wire names
    if not TYPE.fullmatch(type) or (where is not None and not PLACE.fullmatch(where)):
        raise ValueError("not a failure")
    if reason == "memory":
        return OcrEngineError("memory", "The text engine ran out of memory.")
    if message is not None:
        return OcrEngineError("engine", printable(message), type=type)
    place = f" at {where}" if where else ""
    return OcrEngineError("engine", f"The text engine failed with {type}{place}.", type=type)


def _turn(degrees: object, decided_by: object, lines: object, evidence: object, against: object) -> PageTurn:
    if type(degrees) is not int or degrees not in {90, 180, 270} or type(lines) is not int or lines < 0:
        raise ValueError("not a turn")
    if decided_by not in ("reading", "headline"):
        raise ValueError("not a turn")
    said = tuple(value for value in (evidence, against) if isinstance(value, float) and math.isfinite(value))
    first, second = said
    return PageTurn(degrees, str(decided_by), lines, first, second)


def _sight(*values: object) -> TextSight:
    letters, said, missed, unread_lines, cut_lines, scripts = values
    counts = [value for value in (letters, unread_lines, cut_lines) if type(value) is int and value >= 0]
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


@dataclass(frozen=True, slots=True)
class Reader:
    """Implements `job.PageReader`.

    Attributes:
        settings: which engine, and where its models lie.
        language: of the text.
    """

    settings: "WorkerSettings"
    language: "OcrLanguage"

    def frame(self, image: "Image") -> FrameFile:
        """Write the picture where the process can map it."""
        return write_frame(image)

    def read(self, frame: object, *, turn: bool, timeout_s: float) -> PageText:
        """Read it.

        Raises:
            JobError: OCR_FAILED or OCR_TIMEOUT.
        """
        if not isinstance(frame, FrameFile):
            raise TypeError("a frame of this reader")
        return read_page(
            frame,
            turn=turn,
            timeout_s=timeout_s,
            engine=self.settings.ocr_engine,
            models=ModelChoice(self.language, self.settings.ocr_models_dir, self.settings.ocr_languages),
            walls_required=self.settings.sandbox == "required",
        )
