"""HTTP on loopback for the local cloud's parts: werkzeug's threaded server, quiet, with a port that may be taken.

A WSGI application that raises ConnectionError cuts its connection without an answer.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_POLL_S = 0.05


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
