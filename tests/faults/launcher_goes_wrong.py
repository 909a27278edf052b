"""The launcher, but at a POINT it dies or misbehaves; then its own arguments.

Points: `before_` and `after_` `dispatch`, `result` and `webhook`, `launcher_at_{stage}` (killed there),
`worker_at_{stage}` (the worker is), `webhook_lost` (it never sends it, and ends as if nobody had answered),
`webhook_twice`.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rythmiq.contracts.attempt import Callback
from rythmiq_worker import launcher
from rythmiq_worker.launcher.delivery import Delivered, ResultSender, WorkerStderr

point = sys.argv[1]
T = TypeVar("T")


def maybe_die(here: str) -> None:
    """Die as when memory runs out, if this is the point."""
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)


class Unfortunate(ResultSender):
    """Reaches the points."""

    def on_store(self, what: str, call: Callable[[], T]) -> T:
        """Before and after each call on the store."""
        maybe_die(f"before_{what}")
        answer = super().on_store(what, call)
        maybe_die(f"after_{what}")
        return answer

    def post_webhook(self, callback: Callback, body: bytes, *, stored: bool) -> Delivered:
        """Instead of the webhook, or around it."""
        if point == "webhook_lost":
            return "undelivered"
        maybe_die("before_webhook")
        delivered = super().post_webhook(callback, body, stored=stored)
        maybe_die("after_webhook")
        return super().post_webhook(callback, body, stored=stored) if point == "webhook_twice" else delivered


class Watching(WorkerStderr):
    """Reaches the points inside the worker's run."""

    def _take(self, line: bytes) -> None:
        before = self.stage
        super()._take(line)
        if self.stage == before:
            return
        maybe_die(f"launcher_at_{self.stage}")
        if point == f"worker_at_{self.stage}":
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
            for pid in children.split():
                os.kill(int(pid), signal.SIGKILL)


vars(launcher)["ResultSender"] = Unfortunate
vars(launcher)["WorkerStderr"] = Watching
os._exit(launcher.launch(sys.argv[2:], os.environ))
