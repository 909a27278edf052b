"""What the launcher writes to STDERR: its own events, and the worker's, one JSON line each.

Of the worker's lines, known events with known fields pass, under this job's ids (`rythmiq_worker.events`). Whatever
else it prints may quote what was read, or be forged by it: outside `dev` it is counted and not shown.

Source: docs/specification/observability.md.
"""

import json
from collections.abc import Callable, Mapping
from typing import get_args

from rythmiq.contracts.errors import Stage
from rythmiq_worker.events import MAX_LINE_BYTES, Fact, known_event
from rythmiq_worker.launcher.dispatch import Launch
from rythmiq_worker.stdio import log_line

_STAGES: tuple[Stage, ...] = get_args(Stage)
_MAX_SHOWN_BYTES = 256 * 1024


class LaunchLog:
    """Writes the launcher's events, each with the job's ids."""

    def __init__(self, launch: Launch | None, write: Callable[[str], object] = log_line) -> None:
        self._launch = launch
        self._ids = {} if launch is None else {"job_id": launch.job_id, "attempt": launch.attempt}
        self._write = write

    def event(self, event: str, **facts: object) -> None:
        """Log one event; no personal data, no secret, no URL, no storage key."""
        self._write(json.dumps({"event": event, **self._ids, **facts}, separators=(",", ":")))

    def known(self, line: bytes) -> dict[str, Fact] | None:
        """Return a line of the worker's as an event about this job; None when it is none."""
        launch = self._launch
        return None if launch is None else known_event(line, job_id=launch.job_id, attempt=launch.attempt)

    def pass_on(self, event: Mapping[str, Fact]) -> None:
        """Log an event of the worker's."""
        self._write(json.dumps(event, separators=(",", ":")))


class WorkerStderr:
    """Takes what the worker writes to STDERR; passes its lines on, and knows the stage it is in.

    Args:
        log: where lines go.
        on_stage: called with each stage that starts.
        shows_noise: whether lines that are no events are shown.
    """

    def __init__(self, log: LaunchLog, on_stage: Callable[[Stage], object], *, shows_noise: bool) -> None:
        self.stage: Stage = "init"
        self._log = log
        self._on_stage = on_stage
        self._shows_noise = shows_noise
        self._part = b""
        self._shown_bytes = 0
        self._hidden_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take what came, in whatever pieces."""
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._part) > MAX_LINE_BYTES:
            self._take(self._part)
            self._part = b""

    def end(self) -> None:
        """Take the last line, and say how much was not shown."""
        if self._part:
            self._take(self._part)
        if self._hidden_bytes:
            self._log.event("worker_noise", hidden_bytes=self._hidden_bytes)

    def _take(self, line: bytes) -> None:
        event = self._log.known(line)
        shown = event is not None or self._shows_noise
        if not shown or self._shown_bytes > _MAX_SHOWN_BYTES:
            self._hidden_bytes += len(line)
        elif event is not None:
            self._shown_bytes += len(line)
            self._log.pass_on(event)
        elif line.strip():
            self._shown_bytes += len(line)
            self._log.event("worker_noise", line=line[:MAX_LINE_BYTES].decode(errors="replace"))
        if event is not None and (stage := _begun(event)) is not None:
            self.stage = stage
            self._on_stage(stage)


def _begun(event: Mapping[str, Fact]) -> Stage | None:
    """Return the stage that an event reports as started."""
    if event["event"] != "stage" or event.get("state") != "start":
        return None
    return next((stage for stage in _STAGES if stage == event.get("stage")), None)
