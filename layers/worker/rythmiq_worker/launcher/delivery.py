"""Report an attempt to the store, to the API and to the log: progress while it runs, then the result.

The result goes two ways: a sealed object first, then the webhook. The object is what the reconciler finds when the
webhook is lost; so it comes first, and a store that does not take it does not keep the webhook from being sent.

Progress is best effort, on the launcher's one thread: an API that does not answer must not keep it from reading the
worker's pipes. The thread starts after the worker has been forked.

Its log on STDERR has the launcher's own events and the worker's, one JSON line each. Of the worker's lines, known
events with known fields pass, under this job's ids (`rythmiq_worker.events`). Whatever else it prints may quote what
was read, or be forged by it: outside `dev` it is counted and not shown.

Source: docs/specification/launcher.md, docs/specification/observability.md.
"""

import contextlib
import datetime as dt
import email.utils
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from rythmiq.adapters.bounded_http import exchange
from rythmiq.clock import Deadline, backoff_s
from rythmiq.contracts.attempt import SECRET_HEADER, Callback, Dispatch, ProgressBody
from rythmiq.contracts.errors import Stage, StoreError, StoreUnavailableError
from rythmiq_worker.events import MAX_LINE_BYTES, Fact, known_event
from rythmiq_worker.launcher.dispatch import Launch
from rythmiq_worker.launcher.process import TerminatedError, Termination
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
        """Take the last line, and log how much was not shown."""
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


@dataclass(frozen=True, slots=True)
class Limits:
    """The launcher's timeouts and pauses; the worker's deadline is `JOB_TIMEOUT_S`.

    Attributes:
        kill_grace_s: between SIGTERM and SIGKILL to the worker's group.
        store_try_s: one try of fetching the dispatch object or storing the result.
        store_pauses_s: between tries; there is one try more than there are pauses.
        webhook_try_s: for one answer: the API may build and store a ZIP meanwhile.
        webhook_total_s: no try of the webhook begins later than this after the first.
        webhook_pause_s: before the second try; each pause is twice the one before it.
        webhook_most_pause_s: the longest pause, also when the API asks for more by Retry-After.
        progress_every_s: at most one report of progress in this time.
        progress_try_s: for the answer to one.
        terminated_s: for everything that is left to do after SIGTERM: whoever sends it kills soon.
    """

    kill_grace_s: float = 5.0
    store_try_s: float = 15.0
    store_pauses_s: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    webhook_try_s: float = 65.0
    webhook_total_s: float = 90.0
    webhook_pause_s: float = 1.0
    webhook_most_pause_s: float = 32.0
    progress_every_s: float = 5.0
    progress_try_s: float = 5.0
    terminated_s: float = 8.0


_MAX_PROGRESS_ANSWER_BYTES = 4 * 1024


class Progress:
    """Posts the latest stage to the API.

    Args:
        dispatch: whose progress, and where to report it.
        every_s: at most one report in this time.
        try_s: for the answer to one.
    """

    def __init__(self, dispatch: Dispatch, *, every_s: float, try_s: float) -> None:
        self._dispatch = dispatch
        self._every_s = every_s
        self._try_s = try_s
        self._latest: Stage | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def offer(self, stage: Stage) -> None:
        """Queue a report of the stage that has begun; returns at once."""
        with self._changed:
            self._latest = stage
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="progress", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Stop reporting; a report in flight is not waited for."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _serve(self) -> None:
        not_before = 0.0
        while True:
            with self._changed:
                while not self._ended and (self._latest is None or time.monotonic() < not_before):
                    self._changed.wait(None if self._latest is None else not_before - time.monotonic())
                if self._ended or self._latest is None:
                    return
                stage, self._latest = self._latest, None
            not_before = time.monotonic() + self._every_s
            self._post(stage)

    def _post(self, stage: Stage) -> None:
        callback = self._dispatch.callback
        body = ProgressBody(job_id=self._dispatch.job_id, attempt=self._dispatch.attempt, stage=stage)
        try:
            exchange(
                "POST",
                callback.progress_url,
                timeout_s=self._try_s,
                max_bytes=_MAX_PROGRESS_ANSWER_BYTES,
                headers={"Content-Type": "application/json", SECRET_HEADER: callback.token},
                content=body.model_dump_json().encode(),
            )
        except StoreError:
            return  # the next stage, or the webhook, will say it


