"""The cloud on one machine, and what its parts share: its log, HTTP on loopback, private files that are made once.

The log is JSON lines on STDERR; on a terminal a short form, with the lines in a file. HTTP is werkzeug's threaded
server, quiet, with a port that may be taken; a WSGI application that raises ConnectionError cuts its connection without
an answer.
"""

import contextlib
import datetime as dt
import json
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from rythmiq.contracts.errors import RythmiqError

if TYPE_CHECKING:
    from rich.console import Console

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

LOG_NAME = "cloud.log"
_SHOWN_METHODS = frozenset({"POST", "DELETE", "PUT"})
_FIRST_FAILURE_STATUS = 500
_POLL_S = 0.05


class CloudError(RythmiqError):
    """The cloud does not start; the message says why."""


class CloudUsageError(CloudError):
    """The options or variables cannot be used."""


def made_once(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON of a private file, which is made the first time."""
    if not file.exists():
        from rythmiq_cli.service import write_private  # noqa: PLC0415  the executor's start needs none of it

        write_private(file, json.dumps(make()))
    return json.loads(file.read_text(encoding="utf-8"))


def made_store_keys(data_dir: Path) -> tuple[str, str]:
    """The access key and secret key of a local store's directory, made the first time."""
    keys = made_once(
        data_dir / "keys.json", lambda: ["LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)]
    )
    return str(keys[0]), str(keys[1])


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


class CloudLog:
    """The log of one cloud.

    Args:
        data_dir: where the lines go when STDERR is a terminal.
        console: where a few words go; by default STDERR, if that is a terminal.
    """

    def __init__(self, data_dir: Path, *, console: "Console | None" = None) -> None:
        from rich.console import Console  # noqa: PLC0415  the cloud's alone, of all its parts

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
        if self._console is None:
            return
        from rich.markup import escape  # noqa: PLC0415  as in `__init__`

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


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "rythmiq-local"  # the base class names werkzeug
    sys_version = ""
    timeout = 75

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  werkzeug's own name
        """Write nothing: the parts log what they answer themselves."""


class LoopbackServer:
    """Listens on 127.0.0.1 from its construction on, and serves in threads from `start` to `close`.

    Attributes:
        port: the one asked for, or the one that was picked.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int, app: WsgiApp) -> None:
        # Bound here: werkzeug ends the process when the port is taken.
        with socket.create_server(("127.0.0.1", port)) as listening:
            self.wsgi: BaseWSGIServer = make_server(
                "127.0.0.1",
                port,
                app,
                threaded=True,
                request_handler=_Handler,
                fd=listening.fileno(),
            )
        self.port: int = self.wsgi.port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self.wsgi.serve_forever, args=(_POLL_S,), name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and free the port."""
        if self._thread is not None:
            self.wsgi.shutdown()
            self._thread.join()
        self.wsgi.server_close()


@contextlib.contextmanager
def serving(port: int, app: WsgiApp) -> Iterator[LoopbackServer]:
    """Serve an application on 127.0.0.1 while the context lasts; port 0 picks a free one."""
    server = LoopbackServer(port, app)
    try:
        server.start()
        yield server
    finally:
        server.close()
