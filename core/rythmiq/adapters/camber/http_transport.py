"""Camber over HTTP, as its own command line does it.

Every call has connections of its own: a function makes one a minute at most, and an event loop ends with its call.

Source: docs/camber.md.
"""

import json
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import httpx

from rythmiq.adapters.camber.wire import (
    DOMAIN_CODE,
    CamberAmbiguousError,
    CamberAuthError,
    CamberError,
    CamberRejectedError,
    CamberUnavailableError,
    JobConfig,
    Wire,
)

TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=5.0)
MAX_ANSWER_BYTES = 4 * 1024 * 1024
_GOOD, _REFUSALS, _TROUBLE = 200, 400, 500
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMEOUT, _TOO_MANY = 401, 403, 404, 408, 429
_MAX_WORDS = 200


class HttpTransport:
    """Implements `service.Transport`.

    Args:
        url: `CAMBER_API_URL`.
        key: `CAMBER_API_KEY`; it is sent to that address only: redirects are off, and so are proxies.
        config: what every job is run with.
        wire: the names in force.
        http: in the place of the network.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        config: JobConfig,
        wire: Wire,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._config, self._wire = config, wire
        self._http = http

    async def create(self, command: str) -> object:
        """Start a job; its number as it came."""
        config, names = self._config, self._wire.create_fields
        values = {"command": command, "engine": config.engine, "size": config.size, "path": config.path}
        body = {names[name]: value for name, value in values.items() if value is not None}
        answer = await self.ask("POST", self._wire.path_jobs, body)
        if answer.status == _NOT_FOUND and answer.code is None:  # of the route: it says nothing of the job
            raise CamberUnavailableError("Camber starts no jobs at the address that is configured (404)")
        data = answer.data()
        if not isinstance(data, Mapping):
            raise CamberAmbiguousError("Camber answered what we do not understand")
        return next((data[name] for name in self._wire.id_fields if name in data), None)

    async def get(self, number: str) -> Mapping[str, object] | None:
        """What Camber says of a job; None when it knows none of that number."""
        answer = await self.ask("GET", f"{self._wire.path_jobs}/{number}")
        if answer.status == _NOT_FOUND or answer.code == DOMAIN_CODE:
            return None
        try:
            data = answer.data()
        except CamberRejectedError as error:  # of the question, which says nothing of the job
            raise CamberUnavailableError(str(error)) from None
        if not isinstance(data, Mapping):
            raise CamberUnavailableError("Camber answered what we do not understand")
        return data

    async def recent(self) -> Sequence[Mapping[str, object]]:
        """The jobs that Camber lists."""
        try:
            data = (await self.ask("GET", f"{self._wire.path_jobs}?{self._wire.list_query}")).data()
        except CamberRejectedError as error:
            raise CamberUnavailableError(f"Camber shows no list: {error}") from None
        if isinstance(data, Mapping):
            data = next((data[name] for name in self._wire.list_fields if name in data), None)
        if not isinstance(data, list) or not all(isinstance(job, Mapping) for job in data):
            raise CamberUnavailableError("Camber answered what is no list of jobs")
        return data

    async def logs(self, number: str, *, tail_lines: int) -> str:
        """All lines that a job wrote: Camber is not known to cut them."""
        del tail_lines
        answer = await self.ask("GET", self._wire.path_logs.replace("{id}", number))
        if answer.document is None and answer.status == _GOOD:
            return answer.text
        try:
            data = answer.data()
        except CamberRejectedError:  # a cancelled job has none
            return ""
        if isinstance(data, Mapping):
            data = next((data[name] for name in self._wire.logs_fields if name in data), "")
        return "".join(f"{line}\n" for line in data) if isinstance(data, list) else str(data or "")

    async def ask(self, method: str, target: str, body: object = None) -> "CamberAnswer":
        """Make one request; its answer, whatever it says.

        Raises:
            CamberUnavailableError: there is no connection, or Camber is in trouble (5xx, 429).
            CamberAuthError: the key is refused.
            CamberAmbiguousError: the answer was lost; after a GET that is CamberUnavailableError too.
        """
        lost: type[CamberError] = CamberUnavailableError if method == "GET" else CamberAmbiguousError
        try:
            async with (
                httpx.AsyncClient(
                    transport=self._http,
                    timeout=TIMEOUT,
                    follow_redirects=False,
                    trust_env=False,
                    verify=_context(self._url),
                ) as client,
                client.stream(
                    method,
                    self._url + target,
                    content=None if body is None else json.dumps(body),
                    headers={"Authorization": f"Bearer {self._key}", **_JSON},
                ) as response,
            ):
                content = await _content(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            raise CamberUnavailableError("there is no connection to Camber") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise lost("Camber's answer was lost") from None
        answer = CamberAnswer.of(response, content, self._wire)
        if response.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
            raise CamberAuthError(f"Camber refuses the key ({response.status_code})")
        if response.status_code in {_TIMEOUT, _TOO_MANY} or response.status_code >= _TROUBLE:
            raise CamberUnavailableError(f"Camber answered {response.status_code}")
        if answer.document is None and (method != "GET" or response.status_code != _GOOD):
            raise lost(f"Camber answered {response.status_code} with what is not JSON")
        return answer


_JSON = {"Accept": "application/json", "Content-Type": "application/json", "Accept-Encoding": "identity"}


class CamberAnswer:
    """An answer that is JSON (`document`), or text for who asked for one.

    Attributes:
        status: of HTTP.
        document: the JSON object; None when it is none.
        text: the body.
    """

    def __init__(self, status: int, document: Mapping[str, Any] | None, text: str, wire: Wire) -> None:
        self.status, self.document, self.text, self._wire = status, document, text, wire

    @classmethod
    def of(cls, response: httpx.Response, content: bytes, wire: Wire) -> "CamberAnswer":
        """Read a response."""
        text = content.decode(errors="replace")
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if isinstance(document, list):
            document = {wire.envelope_data: document}
        return cls(response.status_code, document if isinstance(document, dict) else None, text, wire)

    @property
    def code(self) -> object:
        """The envelope's code; None where there is no envelope."""
        return (self.document or {}).get(self._wire.envelope_code)

    def data(self) -> object:
        """What the envelope holds; the document itself where there is none.

        Raises:
            CamberRejectedError: Camber refuses.
            CamberUnavailableError: it is neither a refusal nor an answer, a redirect for one.
        """
        document = self.document or {}
        if self.status >= _REFUSALS or self.code not in {None, 0}:
            raise CamberRejectedError(f"Camber answered {self.status}, code {self.code}{self.wrong_fields()}")
        if self.status >= 300 or self.document is None:  # noqa: PLR2004  the class of redirects
            raise CamberUnavailableError(f"Camber answered {self.status}")
        return document.get(self._wire.envelope_data, document)

    def wrong_fields(self) -> str:
        """The names of the fields that Camber does not accept, for a message; never a value."""
        details = (self.document or {}).get(self._wire.envelope_details)
        names = [str(item.get("field") or item.get("key")) for item in details or () if isinstance(item, Mapping)]
        return f": {', '.join(names)}"[:_MAX_WORDS] if names else ""


async def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            break
    return bytes(content)


def _context(url: str) -> ssl.SSLContext | bool:
    # Plain http, of this machine, needs no authorities; whatever is not surely http gets them.
    return False if url.startswith("http://") else _authorities()


@cache
def _authorities() -> ssl.SSLContext:
    """Loading them takes 20 ms of CPU."""
    return httpx.create_ssl_context()
