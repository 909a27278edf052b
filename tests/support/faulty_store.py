"""A server that answers a store's calls by a script, and a store in front of it."""

import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import (
    StoreError,
)
from rythmiq.contracts.keys import master_key

KEY = master_key(str(uuid.UUID(int=1, version=4)), str(uuid.UUID(int=2, version=4)))
DEADLINE_S = 0.3
# A shared machine may be late; a call that ignores its deadline is later by far.
LATE_S = 3.0
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
Behaviour = Callable[[socket.socket, int], None]


class Faulty:
    """A server that answers each connection by a script; `served` counts them."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.served = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.served += 1
                thread = threading.Thread(target=self._serve, args=(connection, self.served), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, nth: int) -> None:
        with connection, contextlib.suppress(OSError):
            self._behaviour(connection, nth)

    def close(self) -> None:
        """Stop accepting and wait for every script to end."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(LATE_S)
            assert not thread.is_alive()


Serve = Callable[[Behaviour], Faulty]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start faulty servers, and stop them at the end."""
    servers: list[Faulty] = []

    def start(behaviour: Behaviour) -> Faulty:
        servers.append(Faulty(behaviour))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def heard(connection: socket.socket) -> bytes:
    """Read the request's head."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65_536)
    return data


def answers(data: bytes) -> Behaviour:
    """Hear the request, say this, hang up."""

    def behave(connection: socket.socket, _: int) -> None:
        heard(connection)
        connection.sendall(data)

    return behave


def silent_until_client_leaves(connection: socket.socket, _: int) -> None:
    """Take everything, say nothing."""
    while connection.recv(65_536):
        pass


def drips(head: bytes, each: bytes) -> Behaviour:
    """Say `head`, then `each` for ever, slowly but never so slowly that one read times out."""

    def behave(connection: socket.socket, _: int) -> None:
        heard(connection)
        connection.sendall(head)
        while True:
            connection.sendall(each)
            time.sleep(0.02)

    return behave


def store_at(url: str, *, attempts: int = 1, slept: list[float] | None = None) -> SpacesStore:
    """A store whose sleeps are written down, not slept."""
    config = StoreConfig(url, "sgp1", "bucket", "AK", "the-secret")
    return SpacesStore(
        config, attempts=attempts, timeout_s=DEADLINE_S, sleep=(slept if slept is not None else []).append
    )


def raised_by_fetch(server: Faulty, *, max_bytes: int = 1000) -> StoreError:
    """The error of reading an object, which must come by the deadline, whatever it is."""
    began = time.monotonic()
    with pytest.raises(StoreError) as caught:
        store_at(server.url).fetch_object(KEY, max_bytes=max_bytes)
    assert time.monotonic() - began < DEADLINE_S + LATE_S
    assert str(server.port) not in str(caught.value)
    assert KEY not in str(caught.value)
    return caught.value


def reset(connection: socket.socket, head: bytes) -> None:
    """Hang up with RST."""
    heard(connection)
    connection.sendall(head)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
