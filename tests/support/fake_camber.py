"""A Camber that never was seen, made of what others saw of the real one (docs/camber.md).

Integer ids from 25000; the envelope `{code, message, data}`; lists that echo the command, the newest first, cut to
their query; validation errors that name fields; 401 for a wrong key; `404 {"message":"Not Found"}` for a route that
there is not, cancelling among them; logs that are refused for a cancelled job. Jobs may stay PENDING, be CANCELLED for
it, or start long after everybody gave up.

What goes wrong with the next requests is planned. The same fake answers in process (`FakeCamber.http`) and over a
socket (`serve`).
"""

import contextlib
import json
import re
import shlex
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.support.fake_runs import FakeRun, FakeRuns

KEY = "0123456789abcdef0123456789abcdef01234567"
BASE = "/api/cli"
PATH = "stash://somebody/rythmiq/"

Plan = Literal[
    "answer",
    "refuse_connection",
    "connect_timeout",
    "read_timeout",
    "accept_then_drop",
    "accept_then_timeout",
    "html_502",
    "accept_then_502",
    "too_many",
    "html_200",
    "redirect",
    "no_id",
    "hold",
]
"""What becomes of a request; `accept_then_*` do what was asked, and lose the answer."""

_STEPS = ("PENDING", "PROVISIONING", "INITIALIZING", "RUNNING")
_AT = "2026-09-18T06:45:25Z"


@dataclass
class FakeJob:
    """A job as Camber keeps it; each look at one that runs takes it a step further, up to RUNNING."""

    number: int
    command: str
    body: Mapping[str, Any]
    run: FakeRun
    looks: int = 0

    def status(self) -> str:
        """Where it stands."""
        if self.run.state == "ended":
            return "COMPLETED" if self.run.told == 0 else "FAILED"
        if self.run.state == "running":
            self.looks = min(self.looks + 1, len(_STEPS) - 1)
            return _STEPS[self.looks]
        return "CANCELLED" if self.run.state == "cancelled" else "PENDING"


