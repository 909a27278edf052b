"""A store call ends by its deadline and within its size, whatever the server does."""

import contextlib
import resource
import socket
import threading
import time

import pytest

from rythmiq.adapters.bounded_http import fetch_url
from rythmiq.contracts.errors import (
    ObjectTooLargeError,
    StoreError,
    StoreTimeoutError,
    UnexpectedAnswerError,
)
from tests.support.faulty_store import (
    DEADLINE_S,
    KEY,
    LATE_S,
    OK,
    Behaviour,
    Serve,
    answers,
    drips,
    heard,
    raised_by_fetch,
    serve,
    silent_until_client_leaves,
    store_at,
)

__all__ = ["serve"]


# --- the deadline --------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(silent_until_client_leaves, id="says nothing"),
        pytest.param(drips(b"HTTP/1.1 200 ", b"O"), id="drips the status line"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n"), id="drips headers"),
        pytest.param(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="says 100 Continue for ever"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"), id="drips the body"),
        pytest.param(drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), id="drips chunks"),
        pytest.param(
            drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"), id="drips the head of a chunk"
        ),
    ],
)
def test_a_slow_server_meets_the_deadline(serve: Serve, behaviour: Behaviour) -> None:
    """No read is slow in itself; the call as a whole is."""
    error = raised_by_fetch(serve(behaviour))
    assert isinstance(error, StoreTimeoutError)
    assert error.transient


def test_a_server_that_stalls_in_the_body_meets_the_deadline(serve: Serve) -> None:
    """Half a body, then nothing."""

    def behave(connection: socket.socket, _: int) -> None:
        heard(connection)
        connection.sendall(OK[:-3])
        silent_until_client_leaves(connection, 0)

    assert isinstance(raised_by_fetch(serve(behave)), StoreTimeoutError)


def test_a_server_that_does_not_read_the_upload_meets_the_deadline(serve: Serve) -> None:
    """Writes end by the deadline too."""
    client_gave_up = threading.Event()

    def behave(_: socket.socket, __: int) -> None:
        client_gave_up.wait(DEADLINE_S + LATE_S)

    server = serve(behave)
    began = time.monotonic()
    with pytest.raises(StoreTimeoutError):
        store_at(server.url).upload_object(KEY, bytes(32 << 20))
    assert time.monotonic() - began < DEADLINE_S + LATE_S
    client_gave_up.set()


def test_a_server_that_reads_the_upload_in_sips_meets_the_deadline(serve: Serve) -> None:
    """Each piece that the kernel takes must not grant the whole timeout anew."""

    def behave(connection: socket.socket, __: int) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.02)
        ends_at = time.monotonic() + 2 * DEADLINE_S
        while time.monotonic() < ends_at:
            with contextlib.suppress(TimeoutError):
                connection.recv(1024)

    server = serve(behave)
    began = time.monotonic()
    with pytest.raises(StoreTimeoutError):
        store_at(server.url).upload_object(KEY, bytes(64 << 20))
    assert time.monotonic() - began < DEADLINE_S + LATE_S


def test_a_tls_server_that_drips_its_handshake_meets_the_deadline(serve: Serve) -> None:
    """A record that never ends."""

    def behave(connection: socket.socket, _: int) -> None:
        connection.recv(65_536)
        connection.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
        while True:
            connection.sendall(b"\x00")
            time.sleep(0.02)

    server = serve(behave)
    began = time.monotonic()
    with pytest.raises(StoreError):
        fetch_url(f"https://127.0.0.1:{server.port}/x", max_bytes=10, timeout_s=DEADLINE_S)
    assert time.monotonic() - began < DEADLINE_S + LATE_S


def test_a_deadline_that_has_passed_connects_to_nothing(serve: Serve) -> None:
    """Zero seconds are none."""
    server = serve(answers(OK))
    with pytest.raises(StoreTimeoutError):
        fetch_url(server.url, max_bytes=10, timeout_s=0)
    assert server.served == 0


def test_a_server_in_time_is_read_whole(serve: Serve) -> None:
    """The control of all of the above."""
    assert store_at(serve(answers(OK)).url).fetch_object(KEY, max_bytes=5) == b"hello"


# --- the size ------------------------------------------------------------------


def test_an_announced_size_above_the_bound_is_not_read(serve: Serve) -> None:
    """The body does not have to come."""
    server = serve(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"))
    assert isinstance(raised_by_fetch(server, max_bytes=1000), ObjectTooLargeError)


def test_an_unannounced_size_above_the_bound_is_counted(serve: Serve) -> None:
    """A server that never ends costs no more memory than the bound."""

    def behave(connection: socket.socket, _: int) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(bytes(65_536))

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert isinstance(raised_by_fetch(serve(behave), max_bytes=200_000), ObjectTooLargeError)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_exactly_the_bound_is_not_too_large(serve: Serve) -> None:
    """The bound is inclusive, announced or not."""
    assert store_at(serve(answers(OK)).url).fetch_object(KEY, max_bytes=5) == b"hello"
    unannounced = serve(answers(b"HTTP/1.1 200 OK\r\n\r\nhello"))
    assert store_at(unannounced.url).fetch_object(KEY, max_bytes=5) == b"hello"


def test_headers_without_end_are_not_http(serve: Serve) -> None:
    """Nobody's headers are megabytes."""
    server = serve(answers(b"HTTP/1.1 200 OK\r\n" + b"x-filler: y\r\n" * 200_000 + b"\r\n"))
    assert isinstance(raised_by_fetch(server), UnexpectedAnswerError)
