"""HTTP calls that end by a deadline and stay within a size, whatever the server does.

httpx bounds each phase, not the whole: a server that sends one byte a second is never slow in any single read. So the
deadline sits under httpx, in the network backend, and shortens every connect, handshake, read and write. The same place
resolves names, so that a policy sees the very address that is connected to.

Resolving itself is the system's and bounded by it alone: `getaddrinfo` takes no timeout, and the worker has no threads.
The errors are drawn in `contracts.errors`, and importable from here too.
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpcore
import httpx

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

__all__ = [
    "AccessDeniedError",
    "AddressPolicy",
    "AddressRefusedError",
    "Answer",
    "ObjectMissingError",
    "ObjectTooLargeError",
    "PreconditionFailedError",
    "StoreError",
    "StoreTimeoutError",
    "StoreUnavailableError",
    "TruncatedObjectError",
    "UnexpectedAnswerError",
    "call",
    "exchange",
    "fetch_url",
]

_DEADLINE_PASSED_S = 0.001
_CHUNK_BYTES = 64 * 1024

AddressPolicy = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: status, headers by lower-case name, and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Line:
    """What one call knows of its connection: when it must end, and whether the server hung up."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s
        self.server_closed = False

    def left_s(self, timeout_s: float | None = None) -> float:
        left_s = self._ends_at - time.monotonic()
        if left_s <= _DEADLINE_PASSED_S:
            raise httpcore.ReadTimeout("the deadline passed")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every operation ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, line: _Line) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")
        self._line = line

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, self._line.left_s(timeout))
        self._line.server_closed = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # Not the stream's own write: it grants the whole timeout anew to each piece that the kernel takes.
        rest = memoryview(buffer)
        while rest:
            self._socket.settimeout(self._line.left_s(timeout))
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
        return _BoundedStream(
            self._stream.start_tls(ssl_context, server_hostname, self._line.left_s(timeout)), self._line
        )

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _BoundedBackend(httpcore.NetworkBackend):
    """Opens connections that end by the deadline, to addresses that the policy allows."""

    def __init__(self, line: _Line, allows: AddressPolicy | None) -> None:
        self._backend = httpcore.SyncBackend()
        self._line = line
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
            share_s = self._line.left_s(timeout) / (others + 1)
            try:
                return _BoundedStream(
                    self._backend.connect_tcp(address, port, share_s, local_address, options), self._line
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not others:
                    raise
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
    """Read a URL that somebody else signed or serves, within `max_bytes` and `timeout_s` in all; no redirects.

    Whether the origin may be asked at all is the caller's to decide, before.

    Raises:
        StoreError: one of its kinds.
    """
    return call("GET", url, timeout_s=timeout_s, max_bytes=max_bytes, allows=allows, authorities=authorities).body


def call(  # noqa: PLR0913  a request has this many parts
    method: str,
    url: str,
    *,
    timeout_s: float,
    max_bytes: int,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    allows: AddressPolicy | None = None,
    authorities: str | None = None,
) -> Answer:
    """Make one request that ends within `timeout_s` in all, and read at most `max_bytes` of body.

    Args:
        method: the HTTP method; a GET takes 200 only, the others any 2xx.
        url: absolute; redirects are never followed.
        timeout_s: bounds the whole call, name resolution by the system excepted.
        max_bytes: bounds the body, announced or not.
        headers: sent as they are.
        content: the request's body.
        allows: says whether a resolved address may be connected to; None allows all.
        authorities: a file of certificate authorities that stands in for the public ones.

    Raises:
        StoreError: one of its kinds.
    """

    def accepts(response: httpx.Response) -> None:
        _raise_for_status(method, response.status_code)
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > max_bytes and method != "HEAD":
            raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")

    answer = _ask(
        method,
        url,
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        headers=headers,
        content=content,
        allows=allows,
        authorities=authorities,
        accepts=accepts,
    )
    if len(answer.body) > max_bytes:
        raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")
    return answer


def exchange(  # noqa: PLR0913  a request has this many parts
    method: str,
    url: str,
    *,
    timeout_s: float,
    max_bytes: int,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    authorities: str | None = None,
) -> Answer:
    """Make one request as `call` does, for a caller to whom every status means something.

    The body is read to `max_bytes` and not beyond: a proxy's long page must not hide the status. `authorities` may also
    be PEM text, for a function that has no file of them.

    Raises:
        StoreError: there is no complete answer; never for a status.
    """
    return _ask(
        method,
        url,
        timeout_s=timeout_s,
        max_bytes=max_bytes,
        headers=headers,
        content=content,
        authorities=authorities,
    )


def _ask(  # noqa: PLR0913  a request has this many parts
    method: str,
    url: str,
    *,
    timeout_s: float,
    max_bytes: int,
    headers: dict[str, str] | None,
    content: bytes | None,
    allows: AddressPolicy | None = None,
    authorities: str | None = None,
    accepts: Callable[[httpx.Response], None] = lambda _response: None,
) -> Answer:
    """One request; the body is cut soon after `max_bytes`, so that the caller can tell."""
    line = _Line(timeout_s)
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    with httpx.Client(
        transport=_transport(url, line, allows, authorities),
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=False,
    ) as client:
        body_began = False
        try:
            with client.stream(method, url, headers=sent, content=content) as response:
                accepts(response)
                body_began = True
                return Answer(response.status_code, dict(response.headers.items()), _body(response, max_bytes))
        except httpx.TimeoutException:
            raise StoreTimeoutError(f"no complete answer within {timeout_s:g} s") from None
        except httpx.ConnectError:
            raise StoreUnavailableError(
                "the host is unknown, refused the connection or is not trusted", transient=False
            ) from None
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            if isinstance(error, httpx.RemoteProtocolError) and not line.server_closed:
                raise UnexpectedAnswerError("the server answered what is not HTTP") from None
            if body_began:
                raise TruncatedObjectError("the connection ended before the whole body came") from None
            raise StoreUnavailableError("the connection was reset") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise StoreUnavailableError("the request could not be made", transient=False) from None


def _body(response: httpx.Response, max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            break
    return bytes(body)


def _transport(url: str, line: _Line, allows: AddressPolicy | None, authorities: str | None) -> httpx.HTTPTransport:
    context: ssl.SSLContext | bool = False
    # Loading the certificate authorities takes 20 ms of CPU; plain http needs none. Whatever is not surely http gets
    # them: a scheme may be written in capitals, and False would then mean TLS without verification.
    if not url.startswith("http://"):
        context = _context_of(authorities) if authorities else httpx.create_ssl_context()
    transport = httpx.HTTPTransport(verify=context, trust_env=False)
    # httpx has no public way to set the backend of its transport; the pool it built has no connection yet.
    transport._pool._network_backend = _BoundedBackend(line, allows)  # noqa: SLF001
    return transport


def _context_of(authorities: str) -> ssl.SSLContext:
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
