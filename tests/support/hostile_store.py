"""A store that misbehaves: one thread on loopback that answers GET and PUT in whatever way a test asks for."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket, threading.Event], None]


def answers(status: int, body: bytes = b"", *, length: int | None = None, headers: str = "") -> Behaviour:
    """Answer at once; `length` announces another length than the body has."""

    def behave(connection: socket.socket, _closing: threading.Event) -> None:
        announced = len(body) if length is None else length
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {announced}\r\nConnection: close\r\n{headers}\r\n"
        connection.sendall(head.encode() + body)

    return behave


def says(raw: bytes) -> Behaviour:
    """Send these bytes, whatever they mean."""

    def behave(connection: socket.socket, _closing: threading.Event) -> None:
        connection.sendall(raw)

    return behave


def stalls(connection: socket.socket, closing: threading.Event) -> None:
    """Take the request and say nothing."""
    closing.wait(30)
    connection.close()


def drips(connection: socket.socket, closing: threading.Event) -> None:
    """Send a byte now and then, so that no single read is ever slow."""
    connection.sendall(b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\n")
    while not closing.wait(0.05):
        connection.sendall(b"x")


def resets(connection: socket.socket, _closing: threading.Event) -> None:
    """Cut the connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def floods(connection: socket.socket, closing: threading.Event) -> None:
    """Send a body without end."""
    connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
    while not closing.is_set():
        connection.sendall(b"x" * 65_536)


@dataclass(slots=True)
class HostileStore:
    """Where it listens and how it behaves.

    Attributes:
        get: what a GET meets.
        put: what each PUT meets in turn, the last one from then on.
        requests: the first line of each request.
    """

    endpoint: str
    get: Behaviour = field(default_factory=lambda: answers(404))
    put: list[Behaviour] = field(default_factory=lambda: [answers(200)])
    requests: list[str] = field(default_factory=list)


@contextlib.contextmanager
def hostile_store() -> Iterator[HostileStore]:
    """Listen on a free port of 127.0.0.1 while the context lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    store = HostileStore(f"http://127.0.0.1:{listener.getsockname()[1]}")
    closing = threading.Event()
    thread = threading.Thread(target=_serve, args=(listener, store, closing), name="hostile store")
    thread.start()
    try:
        yield store
    finally:
        closing.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join()
        listener.close()


def _serve(listener: socket.socket, store: HostileStore, closing: threading.Event) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            if closing.is_set():
                return
            _converse(connection, store, closing)


def _converse(connection: socket.socket, store: HostileStore, closing: threading.Event) -> None:
    connection.settimeout(10)
    head, _, body = _received(connection, b"").partition(b"\r\n\r\n")
    store.requests.append(head.split(b"\r\n")[0].decode())
    if head.startswith(b"PUT"):
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65_536)
        behave = store.put.pop(0) if len(store.put) > 1 else store.put[0]
    else:
        behave = store.get
    behave(connection, closing)


def _received(connection: socket.socket, data: bytes) -> bytes:
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return data + b"\r\n\r\n"
        data += part
    return data
