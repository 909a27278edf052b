"""What the local cloud writes on STDERR: JSON lines; to a terminal a few words, and the lines to a file."""

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
_TOLD = frozenset({"POST", "DELETE", "PUT"})
_TROUBLE = 500


class CloudLog:
    """The log of one cloud.

    Args:
        data_dir: where the lines go when a person reads.
        console: where a person reads; by default STDERR, if that is a terminal.
    """

    def __init__(self, data_dir: Path, *, console: Console | None = None) -> None:
        stderr = Console(stderr=True, highlight=False)
        self._console = console or (stderr if stderr.is_terminal else None)
        self._tells_requests = console is None and self._console is not None
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
        """Where processes write their own lines."""
        return self._stream.fileno()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Write one line; a person hears of requests that change something, and of trouble."""
        line = {"at": dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds"), "level": "info", **event}
        with self._lock:
            if not self._stream.closed:  # a request may end after the cloud has
                print(json.dumps(line), file=self._stream, flush=True)
        if self._tells_requests and event.get("event") == "request":
            status = int(event["status"])
            if event["method"] in _TOLD or status >= _TROUBLE:
                colour = "red" if status >= _TROUBLE else "dim"
                self.say(f"[{colour}]{event['method']} {escape(event['path'])} {status} {event['wall_ms']} ms[/]")

    def say(self, markup: str) -> None:
        """Say something to a person, if one is there."""
        if self._console is not None:
            self._console.print(markup)
