"""The client for an event loop: the talks of `client.operations`, performed with `await`. See `client`."""

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from rythmiq.client import http as client_http
from rythmiq.client import operations as calls
from rythmiq.client.exchange import Answer, Broken, Emit, Outcome, Pause, Send, Service, Talk, api_url_of
from rythmiq.client.http import File
from rythmiq.client.operations import JobFile, Order
from rythmiq.contracts.api import AccountAnswer, JobAccepted, JobItem, JobOptions, JobStatus, JobView
from rythmiq.contracts.portal import Portal

if TYPE_CHECKING:
    import httpx

AsyncToken = str | Callable[[], str] | Callable[[], Awaitable[str]]
T = TypeVar("T")


class AsyncClient:
    """The same client for an event loop; the token may be given by a coroutine function too.

    Args:
        base_url: the service's address, with or without its `/api`; https, or http to this machine.
        token: the account's JWT, or a function that gives a fresh one.
        timeout_s: bounds each read and write of a call.
        retry_for_s: how long a call is repeated while the service says when to come again.

    Raises:
        ValueError: the address cannot be used.
    """

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

    async def submit(  # noqa: PLR0913  what a job can be told
        self,
        file: File | Sequence[File],
        portal: str,
        slot: str | None = None,
        *,
        portal_version: str | None = None,
        options: JobOptions | None = None,
        filename: str | None = None,
        mime_type: str | None = None,
        encrypted: bool = True,
        job_id: str | None = None,
        on_sent: Callable[[int], object] | None = None,
    ) -> JobAccepted:
        """See `Client.submit`."""
        files = await asyncio.to_thread(client_http.read_files, file, filename, mime_type)
        order = Order(portal, slot, portal_version, options)
        return await self._run(
            calls.submit(self._service, files, order, encrypted=encrypted, job_id=job_id, on_sent=on_sent)
        )

    async def create_job(  # noqa: PLR0913  what a job can be told
        self,
        portal: str,
        slot: str | None = None,
        *,
        raw_path: str | None = None,
        raw_paths: Sequence[str] | None = None,
        artifact_url: str | None = None,
        portal_version: str | None = None,
        options: JobOptions | None = None,
        mime_type: str | None = None,
        original_filename: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobAccepted:
        """See `Client.create_job`."""
        return await self._run(
            calls.create_job(
                self._service,
                Order(portal, slot, portal_version, options),
                idempotency_key=idempotency_key or str(uuid.uuid4()),
                raw_path=raw_path,
                raw_paths=raw_paths,
                artifact_url=artifact_url,
                mime_type=mime_type,
                original_filename=original_filename,
            )
        )

    async def job(self, job_id: str) -> JobView:
        """See `Client.job`."""
        return await self._run(calls.job(self._service, job_id))

    def watch(self, job_id: str, *, timeout_s: float | None = None) -> AsyncIterator[JobView]:
        """See `Client.watch`."""
        return cast("AsyncIterator[JobView]", self._items(calls.watch(self._service, job_id, timeout_s=timeout_s)))

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobView:
        """See `Client.wait`."""
        return await self._run(calls.wait(self._service, job_id, timeout_s=timeout_s))

    async def download(self, job_id: str, what: JobFile = "document") -> bytes:
        """See `Client.download`."""
        return await self._run(calls.download(self._service, job_id, what))

    def jobs(self, *, status: JobStatus | None = None, page_size: int = 100) -> AsyncIterator[JobItem]:
        """See `Client.jobs`."""
        talk = calls.jobs(self._service, status=status, page_size=page_size)
        return cast("AsyncIterator[JobItem]", self._items(talk))

    async def cancel(self, job_id: str) -> bool:
        """See `Client.cancel`."""
        return await self._run(calls.cancel(self._service, job_id))

    async def delete(self, job_id: str) -> None:
        """See `Client.delete`."""
        return await self._run(calls.delete(self._service, job_id))

    async def account(self) -> AccountAnswer:
        """See `Client.account`."""
        return await self._run(calls.account(self._service))

    async def portals(self) -> tuple[Portal, ...]:
        """See `Client.portals`."""
        return await self._run(calls.portals(self._service))

    async def portal(self, portal: str) -> Portal:
        """See `Client.portal`."""
        return await self._run(calls.portal(self._service, portal))

    async def _run(self, talk: Talk[T]) -> T:
        ended: list[T] = []
        async for _ in self._items(talk, ended):
            pass
        return ended[0]

    async def _items(self, talk: Talk[T], ended: list[T] | None = None) -> AsyncIterator[object]:
        outcome: Outcome = None
        while True:
            try:
                effect = talk.send(outcome)
            except StopIteration as done:
                if ended is not None:
                    ended.append(done.value)  # an asynchronous generator returns nothing
                return
            outcome = None
            if isinstance(effect, Emit):
                yield effect.item
            elif isinstance(effect, Pause):
                await asyncio.sleep(effect.seconds)
            else:
                outcome = await self._send(effect)

    async def _send(self, send: Send) -> Answer | Broken:
        import httpx  # noqa: PLC0415  see Client._send

        if self._http is None:
            self._http = httpx.AsyncClient(**client_http.terms(self._service))
        token = self._token() if callable(self._token) else self._token
        headers = client_http.headers(send, await token if inspect.isawaitable(token) else token)
        content: Any = _aiter(client_http.chunks(send)) if send.on_sent and send.fields is None else send.content
        body = client_http.form(send) if send.fields is not None else {"content": content}
        try:
            async with self._http.stream(
                send.method, send.url, headers=headers, timeout=client_http.timeout(send), **body
            ) as response:
                data = bytearray()
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > send.max_bytes:
                        return client_http.TOO_LONG
                return client_http.answer(response, data)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return client_http.broken(error)


async def _aiter(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
