"""The Python client: submit a file, wait for its job, download the results.

::

    from rythmiq.client import Client

    with Client("https://.../api/v1/web/fn-1234", token) as rythmiq:
        job = rythmiq.submit("photo.jpg", portal="neet-2026", slot="photo")
        rythmiq.wait(job.job_id)
        document = rythmiq.download(job.job_id, "document")

`AsyncClient` has the same methods with `await`. Files are encrypted (RQE1) before the upload and decrypted after the
download; the object store sees ciphertext only. Calls are retried where that is safe, and no job is charged twice:
to resume an interrupted call, pass the `job_id` of its exception. Errors are listed in `rythmiq.client.errors`.

Both drive the same flows (`rythmiq.client.uploads`, `.jobs`) over httpx, which is imported at the first request:
a program that only prints its help does not pay for it.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, cast
from urllib.parse import urlsplit

import rythmiq
from rythmiq.client import jobs as job_flows
from rythmiq.client import uploads
from rythmiq.client.errors import (
    ClientError,
    ConflictError,
    FileMissingError,
    InvalidRequestError,
    JobFailedError,
    NoCreditError,
    NotFoundError,
    RefusedError,
    StoreRefusedError,
    TooManyJobsError,
    UnauthenticatedError,
    UnexpectedAnswerError,
    UnopenedError,
    UnreachableError,
    WaitTimeoutError,
)
from rythmiq.client.exchange import (
    Answer,
    Blocking,
    Emit,
    Flow,
    NoAnswer,
    Pause,
    Send,
    Service,
    Stream,
    api_url_of,
)
from rythmiq.client.jobs import JOB_FILES, JobFile
from rythmiq.contracts.choices import Caption, Crop, Point
from rythmiq.contracts.job_bodies import JobOptions
from rythmiq.contracts.origins import LOOPBACK_HOSTS

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = [
    "JOB_FILES",
    "AsyncClient",
    "Caption",
    "Client",
    "ClientError",
    "ConflictError",
    "Crop",
    "FileMissingError",
    "InvalidRequestError",
    "JobFailedError",
    "JobFile",
    "JobOptions",
    "NoCreditError",
    "NotFoundError",
    "Point",
    "RefusedError",
    "StoreRefusedError",
    "TooManyJobsError",
    "UnauthenticatedError",
    "UnexpectedAnswerError",
    "UnopenedError",
    "UnreachableError",
    "WaitTimeoutError",
]

Token = str | Callable[[], str]
AsyncToken = Token | Callable[[], Awaitable[str]]
P = ParamSpec("P")
T = TypeVar("T")

_CHUNK_BYTES = 64 * 1024
_CONNECT_S = 10.0
_TOO_LONG = NoAnswer("the answer is longer than any that the service gives", sent=True, transient=False)


def _blocking(flow: Callable[Concatenate[Service, P], Flow[T]]) -> "Callable[Concatenate[Client, P], T]":
    """Turn a flow into a blocking method that returns the flow's result."""

    @wraps(flow)
    def method(self: "Client", /, *args: P.args, **named: P.kwargs) -> T:
        items = self._items(flow(self._service, *args, **named))
        while True:
            try:
                next(items)
            except StopIteration as done:
                return cast("T", done.value)

    return method


def _awaitable(
    flow: Callable[Concatenate[Service, P], Flow[T]],
) -> "Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]":
    """Turn a flow into a coroutine method that returns the flow's result."""

    @wraps(flow)
    async def method(self: "AsyncClient", /, *args: P.args, **named: P.kwargs) -> T:
        result: list[T] = []
        async for _ in self._items(flow(self._service, *args, **named), result):
            pass
        return result[0]

    return method


def _iterator(
    flow: Callable[Concatenate[Service, P], Stream[T]],
) -> "Callable[Concatenate[Client, P], Iterator[T]]":
    """Turn a flow into a method that yields what the flow emits."""

    @wraps(flow)
    def method(self: "Client", /, *args: P.args, **named: P.kwargs) -> Iterator[T]:
        return cast("Iterator[T]", self._items(flow(self._service, *args, **named)))

    return method


