"""A proxy on loopback that remembers what passes and, when it is told to, loses or refuses it.

Before the store it is the spy that sees what a store's operator sees; before the webhooks it is the bad line. It hands
on every header as it came, Host too, so that signatures hold.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}


@dataclass
class Exchange:
    """One request that came by, and what was answered."""

    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    status: int = 0
    answer: bytes = field(default=b"", repr=False)


Does = Literal["refuse", "lose", "cut", "pass"]


@dataclass
class Fault:
    """What happens to the requests that match.

    Attributes:
        does: `refuse` answers 503 in place of the server; `lose` lets the request through and answers 503; `cut`
            lets it through and cuts the connection; `pass` is for `then` alone.
        times: how often it happens; None for as long as it stands.
        then: is called after the server has answered and before the client hears of it.
        hit: is set at the first time.
    """

    matches: Callable[[Exchange], bool]
    does: Does
    times: int | None
    then: Callable[[], object] = lambda: None
    hits: int = 0
    hit: threading.Event = field(default_factory=threading.Event)

    def applies(self, exchange: Exchange) -> bool:
        """Whether this request meets it."""
        return (self.times is None or self.hits < self.times) and self.matches(exchange)


class Proxy:
    """Listens on 127.0.0.1 and asks `upstream`, which may be set later."""

    def __init__(self, upstream: str = "") -> None:
        self.upstream = upstream
        self.exchanges: list[Exchange] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @contextlib.contextmanager
    def fault(
        self,
        matches: Callable[[Exchange], bool],
        does: Does = "refuse",
        *,
        times: int | None = None,
        then: Callable[[], object] = lambda: None,
    ) -> Iterator[Fault]:
        """Misbehave while the context lasts."""
        fault = Fault(matches, does, times, then)
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            with self._lock:
                self._faults.remove(fault)

    def taken(self, exchange: Exchange) -> Fault | None:
        """Remember a request; the fault that it meets."""
        with self._lock:
            self.exchanges.append(exchange)
            fault = next((fault for fault in self._faults if fault.applies(exchange)), None)
            if fault is not None:
                fault.hits += 1
        return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    proxy: Proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def parse_request(self) -> bool:
        """Take any method."""
        taken = super().parse_request()
        setattr(self, f"do_{self.command}", self._pass_on)
        return taken

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's own name
        """Tests ask `exchanges`."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        exchange = Exchange(self.command, self.path, dict(self.headers.items()), body)
        fault = self.server.proxy.taken(exchange)
        headers: list[tuple[str, str]] = []
        if fault is None or fault.does != "refuse":
            headers = self._ask(exchange)
        if fault is not None:
            fault.then()
            if fault.does != "pass":
                exchange.status, headers, exchange.answer = 503, [], b""
            fault.hit.set()
        if exchange.status == 0 or (fault is not None and fault.does == "cut"):
            self.close_connection = True
            return
        self.send_response_only(exchange.status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(exchange.answer)))
        self.end_headers()
        self.wfile.write(exchange.answer)
        self.wfile.flush()

    def _ask(self, exchange: Exchange) -> list[tuple[str, str]]:
        """Put the request to the server behind; status 0 when it does not answer."""
        upstream = HTTPConnection(urlsplit(self.server.proxy.upstream).netloc, timeout=70)
        try:
            upstream.putrequest(exchange.method, exchange.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(exchange.body)
            answer = upstream.getresponse()
            exchange.answer = answer.read()
            exchange.status = answer.status
            return [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
        except (OSError, HTTPException):
            return []
        finally:
            upstream.close()
