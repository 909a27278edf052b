"""A store call ends by its deadline, within its size and with the right error, whatever the server does."""

import contextlib
import resource
import socket
import ssl
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator

import pytest

from rythmiq.adapters import bounded_http
from rythmiq.adapters.bounded_http import call, fetch_url
from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import (
    AccessDeniedError,
    AddressRefusedError,
    ObjectMissingError,
    ObjectTooLargeError,
    PreconditionFailedError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    TruncatedObjectError,
    UnexpectedAnswerError,
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


# --- ends and answers ----------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_a_body_shorter_than_announced_is_truncated(serve: Serve, answer: bytes) -> None:
    """A half image is no image."""
    error = raised_by_fetch(serve(answers(answer)))
    assert isinstance(error, TruncatedObjectError)
    assert error.transient


def reset(connection: socket.socket, head: bytes) -> None:
    """Hang up with RST."""
    heard(connection)
    connection.sendall(head)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_reset_before_the_answer_is_transient(serve: Serve) -> None:
    """The store may be restarting."""
    error = raised_by_fetch(serve(lambda connection, _: reset(connection, b"")))
    assert isinstance(error, StoreUnavailableError)
    assert error.transient


def test_a_connection_closed_before_the_answer_is_transient(serve: Serve) -> None:
    """Politely gone is gone as well."""
    error = raised_by_fetch(serve(answers(b"")))
    assert isinstance(error, StoreUnavailableError)
    assert error.transient


def test_a_refused_connection_is_not_transient() -> None:
    """Nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StoreUnavailableError) as caught:
        fetch_url(f"http://127.0.0.1:{port}/", max_bytes=10, timeout_s=DEADLINE_S)
    assert not caught.value.transient


def test_an_unknown_host_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without asking a real resolver."""

    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(StoreUnavailableError):
        fetch_url("http://nowhere.test/", max_bytes=10, timeout_s=DEADLINE_S)


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://127.0.0.1/x", "http://", "http://[::1", "http://a b/"])
def test_what_is_no_http_url_is_unavailable(url: str) -> None:
    """A foreign URL may be anything."""
    with pytest.raises(StoreUnavailableError) as caught:
        fetch_url(url, max_bytes=10, timeout_s=DEADLINE_S)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (401, AccessDeniedError, False),
        (403, AccessDeniedError, False),
        (404, ObjectMissingError, False),
        (412, PreconditionFailedError, False),
        (429, StoreUnavailableError, True),
        (500, StoreUnavailableError, True),
        (503, StoreUnavailableError, True),
        (400, UnexpectedAnswerError, False),
        (204, UnexpectedAnswerError, False),
        (206, UnexpectedAnswerError, False),
        (304, UnexpectedAnswerError, False),
    ],
)
def test_each_status_has_its_error(serve: Serve, status: int, kind: type[StoreError], transient: bool) -> None:  # noqa: FBT001  a column of the table
    """A part of an object (206) is not the object, and an empty answer (204) not an empty object."""
    error = raised_by_fetch(serve(answers(f"HTTP/1.1 {status} Some\r\nContent-Length: 0\r\n\r\n".encode())))
    assert type(error) is kind
    assert error.transient is transient


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    """Wherever it points."""
    target = serve(answers(OK))
    server = serve(answers(f"HTTP/1.1 302 Found\r\nLocation: {target.url}/\r\nContent-Length: 0\r\n\r\n".encode()))
    assert isinstance(raised_by_fetch(server), UnexpectedAnswerError)
    assert target.served == 0


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_not_http_is_unexpected(serve: Serve, garbage: bytes) -> None:
    """While the server keeps the line, it is not a reset."""

    def behave(connection: socket.socket, _: int) -> None:
        heard(connection)
        connection.sendall(garbage * 2000)
        silent_until_client_leaves(connection, 0)

    assert isinstance(raised_by_fetch(serve(behave)), UnexpectedAnswerError)


