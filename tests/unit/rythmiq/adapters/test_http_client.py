"""One client for many calls: connections are kept where that is asked for, and a closed one is replaced."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from rythmiq.adapters.bounded_http import HttpClient
from rythmiq.contracts.errors import StoreUnavailableError, StoreUnreachableError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
WITHIN_S = 5.0


class Counting:
    """A server that answers `answers` requests on a connection and then does as `leaves` says; counts connections."""

    def __init__(self, answers: int, leaves: Callable[[socket.socket], object]) -> None:
        self._answers, self._leaves = answers, leaves
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            for _ in range(self._answers):
                if not connection.recv(65_536):
                    return
                connection.sendall(OK)
            self._leaves(connection)

    def close(self) -> None:
        """Stop accepting, and wait for what is served."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(WITHIN_S)


@contextlib.contextmanager
def serving(answers: int, leaves: Callable[[socket.socket], object] = lambda _: None) -> Iterator[Counting]:
    """A server while the context lasts."""
    server = Counting(answers, leaves)
    try:
        yield server
    finally:
        server.close()


def ask(client: HttpClient, server: Counting) -> bytes:
    """One call's body."""
    return client.call("GET", server.url, timeout_s=WITHIN_S, max_bytes=100).body


@pytest.mark.parametrize(("keep_alive", "connections"), [(True, 1), (False, 3)])
def test_a_connection_is_kept_where_that_is_asked_for(*, keep_alive: bool, connections: int) -> None:
    with serving(answers=3) as server:
        with HttpClient(keep_alive=keep_alive) as client:
            assert [ask(client, server) for _ in range(3)] == [b"hello"] * 3
        assert server.connections == connections


def test_a_kept_connection_that_the_server_closes_at_the_next_request_is_replaced() -> None:
    """The server reads the second request and hangs up: nobody could have known before."""
    with serving(answers=1, leaves=lambda connection: connection.recv(65_536)) as server:
        with HttpClient(keep_alive=True) as client:
            assert [ask(client, server) for _ in range(3)] == [b"hello"] * 3
        assert server.connections == 3


def test_a_first_connection_that_the_server_closes_is_not_tried_again() -> None:
    with serving(answers=0, leaves=lambda connection: connection.recv(65_536)) as server:
        with HttpClient(keep_alive=True) as client, pytest.raises(StoreUnavailableError):
            ask(client, server)
        assert server.connections == 1


def test_threads_share_a_client() -> None:
    """Each call has its own deadline, whichever connection it gets."""
    with serving(answers=1) as server, HttpClient() as client:
        bodies: list[bytes] = []
        threads = [threading.Thread(target=lambda: bodies.append(ask(client, server))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_S)
        assert bodies == [b"hello"] * 4


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", f"http://{'a' * 64}.test/"], ids=["refused", "no such name"])
def test_a_host_that_is_not_reached_is_an_error_of_its_own(url: str) -> None:
    with HttpClient() as client, pytest.raises(StoreUnreachableError) as caught:
        client.call("GET", url, timeout_s=WITHIN_S, max_bytes=100)
    assert not caught.value.transient
