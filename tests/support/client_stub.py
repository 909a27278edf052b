"""A tiny real service for the client's tests: the API's happy path and an object store, on one loopback port.

A test scripts what is to go wrong: `stub.next("PUT /store", drop=True)` spoils the next matching request, `after=True`
spoils it after it was carried out.
"""

import base64
import hashlib
import http.server
import io
import json
import threading
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest

from rythmiq.contracts.keys import sanitize_filename
from rythmiq.crypto import open_sealed, seal
from rythmiq.crypto.key_ring import DataKey, KeyRing

USER = "0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
STAMP = "20260101T000000Z"


@dataclass(slots=True)
class Fault:
    """What happens to a request: nothing is answered (`drop`), or this is; `after` the request was carried out."""

    start: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: bool = False

    @property
    def drop(self) -> bool:
        """Whether the connection just ends."""
        return self.status == 0


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Held:
    """One job of the stub: `steps` is what each look at it finds, the last one for good."""

    job_id: str
    key: DataKey | None
    raw_path: str
    steps: list[dict[str, Any]]
    created: bool = False
    looks: int = 0


class Stub:
    """The service's state, and what arrived."""

    def __init__(self) -> None:
        self.url = ""
        self.ring = KeyRing.parse(KeyRing.new_entry(1))
        self.seen: list[Seen] = []
        self.faults: list[Fault] = []
        self.jobs: dict[str, Held] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: dict[str, str] = {}
        self.steps: list[dict[str, Any]] = [{"status": "completed"}]
        self.result: dict[str, bytes] = {
            "document": b"the document",
            "preview": b"small",
            "before": b"small, of the upload",
            "text": b"read\n",
        }
        self.rules: dict[str, Any] = {"kind": "photo"}
        self.more_in_zip: dict[str, bytes] = {}
        self.upload_method = "PUT"
        self.plaintext = False
        self.retry_after_s = 0
        self.deletions: list[str] = []

    def next(self, start: str, status: int = 0, *, after: bool = False, body: object = b"", **headers: str) -> None:
        """Spoil the next request whose `METHOD /path` begins so."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.faults.append(Fault(start, status, told, raw, after))

    def refuse(self, start: str, status: int, code: str, *fields: dict[str, str], **headers: str) -> None:
        """Answer the next such request with a problem, about these fields."""
        problem = {"title": "No", "status": status, "code": code, "detail": f"{code} it is", "request_id": "req-1"}
        problem |= {"errors": list(fields)} if fields else {}
        told = {"Content-Type": "application/problem+json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(start, status, told, json.dumps(problem).encode()))

    def lines(self, start: str = "") -> list[str]:
        """The requests so far, as `METHOD /path?query`."""
        return [seen.line for seen in self.seen if seen.line.startswith(start)]

    def only_job(self) -> Held:
        """The one job there is."""
        (held,) = (held for held in self.jobs.values() if held.created)
        return held

    def uploaded(self, job_id: str) -> bytes:
        """What the client put, opened."""
        held = self.jobs[job_id]
        data = self.objects[held.raw_path]
        return data if held.key is None else open_sealed(data, storage_key=held.raw_path, data_key=held.key.data_key)

    # --- the API ---

    def answer(  # noqa: C901, PLR0911  one a call
        self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> "Reply":
        """What a request is answered with."""
        if path.startswith("/store"):
            return self._store(method, path.removeprefix("/store/"), headers, body)
        parts = path.removeprefix("/api/").split("/")
        match (method, *parts):
            case ("POST", "uploads"):
                return self._sign(json.loads(body))
            case ("POST", "jobs"):
                return self._create(json.loads(body), headers["idempotency-key"])
            case ("GET", "jobs"):
                return self._list(query)
            case ("GET", "jobs", job_id):
                return self._view(self.jobs[job_id])
            case ("DELETE", "jobs", job_id):
                self.deletions.append(job_id)
                self.jobs[job_id].steps = [{"status": "failed", "error": {"code": "EXECUTOR_CANCELLED"}}]
                self.jobs[job_id].looks = 0
                return Reply(204)
            case ("DELETE", "uploads", job_id):
                self.deletions.append(job_id)
                self.objects.pop(self.jobs[job_id].raw_path, None)
                return Reply(204)
            case ("GET", "portals", name):
                slots = [{"slot": "photo", **self.rules}, {"slot": "signature", "kind": "signature"}]
                return Reply.of({"portal": name, "name": "A portal", "version": "1", "slots": slots})
            case ("DELETE", "account"):
                receipt_id = "5b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
                return Reply.of({"receipt_id": receipt_id, "jobs": 2, "uploads": 3, "objects": 18}, 202)
            case ("GET", "account"):
                entry = {"kind": "grant", "amount": 3, "job_id": None, "created_at": "2026-01-01T00:00:00Z"}
                limits = {
                    "max_active_jobs": 20,
                    "max_upload_bytes": 1_000,
                    "max_pages": 10,
                    "new_in_a_later_version": 1,
                }
                return Reply.of({"credits": {"available": 3, "reserved": 0}, "entries": [entry], "limits": limits})
        return Reply(404)

    def _sign(self, asked: dict[str, Any]) -> "Reply":
        if "job_id" in asked:
            held = self.jobs[asked["job_id"]]
            if held.created:
                problem = {"title": "No", "status": 409, "code": "UPLOAD_CLAIMED", "detail": "claimed"}
                return Reply(409, {"Content-Type": "application/problem+json"}, json.dumps(problem).encode())
        else:
            job_id = str(uuid.uuid4())
            raw_path = f"raw/{USER}/{job_id}/{STAMP}_{sanitize_filename(asked['filename'])}.enc"
            key = None if self.plaintext else self.ring.mint(USER)
            held = self.jobs[job_id] = Held(job_id, key, raw_path, list(self.steps))
        post = self.upload_method == "POST"
        key_answer = held.key and {
            "format": "RQE1",
            "kid": held.key.kid,
            "data_key": base64.b64encode(held.key.data_key).decode(),
            "wrapped_key": base64.b64encode(held.key.wrapped_key).decode(),
        }
        return Reply.of(
            {
                "job_id": held.job_id,
                "raw_path": held.raw_path,
                "upload": {
                    "method": self.upload_method,
                    "url": f"{self.url}/store" if post else f"{self.url}/store/{held.raw_path}",
                    "headers": {} if post else {"Content-Type": "application/octet-stream", "If-None-Match": "*"},
                    "fields": {"key": held.raw_path, "Content-Type": "application/octet-stream"} if post else {},
                },
                "expires_at": "2026-01-01T00:15:00Z",
                "encryption": key_answer,
            },
            201,
        )

    def _create(self, asked: dict[str, Any], key: str) -> "Reply":
        paths = asked.get("raw_paths") or [asked["raw_path"]]
        held = next(held for held in self.jobs.values() if held.raw_path == paths[0])
        assert set(paths) <= set(self.objects)
        assert self.requests.setdefault(key, held.job_id) == held.job_id
        held.created = True
        return Reply.of({"job_id": held.job_id, "status": "pending", "links": {"self": f"/jobs/{held.job_id}"}}, 202)

    def _view(self, held: Held) -> "Reply":
        step = held.steps[min(held.looks, len(held.steps) - 1)]
        held.looks += 1
        done = step["status"] == "completed"
        links, artifacts = {"self": f"/jobs/{held.job_id}"}, {}
        if done:
            for name, data in {**self.result, "output": self._zip()}.items():
                if name in {"document", "preview", "before", "text", "output"}:
                    artifacts[f"{name}_path"] = key = f"output/{USER}/{held.job_id}/{name}"
                    links[name] = f"{self.url}/store/{key}?signed=1"
                    self.objects.setdefault(key, self._sealed(held, data, key))
        view = {
            "job_id": held.job_id,
            "stage": None,
            "attempt": 1,
            "portal": "neet-2026",
            "slot": "photo",
            "portal_version": "1",
            "document_id": None,
            "quality_score": None,
            "warnings": [],
            "error": None,
            "metrics": None,
            "receipt": self._receipt() if done else None,
            "conforms": True if done else None,
            "artifacts": artifacts or None,
            "links": links,
            "encryption": held.key and {"kid": 1, "data_key": base64.b64encode(held.key.data_key).decode()},
            "queue_position": None,
            "expected_start_at": None,
            "created_at": "2026-01-01T00:00:00Z",
            "expires_at": None,
            "new_in_a_later_version": True,
            **step,
        }
        return Reply.of(view, ETag=f'"{held.looks}"', Retry_After=str(self.retry_after_s))

    def _receipt(self) -> dict[str, Any]:
        document = self.result["document"]
        return {
            "portal": "neet-2026",
            "slot": "photo",
            "version": "1",
            "conforms": True,
            "clauses": [
                {"clause": "bytes", "wanted": "10-200 KB", "measured": "12 KB", "verdict": "pass", "hard": True}
            ],
            "document": {
                "filename": "photo.jpg",
                "sha256": hashlib.sha256(document).hexdigest(),
                "bytes": len(document),
                "width_px": 10,
                "height_px": 20,
                "dpi": None,
                "format": "jpeg",
            },
            "operations": [],
            "padded_bytes": 0,
            "versions": {},
        }

    def _sealed(self, held: Held, data: bytes, key: str) -> bytes:
        if held.key is None:
            return data
        ours = held.key
        return seal(data, storage_key=key, data_key=ours.data_key, kid=ours.kid, wrapped_key=ours.wrapped_key)

    def _zip(self) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            archive.writestr("photo.jpg", self.result["document"])
            archive.writestr("receipt.json", "{}")
            if "text" in self.result:
                archive.writestr("text.txt", self.result["text"])
            for name, data in self.more_in_zip.items():
                archive.writestr(name, data)
        return made.getvalue()

    def _list(self, query: dict[str, str]) -> "Reply":
        ids = sorted(self.jobs)
        start, limit = int(query.get("cursor", "0")), int(query["limit"])
        base = {"attempt": 1, "portal": "p", "slot": None, "portal_version": "1", "quality_score": None}
        rest = {"conforms": None, "error_code": None, "created_at": "2026-01-01T00:00:00Z", "stage": None}
        items = [
            {"job_id": job_id, "status": query.get("status", "pending"), "links": {"self": "/"}, **base, **rest}
            for job_id in ids[start : start + limit]
        ]
        more = str(start + limit) if start + limit < len(ids) else None
        return Reply.of({"jobs": items, "next_cursor": more})

    # --- the store ---

    def _store(self, method: str, key: str, headers: dict[str, str], body: bytes) -> "Reply":
        assert "authorization" not in headers, "the token is not the store's"
        if method == "POST":
            name, content = _form(headers["content-type"], body)
            self.objects[name] = content
            return Reply(204)
        if method == "PUT":
            if key in self.objects:
                return Reply(412)
            self.objects[key] = body
            return Reply(200)
        return Reply(200, {}, self.objects[key]) if key in self.objects else Reply(404)


@dataclass(slots=True)
class Reply:
    """What goes back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of(cls, document: object, status: int = 200, **headers: str) -> Self:
        """A JSON answer."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, {"Content-Type": "application/json", **told}, json.dumps(document).encode())


def _form(content_type: str, body: bytes) -> tuple[str, bytes]:
    """The key and the file of an S3 form, whose file is the last part."""
    boundary = b"--" + content_type.partition("boundary=")[2].encode()
    parts = [part.partition(b"\r\n\r\n") for part in body.split(boundary)[1:-1]]
    assert b'name="file"' in parts[-1][0]
    key = next(value for head, _, value in parts if b'name="key"' in head)
    return key.strip().decode(), parts[-1][2].removesuffix(b"\r\n")


@contextmanager
def running_stub() -> Iterator[Stub]:
    """Serve a stub while the block runs."""
    stub = Stub()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            line = f"{self.command} {self.path}"
            stub.seen.append(Seen(line, headers, body))
            fault = next((fault for fault in stub.faults if line.startswith(fault.start)), None)
            if fault is not None:
                stub.faults.remove(fault)
            if fault is None or fault.after:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                reply = stub.answer(self.command, parts.path, query, headers, body)
            if fault is not None:
                reply = Reply(fault.status, dict(fault.headers), fault.body)
                if fault.drop:
                    self.close_connection = True
                    return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status not in {204, 304}:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815  http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    """A service; whoever repeats a call hardly waits."""
    monkeypatch.setattr("rythmiq.client.exchange.FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr("rythmiq.client.exchange.MOST_BACKOFF_S", 0.001)
    with running_stub() as stub:
        yield stub