@dataclass
class FakeCamber:
    """The whole of it.

    Attributes:
        runs: what it pretends to run.
        plan: what becomes of the next requests, in turn; after these all are answered.
        requests: method and target of every request.
        shows_commands: whether lists and jobs echo the command.
        newest_first: how lists are sorted.
        create_names: the fields of a new job that it wants, and no others.
    """

    runs: FakeRuns = field(default_factory=FakeRuns)
    plan: deque[Plan] = field(default_factory=deque)
    requests: list[tuple[str, str]] = field(default_factory=list)
    jobs: dict[int, FakeJob] = field(default_factory=dict)
    shows_commands: bool = True
    newest_first: bool = True
    create_names: tuple[str, ...] = ("command", "engine_type", "node_size", "mount_dir")

    def cancel_for_good(self, number: str) -> None:
        """Give up a job that was PENDING, as Camber does by itself after an hour."""
        self.runs.cancel(self.jobs[int(number)].run)

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, key: str | None, body: bytes) -> tuple[int, str, bytes]:
        """Status, media type and body; raises httpx's errors for what never gets an answer."""
        self.requests.append((method, target))
        plan = self.plan.popleft() if self.plan else "answer"
        if plan in {"refuse_connection", "connect_timeout", "read_timeout"}:
            raise _TROUBLE[plan]
        if plan in _PAGES:
            return _PAGES[plan]
        with self.runs.lock:
            status, document = self._document(method, target, key, body, held=plan == "hold")
        if plan in {"accept_then_drop", "accept_then_timeout"}:
            raise _TROUBLE[plan]
        if plan == "accept_then_502":
            return _PAGES["html_502"]
        if plan == "no_id":
            document = {"code": 0, "message": "ok", "data": {}}
        return status, "application/json", json.dumps(document).encode()

    def _document(  # noqa: PLR0911  a return a route
        self, method: str, target: str, key: str | None, body: bytes, *, held: bool
    ) -> tuple[int, dict[str, Any]]:
        url = urlsplit(target)
        if key != KEY:
            return 401, {"message": "unauthorized - invalid token"}
        if not url.path.startswith(f"{BASE}/"):
            return 404, {"message": "Not Found"}
        route = f"{method} {url.path.removeprefix(BASE)}"
        if route == "GET /me":
            return _good({"user_id": 7, "email": "somebody@example.org", "username": "somebody", "teams": []})
        if route == "POST /jobs":
            return self._create(body, held=held)
        if route == "GET /jobs":
            size = int(parse_qs(url.query).get("size", ["10"])[0])
            numbers = sorted(self.jobs, reverse=self.newest_first)[:size]
            return _good([self._shown(self.jobs[number]) for number in numbers])
        found = re.fullmatch(r"GET /jobs/([0-9]+)(/logs)?", route)
        if found is None:
            return 404, {"message": "Not Found"}
        job = self.jobs.get(int(found[1]))
        if job is None:
            return 404, {"code": 2, "message": "job not found", "data": None}
        if found[2] is None:
            return _good(self._shown(job))
        if job.status() not in {"COMPLETED", "FAILED", "RUNNING"}:
            return 400, {"code": 2, "message": "job status is not completed, failed, or running", "data": None}
        return _good({"logs": job.run.log})

    def _create(self, body: bytes, *, held: bool) -> tuple[int, dict[str, Any]]:
        document = json.loads(body or b"{}")
        wrong = [name for name in self.create_names if not document.get(name)]
        wrong += [name for name in document if name not in self.create_names]
        if wrong:
            details = [{"key": "required", "field": name, "message": f"{name} is wrong"} for name in wrong]
            return 400, {"code": 1, "message": "validation error", "data": None, "error_details": details}
        bad = [name for name in self.create_names if not isinstance(document[name], str)]
        if bad:
            return 400, {"message": f"Unmarshal type error: expected=string, field={bad[0]}"}
        command, engine = str(document[self.create_names[0]]), document[self.create_names[1]]
        if engine not in {"base", "mpi", "nextflow"}:
            return 400, {"code": 2, "message": f"Engine '{engine}' not found or not available", "data": None}
        if "$" in command:
            raise AssertionError("a command that Camber would expand")
        number = 25_000 + len(self.jobs) + 1
        run = self.runs.add(tuple(shlex.split(command)[1:]), held=held)
        self.jobs[number] = FakeJob(number, command, document, run)
        return _good({"job_id": number, "job_status": "PENDING"})

    def _shown(self, job: FakeJob) -> dict[str, Any]:
        status = job.status()
        shown = {
            "job_id": job.number,
            "job_status": status,
            "created_at": _AT,
            "started_at": None if status == "PENDING" else _AT,
            "finished_at": _AT if status in {"COMPLETED", "FAILED", "CANCELLED"} else None,
            "mount_dir": job.body[self.create_names[3]],
        }
        return {**shown, "command": job.command} if self.shows_commands else shown

    # --- ways to it ---------------------------------------------------------------------------------------------------

    @property
    def http(self) -> httpx.AsyncBaseTransport:
        """In the place of the network."""

        def handle(request: httpx.Request) -> httpx.Response:
            target = request.url.raw_path.decode()
            status, media_type, body = self.answer(request.method, target, _key_of(request.headers), request.content)
            headers = {"content-type": media_type, **({"location": "https://elsewhere.test"} if status == 302 else {})}
            return httpx.Response(status, headers=headers, content=body)

        return httpx.MockTransport(handle)

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """Over a socket; `CAMBER_API_URL`."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                try:
                    status, media_type, content = fake.answer(self.command, self.path, _key_of(self.headers), body)
                except httpx.HTTPError:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _any  # noqa: N815  the library's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}{BASE}"
            finally:
                server.shutdown()
                thread.join()


def _good(data: object) -> tuple[int, dict[str, Any]]:
    return 200, {"code": 0, "message": "ok", "data": data}


def _key_of(headers: Mapping[str, str] | Any) -> str | None:
    bearer, _, key = (headers.get("authorization") or "").partition(" ")
    return str(key) if bearer == "Bearer" else None


_TROUBLE: Mapping[str, httpx.HTTPError] = {
    "refuse_connection": httpx.ConnectError("planned"),
    "connect_timeout": httpx.ConnectTimeout("planned"),
    "read_timeout": httpx.ReadTimeout("planned"),
    "accept_then_drop": httpx.ReadError("planned"),
    "accept_then_timeout": httpx.ReadTimeout("planned"),
}
_HTML = b"<html><head><title>502 Bad Gateway</title></head></html>"
_PAGES: Mapping[str, tuple[int, str, bytes]] = {
    "html_502": (502, "text/html", _HTML),
    "html_200": (200, "text/html", _HTML),
    "too_many": (429, "application/json", b'{"message":"Too Many Requests"}'),
    "redirect": (302, "text/html", b""),
}