def test_a_head_without_a_length_is_unexpected(serve: Serve) -> None:
    """An unknown size must not pass for an empty object: MAX_UPLOAD_BYTES is enforced by it."""
    server = serve(answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
    with pytest.raises(UnexpectedAnswerError):
        store_at(server.url).object_exists(KEY)


def test_the_proxy_of_the_environment_is_not_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would see keys and signatures, and would resolve names for us."""
    proxy = serve(answers(OK))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert fetch_url(serve(answers(OK)).url, max_bytes=5, timeout_s=DEADLINE_S) == b"hello"
    assert proxy.served == 0


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_an_untrusted_certificate_is_refused(serve: Serve, scheme: str) -> None:
    """However the scheme is written: a plain `https:` comparison would turn verification off."""

    def behave(connection: socket.socket, _: int) -> None:
        silent_until_client_leaves(connection, 0)

    contexts: list[ssl.SSLContext] = []

    def spy(authorities: str | None) -> ssl.SSLContext:
        contexts.append(real(authorities))
        return contexts[-1]

    real = bounded_http._context_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_http, "_context_of", spy)
        with pytest.raises(StoreError):
            fetch_url(f"{scheme}://127.0.0.1:{serve(behave).port}/", max_bytes=5, timeout_s=DEADLINE_S)
    (context,) = contexts
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


# --- addresses -----------------------------------------------------------------


def test_a_refused_address_is_not_connected_to(serve: Serve) -> None:
    """The policy sees what is connected to, and one bad address among good ones is enough."""
    server = serve(answers(OK))
    with pytest.raises(AddressRefusedError):
        fetch_url(server.url, max_bytes=5, timeout_s=DEADLINE_S, allows=lambda address: address != "127.0.0.1")
    assert server.served == 0


def test_a_name_is_resolved_once_and_its_checked_address_is_used(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that changes its mind after the check gains nothing."""
    server = serve(answers(OK))
    asked: list[str] = []

    def resolve(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    checked: list[str] = []

    def allows(address: str) -> bool:
        checked.append(address)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        patch.setattr("httpcore._backends.sync.socket.create_connection", connect_to_addresses_only)
        body = fetch_url(
            f"http://rebinding.test:{server.port}/",
            max_bytes=5,
            timeout_s=DEADLINE_S,
            allows=allows,
        )
    assert body == b"hello"
    assert (asked, checked) == (["rebinding.test"], ["127.0.0.1"])


def connect_to_addresses_only(address: tuple[str, int], timeout: float | None, **_: object) -> socket.socket:
    """Stands in for `socket.create_connection`, which would resolve by the patched resolver again."""
    connection = socket.socket()
    connection.settimeout(timeout)
    connection.connect((socket.inet_ntoa(socket.inet_aton(address[0])), address[1]))
    return connection


def test_a_dead_address_leaves_time_for_the_next(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with a broken IPv6 address is still reached."""
    server = serve(answers(OK))

    def resolve(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in ("127.0.0.2", "127.0.0.1")]

    def connect(address: tuple[str, int], timeout: float | None, **_: object) -> socket.socket:
        if address[0] == "127.0.0.2":
            assert timeout is not None
            assert timeout <= DEADLINE_S / 2
            raise TimeoutError
        return connect_to_addresses_only(address, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        patch.setattr("httpcore._backends.sync.socket.create_connection", connect)
        assert fetch_url(f"http://two.test:{server.port}/", max_bytes=5, timeout_s=DEADLINE_S) == b"hello"


# --- attempts ------------------------------------------------------------------


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


# --- what is sent --------------------------------------------------------------


@pytest.mark.parametrize("method", ["fetch", "upload", "exists", "delete"])
def test_every_header_of_the_store_that_is_sent_is_signed(serve: Serve, method: str) -> None:
    """CVE-2026-54330: patched stores refuse what is not."""
    requests: list[bytes] = []

    def behave(connection: socket.socket, _: int) -> None:
        requests.append(heard(connection))
        connection.sendall(OK)

    store = store_at(serve(behave).url)
    calls: dict[str, Callable[[], object]] = {
        "fetch": lambda: store.fetch_object(KEY, max_bytes=5),
        "upload": lambda: store.upload_object(KEY, b"data"),
        "exists": lambda: store.object_exists(KEY),
        "delete": lambda: store.delete_object(KEY),
    }
    calls[method]()
    head = requests[0].decode().lower()
    sent = {line.partition(":")[0] for line in head.split("\r\n")[1:] if line.startswith("x-amz-")}
    signed = head.partition("signedheaders=")[2].partition(",")[0].split(";")
    assert sent
    assert sent <= set(signed)
    assert "the-secret" not in head


def test_a_call_carries_no_address_in_its_errors(serve: Serve) -> None:
    """What is logged of an error names no host, path or query."""
    server = serve(answers(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(StoreError) as caught:
        call("GET", f"{server.url}/private?X-Amz-Signature=abc", timeout_s=DEADLINE_S, max_bytes=5)
    assert "private" not in str(caught.value)
    assert "abc" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
