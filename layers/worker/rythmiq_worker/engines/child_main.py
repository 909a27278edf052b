"""The child's side: load one engine, read one picture, answer with one JSON document on a pipe of its own.

Run by `engines.child`, never by hand:
`python -m rythmiq_worker.engines.child_main MODULE LANGUAGE FOLDER LANGUAGES TURN FRAME_FD WIDTH HEIGHT RESULT_FD PID`,
the last being its parent's.

The document is `{"lines": [[text, confidence, [[x, y], ...]], ...], "turn": [degrees, by, lines, evidence, against],
"sight": [...]}`, its turn null when the page was read as it lay, or
`{"error": {"reason", "type", "where", "message"}}`. With TURN 1 the page is turned upright first, by an engine that
can. An engine's own message is left out, because it may quote what was read.
"""

import ctypes
import dataclasses
import importlib
import json
import mmap
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from rythmiq.contracts.errors import RythmiqError
from rythmiq_worker.engines.text import ModelChoice, PageText, TurningEngine

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rythmiq.contracts.choices import TextLanguage
    from rythmiq.contracts.portal import OcrLanguage
    from rythmiq_worker.engines.text import OcrEngine

PR_SET_PDEATHSIG = 1
CHANNELS = 3


class EngineModule(Protocol):
    """What a module of an engine offers."""

    def load(self, choice: ModelChoice) -> "OcrEngine":
        """Make the engine with these models."""
        ...


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and die now if that has happened already.

    Linux only; elsewhere the limit on time still ends an orphan's parent's wait, and the orphan ends with its picture.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def map_frame(frame_fd: int, width_px: int, height_px: int) -> "NDArray[np.uint8]":
    """The picture, shared with the file and not copied: H x W x 3, uint8, RGB, read-only."""
    import numpy as np  # noqa: PLC0415  after OPENBLAS_NUM_THREADS is known to be ours

    pixels = mmap.mmap(frame_fd, height_px * width_px * CHANNELS, prot=mmap.PROT_READ)
    return np.frombuffer(pixels, np.uint8).reshape(height_px, width_px, CHANNELS)


def document_of(page: PageText) -> bytes:
    """The answer for what was read."""
    lines = [[line.text, line.confidence, line.quad] for line in page.lines]
    turn = None if page.turn is None else dataclasses.astuple(page.turn)
    sight = None if page.sight is None else dataclasses.astuple(page.sight)
    return json.dumps({"lines": lines, "turn": turn, "sight": sight}, ensure_ascii=False, allow_nan=False).encode()


def failure_of(error: BaseException) -> bytes:
    """The answer for what went wrong: where and what kind, and a message only if it is one of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else None  # noqa: PTH119  a name, no file
    reason = "memory" if isinstance(error, MemoryError) else "engine"
    message = str(error) if isinstance(error, RythmiqError) else None
    failure = {"reason": reason, "type": type(error).__name__, "where": where, "message": message}
    return json.dumps({"error": failure}).encode()


def answer(  # noqa: PLR0913  a command line
    module: str, choice: ModelChoice, frame_fd: int, width_px: int, height_px: int, *, turn: bool
) -> bytes:
    """Read the picture; whatever an engine raises becomes a document."""
    try:
        engine = cast("EngineModule", importlib.import_module(module)).load(choice)
        pixels = map_frame(frame_fd, width_px, height_px)
        if turn and isinstance(engine, TurningEngine):
            return document_of(engine.read_turned(pixels))
        return document_of(PageText(engine.read(pixels)))
    except BaseException as error:  # noqa: BLE001  this is the wall: SystemExit of an engine is a failure too
        return failure_of(error)


def main(arguments: list[str]) -> None:
    """Answer, then leave without teardown: that would cost a tenth of a second for nothing."""
    module, language, folder, languages, turn = arguments[:5]
    others = cast("tuple[TextLanguage, ...]", tuple(name for name in languages.split(",") if name))
    choice = ModelChoice(cast("OcrLanguage", language), Path(folder) if folder else None, others)
    frame_fd, width_px, height_px, result_fd, parent = (int(text) for text in arguments[5:])
    die_with_parent(parent)
    for fd in (frame_fd, result_fd):
        os.set_inheritable(fd, False)  # noqa: FBT003  its only form: nothing that an engine starts keeps the pipe open
    document = memoryview(answer(module, choice, frame_fd, width_px, height_px, turn=turn == "1"))
    while document:
        document = document[os.write(result_fd, document) :]
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