_MAX_ANSWER_BYTES = 16 * 1024
_TERMINATED_PAUSE_S = 1.0
_FINAL = frozenset({401, 404, 410})
"""Answers that no repeat changes: not allowed, no such job, gone (docs/specification/executors.md)."""

Delivered = Literal["delivered", "refused", "undelivered", "broken_off"]
_T = TypeVar("_T")


class ResultSender:
    """Sends the result with retries; stops early on SIGTERM.

    Args:
        limits: how long and how often.
        termination: a signal to us shortens everything.
        log: takes an event for each try.
    """

    def __init__(self, limits: Limits, termination: Termination, log: LaunchLog) -> None:
        self._limits = limits
        self._termination = termination
        self._log = log

    def on_store(self, what: str, call: Callable[[], _T]) -> _T:
        """Call the store, and retry while a retry may help.

        Raises:
            StoreError: the last one, or one that no repeat changes.
        """
        pauses_s = iter(self._limits.store_pauses_s)
        while True:
            try:
                return call()
            except StoreError as error:
                # A store that refuses connections may be on its way up again.
                repeats = error.transient or isinstance(error, StoreUnavailableError)
                pause_s = next(pauses_s, None) if repeats and not self._is_out_of_time() else None
                self._log.event("store_trouble", what=what, type=type(error).__name__, again=pause_s is not None)
                if pause_s is None:
                    raise
            self._termination.wait(pause_s)

    def post_webhook(self, callback: Callback, body: bytes, *, stored: bool) -> Delivered:
        """Post the result until there is a final answer, or the time is up.

        Args:
            callback: where, and the token to show.
            body: the webhook's JSON.
            stored: whether the result object stands; then a signal to us breaks this off.
        """
        deadline = Deadline.after(self._limits.webhook_total_s)
        for count in itertools.count(1):
            try:
                status, asked_s = self._one_try(callback, body, stored=stored)
            except TerminatedError:
                return "broken_off"
            self._log.event("webhook", count=count, status=status)
            if status is not None and 200 <= status < 300:  # noqa: PLR2004  the class of successes
                return "delivered"
            if status in _FINAL:
                return "refused"
            # Not all launchers at once, when the API comes back.
            pause_s = backoff_s(count - 1, first_s=self._limits.webhook_pause_s)
            jittered_s = pause_s * (0.75 + 0.5 * os.urandom(1)[0] / 255)
            wait_s = min(max(jittered_s, asked_s), self._limits.webhook_most_pause_s)
            if self._termination.received:
                wait_s = min(wait_s, _TERMINATED_PAUSE_S)
            if wait_s > deadline.left_s:
                break
            if self._termination.wait(wait_s) and (stored or self._is_out_of_time()):
                return "broken_off"
        return "undelivered"

    def _one_try(self, callback: Callback, body: bytes, *, stored: bool) -> tuple[int | None, float]:
        """The status, None when there was no answer, and how many seconds the API asks us to wait.

        Raises:
            TerminatedError: a signal came, and the result stands in the store.
        """
        is_worth_finishing = not stored or self._termination.received
        timeout_s = self._limits.webhook_try_s
        if self._termination.received:
            timeout_s = min(timeout_s, self._limits.terminated_s)
        try:
            with contextlib.nullcontext() if is_worth_finishing else self._termination.abandons():
                answer = exchange(
                    "POST",
                    callback.url,
                    timeout_s=timeout_s,
                    max_bytes=_MAX_ANSWER_BYTES,
                    headers={"Content-Type": "application/json", SECRET_HEADER: callback.token},
                    content=body,
                )
        except StoreError:
            return None, 0.0
        return answer.status, _retry_after_s(answer.headers.get("retry-after", ""))

    def _is_out_of_time(self) -> bool:
        return self._termination.since_s() > self._limits.terminated_s


def _retry_after_s(text: str) -> float:
    """Seconds from a Retry-After header, a number or an instant (RFC 9110 10.2.3); 0 when there is none."""
    if text.isascii() and text.isdigit():
        return float(text[:6])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at - dt.datetime.now(tz=dt.UTC)).total_seconds()) if at.tzinfo is not None else 0.0
