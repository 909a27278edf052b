"""The blocking client: performs the talks of `client.operations`."""

import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
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

Token = str | Callable[[], str]
T = TypeVar("T")


class Client:
    """A blocking client of one account; not to be shared between threads.

    Args:
        base_url: the service's address, with or without its `/api`; https, or http to this machine.
        token: the account's JWT, or a function that gives a fresh one.
        timeout_s: bounds each read and write of a call.
        retry_for_s: how long a call is repeated while the service says when to come again.

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

    def submit(  # noqa: PLR0913  what a job can be told
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
        """Seal and upload a file, or several as the pages of one PDF, and create their job.

        Args:
            file: a path, or the file's bytes; or several of them, in their order.
            portal: for which portal.
            slot: which of its files; may be left out where it asks for one.
            portal_version: of its rules; by default the current one.
            options: crop, rotate, face, background, caption, ocr_language.
            filename: what its owner calls it, or the first; by default the path's name.
            mime_type: by default guessed from the name.
            encrypted: False only for a service that takes plaintext.
            job_id: of a submit that was interrupted (`ClientError.job_id`), to go on with it.
            on_sent: told how many bytes have been uploaded.

        Raises:
            ClientError: one of its kinds; OSError: the file cannot be read; ValueError: it cannot be asked so.
        """
        files = client_http.read_files(file, filename, mime_type)
        order = Order(portal, slot, portal_version, options)
        return self._run(calls.submit(self._service, files, order, encrypted=encrypted, job_id=job_id, on_sent=on_sent))

    def create_job(  # noqa: PLR0913  what a job can be told
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
        """Create a job of what is uploaded: `raw_path`, e.g. `view.artifacts["master_path"]`, `raw_paths`, or a URL.

        Raises:
            ClientError: one of its kinds; ValueError: it cannot be asked so.
        """
        return self._run(
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

    def job(self, job_id: str) -> JobView:
        """Look at one job. Raises ClientError."""
        return self._run(calls.job(self._service, job_id))

    def watch(self, job_id: str, *, timeout_s: float | None = None) -> Iterator[JobView]:
        """Yield the job now and whenever its status, stage, attempt or place in the queue changes, until it has ended.

        Raises:
            WaitTimeoutError: it goes on after `timeout_s`; ClientError: another of its kinds.
        """
        return cast("Iterator[JobView]", self._items(calls.watch(self._service, job_id, timeout_s=timeout_s)))

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobView:
        """Wait until the job is completed.

        Raises:
            JobFailedError: it failed; WaitTimeoutError: it goes on after `timeout_s`; ClientError.
        """
        return self._run(calls.wait(self._service, job_id, timeout_s=timeout_s))

    def download(self, job_id: str, what: JobFile = "document") -> bytes:
        """Download and open a file of a completed job: document, preview, before, output (the ZIP) or text.

        Raises:
            FileMissingError, UnopenedError, or another ClientError.
        """
        return self._run(calls.download(self._service, job_id, what))

    def jobs(self, *, status: JobStatus | None = None, page_size: int = 100) -> Iterator[JobItem]:
        """Yield every job of the account, newest first. Raises ClientError."""
        return cast("Iterator[JobItem]", self._items(calls.jobs(self._service, status=status, page_size=page_size)))

    def cancel(self, job_id: str) -> bool:
        """Cancel a pending job with its refund; False when it has begun or ended, which changes nothing.

        Raises:
            ClientError: one of its kinds.
        """
        return self._run(calls.cancel(self._service, job_id))

    def delete(self, job_id: str) -> None:
        """Remove the files and personal data of an ended job; a pending one is cancelled. Raises ClientError."""
        return self._run(calls.delete(self._service, job_id))

    def account(self) -> AccountAnswer:
        """Credits, ledger entries and limits. Raises ClientError."""
        return self._run(calls.account(self._service))

    def portals(self) -> tuple[Portal, ...]:
        """The service's rule book; needs no token. Raises ClientError."""
        return self._run(calls.portals(self._service))

    def portal(self, portal: str) -> Portal:
        """One portal's rules; needs no token. Raises ClientError."""
        return self._run(calls.portal(self._service, portal))

    def _run(self, talk: Talk[T]) -> T:
        items = self._items(talk)
        while True:
            try:
                next(items)
            except StopIteration as done:
                return cast("T", done.value)

    def _items(self, talk: Talk[T]) -> Generator[object, None, T]:
        outcome: Outcome = None
        while True:
            try:
                effect = talk.send(outcome)
            except StopIteration as done:
                return cast("T", done.value)
            outcome = None
            if isinstance(effect, Emit):
                yield effect.item
            elif isinstance(effect, Pause):
                time.sleep(effect.seconds)
            else:
                outcome = self._send(effect)

    def _send(self, send: Send) -> Answer | Broken:
        import httpx  # noqa: PLC0415  100 ms that `--help` and sign-in pages need not pay

        if self._http is None:
            self._http = httpx.Client(**client_http.terms(self._service))
        headers = client_http.headers(send, self._token() if callable(self._token) else self._token)
        content: Any = client_http.chunks(send) if send.on_sent and send.fields is None else send.content
        body = client_http.form(send) if send.fields is not None else {"content": content}
        try:
            with self._http.stream(
                send.method, send.url, headers=headers, timeout=client_http.timeout(send), **body
            ) as response:
                data = bytearray()
                for chunk in response.iter_bytes():
                    data += chunk
                    if len(data) > send.max_bytes:
                        return client_http.TOO_LONG
                return client_http.answer(response, data)
        except (httpx.RequestError, httpx.InvalidURL) as error:
            return client_http.broken(error)
