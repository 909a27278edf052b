"""Records the platform's events: requests of known content go to a function that answers with what it was given.

That function is `infra/recorder`, deployed beside the others for as long as this takes. Each recorded event is parsed
by the gateway's own code, and the result is compared with what was sent. The recording holds no secret, address or
host: of headers that were not sent from here, only the names are kept.

Source: docs/digitalocean-functions.md, which a recording confirms or corrects.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx

from rythmiq.contracts.problems import ProblemError
from rythmiq.gateway.http import read_event
from rythmiq_cli.doctor import Finding, Reporter

PATH = "doctor/event"
_REPORT = Reporter("functions")
_WEB_SECURE = "X-Require-Whisk-Auth"
_PROBE_HEADER = "X-Rythmiq-Probe"
_KEPT_VALUES = frozenset(
    {
        *("accept", "accept-encoding", "content-type", "x-forwarded-proto", "if-none-match", "origin"),
        *("access-control-request-method", _PROBE_HEADER.lower()),
    }
)
_LEFT_OUT = "(left out)"
_DEPLOY = "deploy it with `doctl serverless deploy infra/recorder --env FILE`, with this METRICS_TOKEN in the file"
_MEND = "core/rythmiq/gateway/http.py is the one place that reads events: fix it there, and keep the recording"


@dataclass(frozen=True, slots=True)
class Sent:
    """A request of known content; `body` is ISO 8859-1 text, a byte a letter."""

    name: str
    method: str
    path: str = ""
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


_JSON = {"Content-Type": "application/json"}
REQUESTS = (
    Sent("get", "GET"),
    Sent("get with a path and a query", "GET", "/one/a%20b", "b=2&a=%20&b=3&empty="),
    Sent("get with If-None-Match", "GET", headers={"If-None-Match": 'W/"abc"'}),
    Sent("post of JSON", "POST", headers=_JSON, body='{"a": 1}'),
    Sent("post of JSON beyond ASCII", "POST", headers=_JSON, body='{"a": "पत्र"}'.encode().decode("latin-1")),
    Sent("post of JSON that is a list", "POST", headers=_JSON, body="[1, 2]"),
    Sent("post of broken JSON", "POST", headers=_JSON, body='{"a": '),
    Sent("post of text", "POST", headers={"Content-Type": "text/plain"}, body="text"),
    Sent("post of a form", "POST", headers={"Content-Type": "application/x-www-form-urlencoded"}, body="a=1&b=%20"),
    Sent(
        "post of bytes",
        "POST",
        headers={"Content-Type": "application/octet-stream"},
        body=bytes(range(256)).decode("latin-1"),
    ),
    Sent("delete", "DELETE", "/one"),
    Sent("preflight", "OPTIONS", headers={"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}),
)


class Recording:
    """A recording as it grows.

    Args:
        base_url: PUBLIC_URL of the namespace that the recorder is deployed to.
        http: sends the calls.
        token: METRICS_TOKEN, by which the recorder is shut to others.
    """

    def __init__(self, base_url: str, http: httpx.Client, token: str) -> None:
        self._url = f"{base_url.rstrip('/')}/{PATH}"
        self._http = http
        self._token = token
        self._around: dict[str, Any] = {}
        self._events: list[dict[str, Any]] = []

    def run(self) -> Iterator[Finding]:
        """Send every request; one finding each. It ends at the first that does not come back."""
        for sent in REQUESTS:
            try:
                answer = self._send(sent)
            except httpx.HTTPError as error:
                yield _REPORT.unreachable(f"event: {sent.name}", f"no answer: {type(error).__name__}", "run it again")
                return
            given = _given(answer)
            if given is None:
                said = f"{self._url} answers {answer.status_code} and no event"
                yield _REPORT.broken(f"event: {sent.name}", said, _DEPLOY)
                return
            event = _without_secrets(given.pop("event"))
            self._around = given
            self._events.append({"sent": asdict(sent), "event": event})
            yield _compared(sent, event)

    @property
    def whole(self) -> bool:
        """Whether every request came back."""
        return len(self._events) == len(REQUESTS)

    def text(self) -> str:
        """The recording as JSON."""
        at = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
        return json.dumps({"recorded_at": at, **self._around, "events": self._events}, indent=2, ensure_ascii=False)

    def _send(self, sent: Sent) -> httpx.Response:
        return self._http.request(
            sent.method,
            f"{self._url}{sent.path}{'?' if sent.query else ''}{sent.query}",
            headers={**sent.headers, _PROBE_HEADER: sent.name, _WEB_SECURE: self._token},
            content=sent.body.encode("latin-1"),
        )


def _given(answer: httpx.Response) -> dict[str, Any] | None:
    """The recorder's answer; None when something else answered."""
    try:
        returned = answer.json() if answer.status_code == HTTPStatus.OK else None
    except ValueError:
        return None
    return returned if isinstance(returned, dict) and isinstance(returned.get("event"), dict) else None


def _without_secrets(event: Mapping[str, Any]) -> dict[str, Any]:
    """Redact the event: values beside `http`, and headers that were not sent from here."""
    http = event.get("http")
    beside = {name: _LEFT_OUT for name in event if name != "http"}
    if not isinstance(http, Mapping):
        return beside
    headers = http.get("headers")
    kept = (
        {name: value if name.lower() in _KEPT_VALUES else _LEFT_OUT for name, value in headers.items()}
        if isinstance(headers, Mapping)
        else _LEFT_OUT
    )
    return {**beside, "http": {**http, "headers": kept}}


def _compared(sent: Sent, event: Mapping[str, Any]) -> Finding:
    """Whether the gateway reads from the event what was sent."""
    probe, request = f"event: {sent.name}", read_event(event)
    try:
        body = request.body()
    except ProblemError:
        body = None
    held = {
        "an HTTP request": not request.is_trigger,
        "its method": request.method == sent.method,
        "its path": unquote(request.path) == unquote(sent.path),
        "its query": list(request.query) == parse_qsl(sent.query, keep_blank_values=True),
        "its headers": request.header(_PROBE_HEADER) == sent.name
        and all(request.header(name) == value for name, value in sent.headers.items()),
        "its body": body == sent.body.encode("latin-1"),
    }
    if wrong := [what for what, holds in held.items() if not holds]:
        return _REPORT.broken(probe, f"the gateway does not read {', '.join(wrong)} as it was sent", _MEND)
    came = f", a body in {'base64' if request.is_base64 else 'text'}" if sent.body else ""
    return _REPORT.ok(probe, f"read as it was sent{came}")