def _async_iterator(
    flow: Callable[Concatenate[Service, P], Stream[T]],
) -> "Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]":
    @wraps(flow)
    def method(self: "AsyncClient", /, *args: P.args, **named: P.kwargs) -> AsyncIterator[T]:
        return cast("AsyncIterator[T]", self._items(flow(self._service, *args, **named), []))

    return method


class Client:
    """A blocking client of one account; not to be shared between threads.

    Args:
        base_url: the service's address, with or without its `/api`; https, or http to this machine.
        token: the account's JWT, or a function that returns a fresh one.
        timeout_s: bounds each read and write of a call.
        retry_for_s: how long a call is retried while the service answers with `Retry-After`.

    Raises:
        ValueError: the address cannot be used.
    """

    def __init__(
        self, base_url: str, token: Token | None = None, *, timeout_s: float = 30.0, retry_for_s: float = 60.0
    ) -> None:
        self._service = Service(api_url_of(base_url), timeout_s, retry_for_s, renews_token=callable(token))
        self._token = token
        self._http: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections; a later call opens them again."""
        if self._http is not None:
            self._http.close()
            self._http = None

    submit = _blocking(uploads.submit)
    create_job = _blocking(uploads.create_job)
    job = _blocking(job_flows.job)
    watch = _iterator(job_flows.watch)
    wait = _blocking(job_flows.wait)
    download = _blocking(job_flows.download)
    jobs = _iterator(job_flows.jobs)
    cancel = _blocking(job_flows.cancel)
    delete = _blocking(job_flows.delete)
    delete_upload = _blocking(job_flows.delete_upload)
    account = _blocking(job_flows.account)
    erase_account = _blocking(job_flows.erase_account)
    portals = _blocking(job_flows.portals)
    portal = _blocking(job_flows.portal)

    def _items(self, flow: Flow[T]) -> Generator[object, None, T]:
        """Perform a flow; yields what it emits and returns its result."""
        outcome: object = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as done:
                return cast("T", done.value)
            outcome = None
            if isinstance(effect, Emit):
                yield effect.item
            elif isinstance(effect, Pause):
                time.sleep(effect.seconds)
            elif isinstance(effect, Blocking):
                outcome = effect.work()
            else:
                outcome = self._send(effect)

    def _send(self, send: Send) -> Answer | NoAnswer:
        import httpx  # noqa: PLC0415  see the module docstring

        if self._http is None:
            self._http = httpx.Client(**_client_options(self._service))
        token = self._token() if callable(self._token) else self._token
        try:
            with self._http.stream(**_request(send, token, _chunks(send))) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > send.max_bytes:
                        return _TOO_LONG
                return _answer(response, body)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return _no_answer(error)


class AsyncClient:
    """The same client for an event loop; `token` may be a coroutine function too. See `Client`."""

    def __init__(
        self, base_url: str, token: AsyncToken | None = None, *, timeout_s: float = 30.0, retry_for_s: float = 60.0
    ) -> None:
        self._service = Service(api_url_of(base_url), timeout_s, retry_for_s, renews_token=callable(token))
        self._token = token
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close its connections; a later call opens them again."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    submit = _awaitable(uploads.submit)
    create_job = _awaitable(uploads.create_job)
    job = _awaitable(job_flows.job)
    watch = _async_iterator(job_flows.watch)
    wait = _awaitable(job_flows.wait)
    download = _awaitable(job_flows.download)
    jobs = _async_iterator(job_flows.jobs)
    cancel = _awaitable(job_flows.cancel)
    delete = _awaitable(job_flows.delete)
    delete_upload = _awaitable(job_flows.delete_upload)
    account = _awaitable(job_flows.account)
    erase_account = _awaitable(job_flows.erase_account)
    portals = _awaitable(job_flows.portals)
    portal = _awaitable(job_flows.portal)

    async def _items(self, flow: Flow[T], result: list[T]) -> AsyncIterator[object]:
        """Perform a flow; yields what it emits and appends its result, which an async generator cannot return."""
        outcome: object = None
        while True:
            try:
                effect = flow.send(outcome)
            except StopIteration as done:
                result.append(done.value)
                return
            outcome = None
            if isinstance(effect, Emit):
                yield effect.item
            elif isinstance(effect, Pause):
                await asyncio.sleep(effect.seconds)
            elif isinstance(effect, Blocking):
                outcome = await asyncio.to_thread(effect.work)
            else:
                outcome = await self._send(effect)

    async def _send(self, send: Send) -> Answer | NoAnswer:
        import httpx  # noqa: PLC0415  see the module docstring

        if self._http is None:
            self._http = httpx.AsyncClient(**_client_options(self._service))
        token = self._token() if callable(self._token) else self._token
        token = await token if inspect.isawaitable(token) else token
        try:
            async with self._http.stream(**_request(send, token, _async_chunks(send))) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > send.max_bytes:
                        return _TOO_LONG
                return _answer(response, body)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return _no_answer(error)


def _client_options(service: Service) -> dict[str, Any]:
    """Arguments of both kinds of httpx client: no redirects, and no proxy on the way to this machine."""
    is_elsewhere = urlsplit(service.api_url).hostname not in LOOPBACK_HOSTS
    return {
        "follow_redirects": False,
        "trust_env": is_elsewhere,
        "verify": _authorities(from_environ=is_elsewhere),
        "headers": {"User-Agent": f"rythmiq-client/{rythmiq.__version__}"},
    }


@cache
def _authorities(*, from_environ: bool) -> "ssl.SSLContext":
    """The certificates that are trusted: loading them takes 30 ms of CPU, which one client of a process pays."""
    import httpx  # noqa: PLC0415  see the module docstring

    return httpx.create_ssl_context(trust_env=from_environ)


def _request(send: Send, token: str | None, chunks: Iterator[bytes] | AsyncIterator[bytes]) -> dict[str, Any]:
    """Arguments of httpx's `stream`; the token goes to the service only."""
    import httpx  # noqa: PLC0415  see the module docstring

    headers = dict(send.headers)
    if send.authorised and token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body: dict[str, Any] = {"content": send.content}
    if send.fields is not None:  # a form whose last part is the file, as S3 wants it
        kind = send.fields.get("Content-Type", "application/octet-stream")
        body = {"data": dict(send.fields), "files": {"file": ("file", send.content or b"", kind)}}
    elif send.on_sent is not None:
        headers["Content-Length"] = str(len(send.content or b""))  # the store takes no body of unknown length
        body = {"content": chunks}
    timeout = httpx.Timeout(send.timeout_s, connect=min(_CONNECT_S, send.timeout_s))
    return {"method": send.method, "url": send.url, "headers": headers, "timeout": timeout, **body}


def _chunks(send: Send) -> Iterator[bytes]:
    """Yield the body in pieces, and report to `on_sent` after each has been taken."""
    body = send.content or b""
    for start in range(0, len(body), _CHUNK_BYTES):
        chunk = body[start : start + _CHUNK_BYTES]
        yield chunk
        if send.on_sent is not None:
            send.on_sent(start + len(chunk))


async def _async_chunks(send: Send) -> AsyncIterator[bytes]:
    for chunk in _chunks(send):
        yield chunk


def _answer(response: "httpx.Response", body: bytearray) -> Answer:
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(body))


def _no_answer(error: "httpx.RequestError | httpx.InvalidURL") -> NoAnswer:
    """Classify a failed request: whether it may have arrived, and whether a retry may help."""
    import httpx  # noqa: PLC0415  see the module docstring

    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return NoAnswer("the address is not one of http or https", sent=False, transient=False)
    if isinstance(error, httpx.TimeoutException):
        return NoAnswer("no answer in time", sent=not isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout))
    if isinstance(error, httpx.ConnectError):
        return NoAnswer("the host is unknown, refuses the connection or is not trusted", sent=False)
    return NoAnswer("the connection broke", sent=True)
