"""A store call ends with the right error, whatever the server or the network does."""

import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from rythmiq.adapters import bounded_http
from rythmiq.adapters.bounded_http import call, fetch_url
from rythmiq.contracts.errors import (
    AccessDeniedError,
    AddressRefusedError,
    ObjectMissingError,
    PreconditionFailedError,
    StoreError,
    StoreUnavailableError,
    TruncatedObjectError,
    UnexpectedAnswerError,
)
from tests.support.faulty_store import (
    DEADLINE_S,
    KEY,
    OK,
    Serve,
    answers,
    heard,
    raised_by_fetch,
    reset,
    serve,
    silent_until_client_leaves,
    store_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["serve"]


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


def test_a_store_that_deletes_some_of_what_it_was_told_to_says_so(serve: Serve) -> None:
    """By a 200 that names those which it did not."""
    body = b"<DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    server = serve(answers(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)))
    with pytest.raises(UnexpectedAnswerError):
        store_at(server.url).delete_objects([KEY])


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
