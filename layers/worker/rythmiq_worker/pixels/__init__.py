"""The stages that touch pixels, in a sandboxed process: bytes and rules go in, files and facts come out.

Here is what the worker and its image process say to each other: JSON lines on two pipes, bytes in anonymous files.

The worker sends `{"context": N, "uploads": [N, ...]}`: the sizes of the job and of each upload, in the first file. It
receives `{"walls": [names of those that are missing]}`, `{"event": "stage", "stage", "state"}`, `{"event":
"unexpected", "stage", "type", "where"}`, `{"text": {"width_px", "height_px", "turn", "timeout_s"}}` (which it answers
with the text engine's answer), `{"made": {...}}` when the document is made, and last `{"files": {"document": N, ...},
"pages"}`, for files one after the other in the second file, or `{"failed": {"code", "message", "detail"}}`.

The job is sent as a pickle, which the worker trusts because it made it; what comes back is JSON, and is trusted only as
far as `answers` has checked it.
"""

import datetime as dt
import json
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

if TYPE_CHECKING:
    from rythmiq.contracts.payload import Payload
    from rythmiq.settings.worker import WorkerSettings
    from rythmiq_worker.job import Context

CPU_S: Final = 200
"""Of a whole job: more than the largest that MAX_PIXELS and MAX_PAGES permit takes."""
FILES: Final = ("document", "preview", "before", "text", "master")
"""The files in their order."""


class Bounds(NamedTuple):
    """The worker's settings that the stages of pixels read."""

    max_pixels: int
    max_pages: int
    ocr_timeout_s: float


class Assignment(NamedTuple):
    """What the image process receives of a job."""

    payload: "Payload"
    bounds: Bounds
    dispatched_at: dt.datetime

    @property
    def settings(self) -> "WorkerSettings":
        """The bounds, as a context holds them."""
        return cast("WorkerSettings", self.bounds)


def context_bytes(ctx: "Context") -> bytes:
    """What the image process may know of a job: rules and options; no key, no storage key, no account."""
    payload, settings = ctx.payload, ctx.settings
    source = payload.input.model_copy(update={"raw_path": None, "raw_paths": None, "artifact_url": None})
    bare = payload.model_copy(update={"encryption": None, "storage": None, "user_id": "", "input": source})
    bounds = Bounds(settings.max_pixels, settings.max_pages, settings.ocr_timeout_s)
    return pickle.dumps(Assignment(bare, bounds, ctx.dispatched_at), pickle.HIGHEST_PROTOCOL)


def read_assignment(data: bytes) -> Assignment:
    """Read it, on the side of the image process."""
    return cast("Assignment", pickle.loads(data))  # noqa: S301  its maker is the worker, who could do anything anyway


def line_of(message: Mapping[str, object]) -> bytes:
    """Serialize one message, without the line's end."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
