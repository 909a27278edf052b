"""The log of the local cloud: JSON lines on STDERR; on a terminal a short form, with the lines in a file."""

import datetime as dt
import json
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.markup import escape

LOG_NAME = "cloud.log"
_SHOWN_METHODS = frozenset({"POST", "DELETE", "PUT"})
_FIRST_FAILURE_STATUS = 500


class CloudLog:
    """The log of one cloud.

    Args:
        data_dir: where the lines go when STDERR is a terminal.
        console: where a few words go; by default STDERR, if that is a terminal.
    """

    def __init__(self, data_dir: Path, *, console: Console | None = None) -> None:
        stderr = Console(stderr=True, highlight=False)
        self._console = console or (stderr if stderr.is_terminal else None)
        self._shows_requests = console is None and self._console is not None
        self.file = data_dir / LOG_NAME if self._console is not None else None
        self._stream = self.file.open("a", encoding="utf-8") if self.file else sys.stderr
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.file:
            self._stream.close()

    @property
    def descriptor(self) -> int:
        """The file descriptor for processes that write their own lines."""
        return self._stream.fileno()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write one line; the terminal shows requests that change something, and failures."""
        line = {"at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds"), "level": "info", **event}
        with self._lock:
            if not self._stream.closed:  # a request may end after the cloud has
                print(json.dumps(line), file=self._stream, flush=True)
        if event.get("event") == "sign_in_code":
            self.say(f"[bold]sign-in code for {escape(event['email'])}: {event['code']}[/]")
        if self._shows_requests and event.get("event") == "request":
            status = int(event["status"])
            if event["method"] in _SHOWN_METHODS or status >= _FIRST_FAILURE_STATUS:
                colour = "red" if status >= _FIRST_FAILURE_STATUS else "dim"
                self.say(f"[{colour}]{event['method']} {escape(event['path'])} {status} {event['wall_ms']} ms[/]")

    def say(self, markup: str) -> None:
        """Print to the terminal, if there is one."""
        if self._console is not None:
            self._console.print(markup)
