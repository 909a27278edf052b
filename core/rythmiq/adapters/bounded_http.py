"""HTTP calls that end by a deadline and stay within a size, whatever the server does.

httpcore bounds each phase, not the whole: a server that sends one byte a second is never slow in any single read. So
the deadline lies under it, in the network backend, and shortens every connect, handshake, read and write. The same
place resolves names, so that a policy sees the very address that is connected to. No proxy of the environment is used.

Resolving itself is the system's and bounded by it alone: `getaddrinfo` takes no timeout, and the worker has no threads.
The errors are drawn in `contracts.errors`.
"""

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NotRequired, Self, TypedDict, Unpack
from urllib.parse import urlsplit

import certifi
import httpcore

import rythmiq
from rythmiq.clock import Deadline
from rythmiq.contracts.errors import (
    AccessDeniedError,
    AddressRefusedError,
    ObjectMissingError,
    ObjectTooLargeError,
    PreconditionFailedError,
    StoreError,
    StoreTimeoutError,
    StoreUnavailableError,
    StoreUnreachableError,
    TruncatedObjectError,
    UnexpectedAnswerError,
)

_DEADLINE_PASSED_S = 0.001
_CHUNK_BYTES = 64 * 1024
_KEPT_S = 5.0  # less than any server keeps an idle connection
_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    ValueError,
    TypeError,
)
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"rythmiq/{rythmiq.__version__}"}

AddressPolicy = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: status, headers by lower-case name, and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Request(TypedDict):
    """Arguments of a call beside its method and its absolute URL; redirects are never followed.

    Attributes:
        timeout_s: bounds the whole call, name resolution by the system excepted.
        max_bytes: bounds the body, announced or not.
        headers: sent as they are.
        content: the request's body.
    """

    timeout_s: float
    max_bytes: int
    headers: NotRequired[dict[str, str] | None]
    content: NotRequired[bytes | None]


