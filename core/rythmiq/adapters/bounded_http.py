"""HTTP calls that end by a deadline and stay within a size, whatever the server does.

httpx bounds each phase, not the whole: a server that sends one byte a second is never slow in any single read. So the
deadline sits under httpx, in the network backend, and shortens every connect, read and write. The same place resolves
names, so that a policy sees the very address that is connected to.

::

    StoreError                    transient: whether the same call may succeed soon
    ├── ObjectMissingError        404
    ├── AccessDeniedError         401, 403
    ├── PreconditionFailedError   412
    ├── ObjectTooLargeError       announced or counted above the bound
    ├── TruncatedObjectError      the body ended before its announced length
    ├── AddressRefusedError       the policy refuses the resolved address
    ├── StoreTimeoutError         the deadline passed
    ├── StoreUnavailableError     5xx, 429, reset: transient; connection refused or unknown host: not
    └── UnexpectedAnswerError     any other status, redirects among them
"""

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpcore
import httpx

_DEADLINE_PASSED_S = 0.001
_CHUNK_BYTES = 64 * 1024

AddressPolicy = Callable[[str], bool]


class StoreError(Exception):
    """Something outside did not give what was asked; the message holds no URL, key or credential."""

    transient = False


class ObjectMissingError(StoreError):
    """There is no such object."""


class AccessDeniedError(StoreError):
    """The signature, the expiry or the policy does not allow it."""


class PreconditionFailedError(StoreError):
    """A condition of the request does not hold: the object is there already."""


class ObjectTooLargeError(StoreError):
    """The object is larger than the caller takes."""


class TruncatedObjectError(StoreError):
    """The connection ended before the whole body came."""

    transient = True


class AddressRefusedError(StoreError):
    """The host resolves to an address that must not be reached."""


class StoreTimeoutError(StoreError):
    """The whole call took longer than its deadline."""

    transient = True


class StoreUnavailableError(StoreError):
    """The server is down, overloaded or cut the connection."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class UnexpectedAnswerError(StoreError):
    """The server answered what the call does not allow for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: status, headers by lower-case name, and the whole body."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Deadline:
    def __init__(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s

    def shorten(self, timeout_s: float | None) -> float:
        left_s = self._ends_at - time.monotonic()
        if left_s <= _DEADLINE_PASSED_S:
            raise httpcore.ReadTimeout("the deadline passed")
        return left_s if timeout_s is None else min(left_s, timeout_s)


class _BoundedStream(httpcore.NetworkStream):
    """A connection whose every operation ends by the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.shorten(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces: the kernel's own send may otherwise wait out each piece of a large body anew.
        view = memoryview(buffer)
        for start in range(0, len(view), _CHUNK_BYTES):
            self._stream.write(bytes(view[start : start + _CHUNK_BYTES]), self._deadline.shorten(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: object, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, self._deadline.shorten(timeout))  # type: ignore[arg-type]  # httpcore's own annotation needs ssl imported
        return _BoundedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


class _BoundedBackend(httpcore.NetworkBackend):
    """Opens connections that end by the deadline, to addresses that the policy allows."""

    def __init__(self, deadline: _Deadline, allows: AddressPolicy | None) -> None:
        self._backend = httpcore.SyncBackend()
        self._deadline = deadline
        self._allows = allows

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        address = host if self._allows is None else self._checked_address(host, port)
        stream = self._backend.connect_tcp(
            address, port, self._deadline.shorten(timeout), local_address, socket_options
        )
        return _BoundedStream(stream, self._deadline)

    def _checked_address(self, host: str, port: int) -> str:
        """Resolve once, check every answer, and connect to what was checked."""
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the host has no address") from None
        addresses = [str(answer[4][0]) for answer in answers]
        if self._allows is None or not all(self._allows(address) for address in addresses):
            raise AddressRefusedError("the host resolves to an address that must not be reached")
        return addresses[0]


def call(  # noqa: PLR0913  a request has this many parts
    method: str,
    url: str,
    *,
    timeout_s: float,
    max_bytes: int,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
    allows: AddressPolicy | None = None,
    verify: str | bool = True,
) -> Answer:
    """Make one request that ends within `timeout_s` in all, and read at most `max_bytes` of body.

    Args:
        method: the HTTP method.
        url: absolute; redirects are never followed.
        timeout_s: bounds the whole call, name resolution by the system excepted.
        max_bytes: bounds the body, announced or not.
        headers: sent as they are.
        content: the request's body.
        allows: says whether a resolved address may be connected to; None allows all.
        verify: False, or a file of certificate authorities, instead of the system's.

    Raises:
        StoreError: one of its kinds.
    """
    deadline = _Deadline(timeout_s)
    # Loading the certificate authorities takes 20 ms of CPU; plain http needs none.
    context = httpx.create_ssl_context(verify=verify, trust_env=False) if url.startswith("https:") else False
    transport = httpx.HTTPTransport(verify=context, trust_env=False)
    # httpx has no public way to set the backend of its transport; the pool it built has no connection yet.
    transport._pool._network_backend = _BoundedBackend(deadline, allows)  # noqa: SLF001
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    with httpx.Client(transport=transport, timeout=timeout_s, trust_env=False, follow_redirects=False) as client:
        body_began = False
        try:
            with client.stream(method, url, headers=sent, content=content) as response:
                _raise_for_status(response.status_code)
                announced = response.headers.get("content-length", "")
                if announced.isdigit() and int(announced) > max_bytes and method != "HEAD":
                    raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")
                body_began = True
                body = bytearray()
                for chunk in response.iter_raw():
                    body += chunk
                    if len(body) > max_bytes:
                        raise ObjectTooLargeError(f"the object has more than {max_bytes} bytes")
                return Answer(response.status_code, dict(response.headers.items()), bytes(body))
        except httpx.TimeoutException:
            raise StoreTimeoutError(f"no complete answer within {timeout_s:g} s") from None
        except httpx.ConnectError:
            raise StoreUnavailableError("the connection was refused or the host is unknown", transient=False) from None
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            if body_began:
                raise TruncatedObjectError("the connection ended before the whole body came") from None
            raise StoreUnavailableError("the connection was reset") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise StoreUnavailableError("the request could not be made", transient=False) from None


def _raise_for_status(status: int) -> None:
    if 200 <= status < 300:  # noqa: PLR2004  the class of success
        return
    kinds = {401: AccessDeniedError, 403: AccessDeniedError, 404: ObjectMissingError, 412: PreconditionFailedError}
    if status in kinds:
        raise kinds[status](f"the server answered {status}")
    if status == 429 or status >= 500:  # noqa: PLR2004  too many requests; the class of server errors
        raise StoreUnavailableError(f"the server answered {status}")
    raise UnexpectedAnswerError(f"the server answered {status}")
