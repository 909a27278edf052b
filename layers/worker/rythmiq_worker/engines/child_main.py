"""The child's side: load one engine, read one picture, answer with one JSON document on a pipe of its own.

Run by `engines.child` by way of `walls.sibling`, never by hand. Before the engine loads its networks the walls go up;
the first line that is said names those that are missing.

The document is `{"lines": [[text, confidence, [[x, y], ...]], ...], "turn": [degrees, by, lines, evidence, against],
"sight": [...]}`, its turn null when the page was read as it lay, or
`{"error": {"reason", "type", "where", "message"}}`. Where it may be turned the page is turned upright first, by an
engine that can. An engine's own message is left out, because it may quote what was read.
"""

import contextlib
import dataclasses
import importlib
import json
import mmap
import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

from rythmiq.contracts.errors import RythmiqError
from rythmiq_worker.engines import ModelChoice, PageText, TurningEngine
from rythmiq_worker.installation import built_in
from rythmiq_worker.walls.lockdown import Room, die_with_parent, lock_down
from rythmiq_worker.walls.sibling import ENVIRONMENT, write_all

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rythmiq.contracts.choices import TextLanguage
    from rythmiq.contracts.portal import OcrLanguage
    from rythmiq_worker.engines import OcrEngine

CHANNELS = 3
THREADS = 2
"""More than an engine computes with at once."""


class EngineModule(Protocol):
    """What a module of an engine offers."""

    # A `prepare(choice)`, where there is one, runs before the walls are up.
    def load(self, choice: ModelChoice) -> "OcrEngine":
        """Make the engine with these models."""
        ...


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


def answer(module: str, choice: ModelChoice, frame: tuple[int, int, int], *, turn: bool) -> bytes:
    """Read the picture; whatever an engine raises becomes a document."""
    try:
        engine = cast("EngineModule", importlib.import_module(module)).load(choice)
        pixels = map_frame(*frame)
        if turn and isinstance(engine, TurningEngine):
            return document_of(engine.read_turned(pixels))
        return document_of(PageText(engine.read(pixels)))
    except BaseException as error:  # noqa: BLE001  this is the wall: SystemExit of an engine is a failure too
        return failure_of(error)


def main(arguments: list[str]) -> NoReturn:
    """Answer, then leave without teardown: that would cost a tenth of a second for nothing."""
    saying, parent = (int(text) for text in arguments[1:3])
    module, language, folder, languages, tessdata, turn = arguments[3:9]
    frame_fd, width_px, height_px, seconds = (int(text) for text in arguments[9:])
    die_with_parent(parent)
    others = cast("tuple[TextLanguage, ...]", tuple(name for name in languages.split(",") if name))
    choice = ModelChoice(cast("OcrLanguage", language), Path(folder) if folder else None, others)
    with contextlib.suppress(BaseException):  # `answer` reports what is broken
        prepare = getattr(importlib.import_module(module), "prepare", None)
        if prepare:
            prepare(choice)
    for name in os.environ.keys() - ENVIRONMENT.keys():
        del os.environ[name]  # OpenCV adds to it
    if tessdata:
        os.environ["TESSDATA_PREFIX"] = tessdata
    missing = lock_down(Room(cpu_s=THREADS * seconds + 1, readable=model_folders(folder, tessdata)))
    write_all(saying, f"walls:{','.join(missing)}\n".encode())
    write_all(saying, answer(module, choice, (frame_fd, width_px, height_px), turn=turn == "1") + b"\n")
    os._exit(0)


def model_folders(folder: str, tessdata: str) -> tuple[str, ...]:
    """Where networks and Tesseract's data may lie, the operator's own first, and where links in it lead."""
    own = built_in()
    given = [Path(path) for path in (folder, tessdata) if path]
    links = [entry.resolve() for path in given if path.is_dir() for entry in path.iterdir() if entry.is_symlink()]
    return (
        *map(str, (*given, *links)),
        str(own),
        str(own.with_name("tessdata")),
        "/usr/share/tesseract-ocr",
        "/usr/share/tessdata",
    )
