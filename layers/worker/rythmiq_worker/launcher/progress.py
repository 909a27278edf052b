"""Reports of progress: best effort, at most one in a few seconds, never in the job's way.

The one thread of the launcher: an API that does not answer must not keep it from reading the worker's pipes. It starts
after the worker has been forked.

Source: docs/specification/launcher.md.
"""

import threading
import time

from rythmiq.adapters.bounded_http import exchange
from rythmiq.contracts.dispatch import Dispatch
from rythmiq.contracts.errors import Stage, StoreError
from rythmiq.contracts.webhook import SECRET_HEADER, ProgressBody

_MAX_ANSWER_BYTES = 4 * 1024


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
        """Say which stage has begun; returns at once."""
        with self._changed:
            self._latest = stage
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="progress", daemon=True)
                self._thread.start()

    def end(self) -> None:
        """Report nothing more; a report that is on its way is not waited for."""
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
                max_bytes=_MAX_ANSWER_BYTES,
                headers={"Content-Type": "application/json", SECRET_HEADER: callback.token},
                content=body.model_dump_json().encode(),
            )
        except StoreError:
            return  # the next stage, or the webhook, will say it