class _Line:
    """State of one call on its connection: the deadline, and what has happened so far."""

    def __init__(self, timeout_s: float) -> None:
        self._deadline = Deadline.after(timeout_s)
        self.connected = False
        self.answered = False
        self.server_closed = False

    def left_s(self, timeout_s: float | None = None) -> float:
        left_s = self._deadline.left_s
        if left_s <= _DEADLINE_PASSED_S:
            raise httpcore.ReadTimeout("the deadline passed")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class _Lines(threading.local):
    """The call at hand of each thread."""

    now: _Line


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every operation ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, lines: _Lines) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._lines = lines

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._lines.now.left_s(timeout))
        self._lines.now.server_closed = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Not the stream's own write: it grants the whole timeout anew to each piece that the kernel takes.
        rest = memoryview(buffer)
        while rest:
            self._socket.settimeout(self._lines.now.left_s(timeout))
            try:
                sent = self._socket.send(rest[:_CHUNK_BYTES])
            except TimeoutError:
                raise httpcore.WriteTimeout("the deadline passed") from None
            except OSError:
                raise httpcore.WriteError("the connection was reset") from None
            rest = rest[sent:]

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            left_s = self._lines.now.left_s(timeout)
            return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, left_s), self._lines)
        except BaseException:
            self.close()  # httpcore forgets a connection whose handshake fails
            raise

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _BoundedBackend(httpcore.NetworkBackend):
    """Opens connections that end by the deadline, to addresses that the policy allows."""

    def __init__(self, lines: _Lines, allows: AddressPolicy | None) -> None:
        self._backend = httpcore.SyncBackend()
        self._lines = lines
        self._allows = allows

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        # Each address gets its share of what is left, so that one that swallows packets leaves time for the next.
        addresses = self._addresses(host, port)
        options = list(socket_options or ())
        for others, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
            share_s = self._lines.now.left_s(timeout) / (others + 1)
            try:
                stream = self._backend.connect_tcp(address, port, share_s, local_address, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not others:
                    raise
            else:
                self._lines.now.connected = True
                return _BoundedStream(stream, self._lines)
        raise httpcore.ConnectError("the host has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve once and check every answer, so that what is connected to is what was checked."""
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the host has no address") from None
        addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        if self._allows is not None and not all(self._allows(address) for address in addresses):
            raise AddressRefusedError("the host resolves to an address that must not be reached")
        return addresses


def fetch_url(
    url: str,
    *,
    max_bytes: int,
    timeout_s: float,
    allows: AddressPolicy | None = None,
    authorities: str | None = None,
) -> bytes:
    """Read a URL of another party within `max_bytes` and `timeout_s`; no redirects.

    The caller has checked before that the origin may be contacted.

    Raises:
        StoreError: one of its kinds.
    """
    return call("GET", url, timeout_s=timeout_s, max_bytes=max_bytes, allows=allows, authorities=authorities).body


def call(
    method: str,
    url: str,
    *,
    allows: AddressPolicy | None = None,
    authorities: str | None = None,
    **request: Unpack[Request],
) -> Answer:
    """Make one request over a connection of its own; see `HttpClient.call`."""
    with HttpClient(allows=allows, authorities=authorities) as client:
        return client.call(method, url, **request)


def exchange(method: str, url: str, *, authorities: str | None = None, **request: Unpack[Request]) -> Answer:
    """Make one request over a connection of its own; see `HttpClient.exchange`."""
    with HttpClient(authorities=authorities) as client:
        return client.exchange(method, url, **request)


class HttpClient:
    """Makes calls with one pool of connections and one TLS context; may be shared by threads.

    Args:
        allows: decides whether a resolved address may be connected to; None allows all.
        authorities: a file of certificate authorities, or PEM text, that stands in for the public ones.
        keep_alive: keep a connection for the next call; whoever asks for it closes the client.
    """

    def __init__(
        self, *, allows: AddressPolicy | None = None, authorities: str | None = None, keep_alive: bool = False
    ) -> None:
        self._authorities = authorities
        self._lines = _Lines()
        self._kept_s = _KEPT_S if keep_alive else 0.0
        self._backend = _BoundedBackend(self._lines, allows)
        self._pools: dict[bool, httpcore.ConnectionPool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that were kept."""
        for pool in self._pools.values():
            pool.close()

    def call(self, method: str, url: str, **request: Unpack[Request]) -> Answer:
        """Make one request; a GET takes 200 only, the other methods any 2xx.

        Raises:
            StoreError: one of its kinds.
        """
        max_bytes = request["max_bytes"]

        def accepts(status: int, found: dict[str, str]) -> None:
            _raise_for_status(method, status)
            announced = found.get("content-length", "")
            if announced.isdigit() and int(announced) > max_bytes and method != "HEAD":
                raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")

        answer = self._answer(method, url, request, accepts)
        if len(answer.body) > max_bytes:
            raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")
        return answer

    def exchange(self, method: str, url: str, **request: Unpack[Request]) -> Answer:
        """Make one request as `call` does, for a caller to whom every status means something.

        The body is read to `max_bytes` and not beyond: a proxy's long page must not hide the status.

        Raises:
            StoreError: there is no complete answer; never for a status.
        """
        return self._answer(method, url, request, lambda _status, _headers: None)

    def _answer(
        self, method: str, url: str, request: Request, accepts: Callable[[int, dict[str, str]], None]
    ) -> Answer:
        """One request; the body is cut soon after `max_bytes`, so that the caller can tell."""
        timeout_s = request["timeout_s"]
        line = self._lines.now = _Line(timeout_s)
        timeouts = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)}
        try:
            sent = {"Host": _host(url), **_HEADERS, **(request.get("headers") or {})}
            with self._pool(url).stream(
                method, url, headers=list(sent.items()), content=request.get("content"), extensions=timeouts
            ) as response:
                found = _joined(response.headers)
                accepts(response.status, found)
                line.answered = True
                body = bytearray()
                for chunk in response.iter_stream():
                    body += chunk
                    if len(body) > request["max_bytes"]:
                        break
                return Answer(response.status, found, bytes(body))
        except _FAILURES as error:
            translated = _translated(error, line, timeout_s)
            if (
                line.connected
                or line.answered
                or not translated.transient
                or isinstance(error, httpcore.TimeoutException)
            ):
                raise translated from None
        # A kept connection, which the server closed as we wrote to it: a new one tells more.
        return self._answer(method, url, {**request, "timeout_s": line.left_s()}, accepts)

    def _pool(self, url: str) -> httpcore.ConnectionPool:
        # Loading the certificate authorities takes 20 ms of CPU; plain http needs none. urlsplit lowers a scheme.
        secure = urlsplit(url).scheme == "https"
        if secure not in self._pools:
            self._pools[secure] = httpcore.ConnectionPool(
                ssl_context=_context_of(self._authorities) if secure else None,
                network_backend=self._backend,
                max_keepalive_connections=None if self._kept_s else 0,
                keepalive_expiry=self._kept_s or None,
            )
        return self._pools[secure]


def _translated(error: Exception, line: _Line, timeout_s: float) -> StoreError:
    """An error of httpcore's in our own words, which hold no URL, key or credential."""
    if isinstance(error, httpcore.TimeoutException):
        return StoreTimeoutError(f"no complete answer within {timeout_s:g} s")
    if isinstance(error, httpcore.ConnectError):
        # After a connection only the handshake can fail so.
        return (
            StoreUnavailableError("the host is not trusted", transient=False)
            if line.connected
            else StoreUnreachableError()
        )
    if isinstance(error, httpcore.RemoteProtocolError) and not line.server_closed:
        return UnexpectedAnswerError("the server answered what is not HTTP")
    if isinstance(error, httpcore.NetworkError | httpcore.RemoteProtocolError):
        if line.answered:
            return TruncatedObjectError("the connection ended before the whole body came")
        return StoreUnavailableError("the connection was reset")
    return StoreUnavailableError("the request could not be made", transient=False)


def _host(url: str) -> str:
    """The header's value: without a port that the scheme implies."""
    parts = urlsplit(url)
    return parts.netloc.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ":"))


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; of one that comes twice the values, with commas (RFC 9110 5.3)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _context_of(authorities: str | None) -> ssl.SSLContext:
    if authorities is None:
        file, folder = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        return ssl.create_default_context(cafile=file or (None if folder else certifi.where()), capath=folder)
    if "-----BEGIN" in authorities:
        return ssl.create_default_context(cadata=authorities)
    return ssl.create_default_context(cafile=authorities)


def _raise_for_status(method: str, status: int) -> None:
    if status == 200 or (200 <= status < 300 and method != "GET"):  # noqa: PLR2004  a part of an object is not the object
        return
    kinds = {401: AccessDeniedError, 403: AccessDeniedError, 404: ObjectMissingError, 412: PreconditionFailedError}
    if status in kinds:
        raise kinds[status](f"the server answered {status}")
    if status == 429 or status >= 500:  # noqa: PLR2004  too many requests; the class of server errors
        raise StoreUnavailableError(f"the server answered {status}")
    raise UnexpectedAnswerError(f"the server answered {status}")
