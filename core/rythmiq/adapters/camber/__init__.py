"""Camber: every name on the wire of its undocumented API, and the HTTP transport; the executor over it is beside.

Each name is `verified` (seen live) or `inferred` (not seen), with the evidence. What is inferred can be set from the
environment, so that a name that proves to be another needs no release; `rythmiq camber doctor` reports which. All of it
is verified against a fake that was built from other people's live runs (`tests/support/fake_camber.py`), not against
Camber.

Source: docs/specification/executors.md, docs/camber.md. DOC is Camber's documentation, FIELD other people's live runs
written down in public, INFERRED ours.
"""

import json
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import httpx

from rythmiq.contracts.errors import RythmiqError

Evidence = Literal["verified", "inferred"]
State = Literal["queued", "starting", "running", "succeeded", "failed", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class Name:
    """One name on the wire.

    Attributes:
        what: what goes by it.
        default: the name.
        evidence: whether it was seen live.
        source: who, and how.
        variable: the environment's name that replaces it; None when it is not to be replaced.
    """

    what: str
    default: str
    evidence: Evidence
    source: str
    variable: str | None = None


NAMES = (
    Name("base address", "https://api-v2.cambercloud.com/api/cli", "verified", "FIELD, twice", "CAMBER_API_URL"),
    Name("authorization", "Authorization: Bearer", "verified", "DOC camber-cli/login; FIELD"),
    Name("who am I", "/me", "verified", "FIELD, twice: user_id, email, username, teams"),
    Name("one job", "/jobs/{id}", "verified", "FIELD: the CLI's own request, seen by GODEBUG=http2debug=2, and curl"),
    Name("list of jobs", "/jobs", "inferred", "behind `camber job list`; beside the verified path", "CAMBER_PATH_JOBS"),
    Name("new job", "POST /jobs", "inferred", "beside the verified path", "CAMBER_PATH_JOBS"),
    Name("logs of a job", "/jobs/{id}/logs", "inferred", "behind `camber job logs`", "CAMBER_PATH_LOGS"),
    Name("length of the list", "size=50", "inferred", "`camber job list --size 50` (FIELD)", "CAMBER_LIST_QUERY"),
    Name("envelope", "code, message, data, error_details", "verified", "FIELD, on agent routes; 0 is good"),
    Name("create: command", "command", "inferred", "DOC CamberJob.create; echoed so", "CAMBER_CREATE_FIELDS"),
    Name("create: engine", "engine_type", "inferred", "DOC CamberJob.create", "CAMBER_CREATE_FIELDS"),
    Name("create: size", "node_size", "inferred", "DOC, newer pages; older ones: engine_size", "CAMBER_CREATE_FIELDS"),
    Name("create: path", "mount_dir", "inferred", "DOC CamberJob.create; echoed so", "CAMBER_CREATE_FIELDS"),
    Name("answer: id", "job_id", "verified", "FIELD: an integer"),
    Name("answer: status", "job_status", "verified", "FIELD; DOC reference/job-attributes"),
    Name("answer: instants", "created_at, started_at, finished_at", "verified", "FIELD"),
    Name("answer: command", "command", "inferred", "shown by the SDK and the page", "CAMBER_COMMAND_FIELD"),
    Name("states", "PENDING ... CANCELLED", "verified", "DOC reference/job-attributes; FIELD"),
)
"""The names that `rythmiq camber doctor` reports on."""

STATES: Mapping[str, State] = MappingProxyType(
    {
        "SUBMITTED": "queued",
        "QUEUED": "queued",
        "PENDING": "queued",
        "PROVISIONING": "starting",
        "INITIALIZING": "starting",
        "RUNNING": "running",
        "COMPLETED": "succeeded",
        "FAILED": "failed",
        "CANCELLED": "cancelled",
        "CANCELED": "cancelled",
    }
)
"""`succeeded` means that the command exited with 0, not that a document was made."""
TERMINAL: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})

VALIDATION_CODE, DOMAIN_CODE = 1, 2
"""Of the envelope; 0 is success."""

CREATE_FIELDS = ("command", "engine", "size", "path")
_DEFAULT_FIELDS = MappingProxyType(
    {"command": "command", "engine": "engine_type", "size": "node_size", "path": "mount_dir"}
)


