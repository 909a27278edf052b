"""Which store calls are repeated, how often, and within which time."""

import socket
from collections.abc import Callable

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.errors import (
    AccessDeniedError,
    StoreError,
    StoreUnavailableError,
)
from tests.support.faulty_store import KEY, OK, Behaviour, Serve, answers, heard, reset, serve, store_at

__all__ = ["serve"]


def fails_first(times: int) -> Behaviour:
    """503 to the first connections, then the object."""

    def behave(connection: socket.socket, nth: int) -> None:
        heard(connection)
        connection.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" if nth <= times else OK)

    return behave


def test_the_api_tries_three_times(serve: Serve) -> None:
    """Two failures are mended, with a growing pause between."""
    server, slept = serve(fails_first(2)), list[float]()
    assert store_at(server.url, attempts=3, slept=slept).fetch_object(KEY, max_bytes=5) == b"hello"
    assert server.served == 3
    assert slept == sorted(slept)
    assert len(slept) == 2


def test_three_failures_are_one_error(serve: Serve) -> None:
    """And no fourth try."""
    server = serve(fails_first(9))
    with pytest.raises(StoreUnavailableError):
        store_at(server.url, attempts=3).fetch_object(KEY, max_bytes=5)
    assert server.served == 3


def test_the_worker_tries_once(serve: Serve) -> None:
    """No retries inside a worker."""
    server, slept = serve(fails_first(1)), list[float]()
    with pytest.raises(StoreUnavailableError):
        store_at(server.url, attempts=1, slept=slept).fetch_object(KEY, max_bytes=5)
    assert (server.served, slept) == (1, [])


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.fetch_object(KEY, max_bytes=5, timeout_s=0.19),
        lambda store: store.upload_object(KEY, b"x", timeout_s=0.19),
        lambda store: store.object_exists(KEY, timeout_s=0.19),
        lambda store: store.delete_object(KEY, timeout_s=0.19),
    ],
    ids=["fetch", "upload", "exists", "delete"],
)
def test_a_calls_own_time_bounds_its_repeats_too(serve: Serve, call: Callable[[SpacesStore], object]) -> None:
    """There is no time for the first pause, so there is no second try."""
    slept: list[float] = []
    with pytest.raises(StoreError):
        call(store_at(serve(fails_first(9)).url, attempts=3, slept=slept))
    assert slept == []


def test_what_will_not_change_is_tried_once(serve: Serve) -> None:
    """A refusal is no accident."""
    server = serve(answers(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(AccessDeniedError):
        store_at(server.url, attempts=3).fetch_object(KEY, max_bytes=5)
    assert server.served == 1


def test_a_reset_connection_is_tried_again(serve: Serve) -> None:
    """For every direct call."""

    def behave(connection: socket.socket, nth: int) -> None:
        if nth % 2:
            reset(connection, b"")
        else:
            answers(OK)(connection, nth)

    server = serve(behave)
    store = store_at(server.url, attempts=3)
    assert store.fetch_object(KEY, max_bytes=5) == b"hello"
    store.upload_object(KEY, b"data")
    assert store.object_exists(KEY) == 5
    store.delete_object(KEY)
    assert server.served == 8
