"""The image process: `walls.__main__` runs it for `process.ImageProcess`, never a person.

Its code is imported first, so that it is ready when the upload is; then the walls go up, and only then does it read
the job. It has a constant environment, no network and no file, and knows neither keys nor where anything is stored.
"""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from rythmiq.cold_start import defer

# Named by what follows, for tools of developers, paths as URLs and programs to be run; used by no job.
defer("platform", "subprocess", "textwrap", "urllib.parse")

from rythmiq_worker.pixels import CPU_S  # noqa: E402  the line above comes first
from rythmiq_worker.walls import unvalidated  # noqa: E402  ditto
from rythmiq_worker.walls.lockdown import Room, die_with_parent, lock_down  # noqa: E402  ditto
from rythmiq_worker.walls.sibling import ENVIRONMENT  # noqa: E402  ditto

_DOCSTRINGS = ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")
_ANNOTATIONS = ("numpy._typing", "numpy.typing")
# Those that every job needs; what is broken shows at its stage.
_STAGES = ("decode", "quality", "enhance", "ocr", "schema")


class _Words(ModuleType):
    """A module of words for annotations: each takes any argument."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return list


def main(arguments: list[str]) -> NoReturn:
    """Import, put up the walls, run the one job, and leave without teardown."""
    requests, answers, parent, given, made, frame = (int(text) for text in arguments[:6])
    models, kind = arguments[6:]
    die_with_parent(parent)
    gc.set_threshold(200_000)  # as in the worker itself
    unvalidated.install()
    for name in _DOCSTRINGS:  # numpy makes these and the next when it is imported, and nobody reads them
        sys.modules[name] = ModuleType(name)
    for name in _ANNOTATIONS:
        sys.modules[name] = _Words(name)
    for name in _STAGES:
        with suppress(Exception):
            import_module(f"rythmiq_worker.stages.{name}")
    if kind in {"photo", "auto"}:
        with suppress(Exception):
            import_module("rythmiq_worker.conform.person")
    if kind == "photo":
        with suppress(Exception):  # its networks and pictures are small: a second thread waits longer than it works
            import_module("cv2").setNumThreads(1)
    from rythmiq_worker.installation import built_in  # noqa: PLC0415  after `unvalidated` is in its place
    from rythmiq_worker.pixels.job_run import JobRun  # noqa: PLC0415  ditto

    for name in os.environ.keys() - ENVIRONMENT.keys():
        del os.environ[name]  # OpenCV adds to it
    if models:
        os.environ["OCR_MODELS_DIR"] = models
    missing = lock_down(Room(CPU_S, (str(built_in()), *filter(None, [models]))))
    JobRun(requests, answers, given, made, frame).through(missing)
    os._exit(0)