@dataclass(frozen=True, slots=True)
class Wire:
    """The names in force: the defaults, or what the environment puts in their place.

    Attributes:
        path_jobs: where jobs are created and listed; one job is below it.
        path_logs: where a job's logs are, `{id}` standing for its number.
        list_query: what asks for a long list.
        create_fields: the body's names for `CREATE_FIELDS`.
        command_field: the answer's name for the command.
    """

    path_jobs: str = "/jobs"
    path_logs: str = "/jobs/{id}/logs"
    list_query: str = "size=50"
    create_fields: Mapping[str, str] = field(default_factory=lambda: _DEFAULT_FIELDS)
    command_field: str = "command"

    path_me = "/me"
    id_fields = ("job_id", "id")
    status_fields = ("job_status", "status")
    instants = ("created_at", "started_at", "finished_at")
    envelope_code, envelope_data, envelope_details = "code", "data", "error_details"
    list_fields = ("jobs", "items")
    logs_fields = ("logs", "log")

    @classmethod
    def of(
        cls, *, path_jobs: str, path_logs: str, list_query: str, create_fields: Iterable[str], command_field: str
    ) -> "Wire":
        """The names as the environment has them; `create_fields` are pairs, `size=engine_size`, over the defaults."""
        replaced = dict(pair.split("=", 1) for pair in create_fields)
        return cls(path_jobs, path_logs, list_query, {**_DEFAULT_FIELDS, **replaced}, command_field)

    @property
    def listed(self) -> int:
        """Length of a full list by its query; 50 when that has no number."""
        digits = self.list_query.rpartition("=")[2]
        return int(digits) if digits.isdecimal() else 50


@dataclass(frozen=True, slots=True)
class JobConfig:
    """Program, engine and size of every job.

    Attributes:
        program: the launcher, as a job's working directory has it.
        engine: `base` is evidenced; the engine that would take an image is not.
        size: of the node; `xxsmall` has 4 CPUs and 16 GB.
        path: the Stash folder that is mounted as the working directory; None leaves it out.
        release_digest: what the launcher's file must hash to before it is run; None runs what is there.
    """

    program: str = "./rythmiq-launch"
    engine: str = "base"
    size: str = "xxsmall"
    path: str | None = None
    release_digest: str | None = None


class CamberError(RythmiqError):
    """Something went wrong with Camber; the message holds no key, and of Camber's own words what names a field."""


class CamberRejectedError(CamberError):
    """Camber refuses for good."""


class CamberAuthError(CamberError):
    """Camber refuses the key."""


class CamberUnavailableError(CamberError):
    """Camber does not answer now, or answers what we do not understand."""


class CamberAmbiguousError(CamberError):
    """Nobody knows whether Camber took the job; look it up before submitting again."""


TIMEOUT = httpx.Timeout(connect=5.0, read=30.0, write=30.0, pool=5.0)
MAX_ANSWER_BYTES = 4 * 1024 * 1024
_GOOD, _REFUSALS, _TROUBLE = 200, 400, 500
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TIMEOUT, _TOO_MANY = 401, 403, 404, 408, 429
_MAX_WORDS = 200


class HttpTransport:
    """Access to Camber.

    Raises, each method: CamberAuthError, CamberUnavailableError; `create` also CamberRejectedError and
    CamberAmbiguousError.

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
        if answer.status == _NOT_FOUND and answer.code is None:  # of the route, not of the job
            raise CamberUnavailableError("Camber starts no jobs at the address that is configured (404)")
        data = answer.data()
        if not isinstance(data, Mapping):
            raise CamberAmbiguousError("Camber answered what we do not understand")
        return next((data[name] for name in self._wire.id_fields if name in data), None)

    async def get(self, number: str) -> Mapping[str, object] | None:
        """Return Camber's document of a job; None when it has none of that number."""
        answer = await self.ask("GET", f"{self._wire.path_jobs}/{number}")
        if answer.status == _NOT_FOUND or answer.code == DOMAIN_CODE:
            return None
        try:
            data = answer.data()
        except CamberRejectedError as error:  # of the request, not of the job
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

    async def logs(self, number: str) -> str:
        """All lines that a job wrote, empty when there are none to be had: Camber is not known to cut them."""
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
        """Make one request; return its answer, whatever its status.

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
        """Return the content of the envelope; the document itself where there is none.

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
