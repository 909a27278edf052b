"""A proxy in front of Postgres that notes what the client sends, and can break the line at a chosen moment."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from psycopg.conninfo import conninfo_to_dict

_UNTYPED = {80877103, 80877104}  # requests for TLS and for GSS encryption come before the start-up message
Break = Literal["before the server sees it", "before the answer", "never answer"]


@dataclass
class WireSpy:
    """A running proxy.

    Attributes:
        sent: types of the messages that clients sent after they were let in ("Q" is a simple query).
        connections: how many there were.
        break_next: what happens at the next simple query.
    """

    port: int
    sent: list[str] = field(default_factory=list)
    connections: int = 0
    break_next: Break | None = None
    open: list[socket.socket] = field(default_factory=list)

    def hang_up(self) -> None:
        """Close every line, as a pooler does with those that lie idle."""
        for line in self.open:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self.open.clear()

    def url(self, url: str) -> str:
        """The same database by way of this proxy."""
        port = conninfo_to_dict(url)["port"]
        return url.replace(f":{port}/", f":{self.port}/")


@contextlib.contextmanager
def wire_spy(url: str) -> Iterator[WireSpy]:
    """Listen on loopback while the context lasts, in front of the Postgres that a URL names."""
    target = ("127.0.0.1", int(str(conninfo_to_dict(url)["port"])))
    listener = socket.create_server(("127.0.0.1", 0))
    spy = WireSpy(listener.getsockname()[1])
    thread = threading.Thread(target=_accept, args=(spy, listener, target), daemon=True)
    thread.start()
    try:
        yield spy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        spy.hang_up()


class _Line:
    """One connection on its way through the proxy."""

    def __init__(self, spy: WireSpy, client: socket.socket, target: tuple[str, int]) -> None:
        self._spy, self._client = spy, client
        self._server = socket.create_connection(target)
        self._muted, self._answered = threading.Event(), threading.Event()
        for line in (client, self._server):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        spy.open += [client, self._server]
        for run in (self._forward, self._back):
            threading.Thread(target=run, daemon=True).start()

    def _back(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._muted.is_set():
                    self._answered.set()
                else:
                    self._client.sendall(data)
        self._close()

    def _forward(self) -> None:
        """Message by message, because what breaks the line is a message and not a read."""
        with contextlib.suppress(OSError, struct.error):
            started = False
            while True:
                kind = _exactly(self._client, 1) if started else b""
                size = _exactly(self._client, 4)
                body = _exactly(self._client, struct.unpack("!I", size)[0] - 4)
                if not started:
                    started = struct.unpack("!I", body[:4])[0] not in _UNTYPED
                elif kind not in {b"p", b"X"}:  # passwords and farewells are no calls
                    self._spy.sent.append(kind.decode())
                if kind == b"Q" and self._spy.break_next is not None:
                    broken, self._spy.break_next = self._spy.break_next, None
                    if broken == "before the server sees it":
                        break
                    self._muted.set()
                    self._server.sendall(kind + size + body)
                    if broken == "before the answer":
                        self._answered.wait(10)
                        break
                    continue
                self._server.sendall(kind + size + body)
        self._close()

    def _close(self) -> None:
        for line in (self._client, self._server):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()


def _accept(spy: WireSpy, listener: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        spy.connections += 1
        _Line(spy, client, target)


def _exactly(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = line.recv(count - len(data))
        if not more:
            raise OSError
        data += more
    return data
