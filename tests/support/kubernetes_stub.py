"""A Kubernetes API server as far as the executor goes: Jobs and their pods' logs in one namespace.

A Job is validated against the published schema, strictly, as the real server does. Tokens are told apart: the right
one, one without rights (403), any other (401). Answers to trouble are the real server's `Status` objects.

Source: the Kubernetes API reference (batch/v1 Job, meta/v1 Status and DeleteOptions); `kubernetes-validate`'s schemas.
"""

import contextlib
import json
import re
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate

from tests.support.fake_runs import FakeRun, FakeRuns

TOKEN, POWERLESS_TOKEN, NAMESPACE = "the-token", "a-token-without-rights", "rythmiq"
VERSIONS = ("1.30", "1.37")
_JOBS = re.compile(rf"/apis/batch/v1/namespaces/({NAMESPACE})/jobs(?:/([a-z0-9-]+))?")
_PODS = re.compile(rf"/api/v1/namespaces/({NAMESPACE})/pods(?:/([a-z0-9-]+)/log)?")
_AT = "2026-11-23T12:00:00Z"

Plan = Literal["answer", "drop", "accept_then_drop", "unavailable", "too_many", "html_502", "denied"]

Answer = tuple[int, Any]


@dataclass
class StubJob:
    """A Job, and the one pod that it has."""

    manifest: Mapping[str, Any]
    run: FakeRun
    condition: dict[str, Any] | None = None
    deleting: bool = False

    @property
    def labels(self) -> Mapping[str, str]:
        """Of its pod."""
        labels: Mapping[str, str] = self.manifest["spec"]["template"]["metadata"]["labels"]
        return labels

    def shown(self) -> dict[str, Any]:
        """As the server shows it."""
        status: dict[str, Any] = {"startTime": _AT}
        if self.condition is not None:
            status |= {"failed": 1, "conditions": [self.condition]}
        elif self.run.state == "ended":
            kind = "Complete" if self.run.told == 0 else "Failed"
            reason = {} if self.run.told == 0 else {"reason": "BackoffLimitExceeded"}
            status["conditions"] = [{"type": kind, "status": "True", **reason}]
            status["succeeded" if self.run.told == 0 else "failed"] = 1
        else:
            status |= {"active": 1, "ready": int(self.run.state == "running")}
        metadata = {**self.manifest["metadata"], "uid": "0", "creationTimestamp": _AT}
        if self.deleting:
            metadata["deletionTimestamp"] = _AT
        return {**self.manifest, "metadata": metadata, "status": status}


@dataclass
class KubernetesStub:
    """The server.

    Attributes:
        runs: what its pods run.
        plan: what becomes of the next requests, in turn; after these all are answered.
        requests: method and target of every request.
        validates: whether Jobs are held against the schemas, which takes a third of a second each.
    """

    runs: FakeRuns = field(default_factory=FakeRuns)
    plan: deque[Plan] = field(default_factory=deque)
    requests: list[tuple[str, str]] = field(default_factory=list)
    jobs: dict[str, StubJob] = field(default_factory=dict)
    namespace_exists: bool = True
    validates: bool = True

    # --- what the cluster does by itself ------------------------------------------------------------------------------

    def pass_deadline(self, name: str) -> None:
        """End a Job that has had its `activeDeadlineSeconds`."""
        job = self.jobs[name]
        self.runs.cancel(job.run)
        job.condition = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}

    def pass_ttl(self, name: str) -> None:
        """Sweep a Job that ended long ago."""
        del self.jobs[name]

    def collect(self) -> None:
        """Remove what is being deleted: its pods have ended."""
        for name in [name for name, job in self.jobs.items() if job.deleting]:
            del self.jobs[name]

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, token: str | None, body: bytes) -> Answer | None:
        """Status and document, or a log's text; None cuts the connection."""
        self.requests.append((method, target))
        plan = self.plan.popleft() if self.plan else "answer"
        if plan in _TROUBLE:
            return _TROUBLE[plan]
        if plan == "drop":
            return None
        if token not in {TOKEN, POWERLESS_TOKEN}:
            return _status(401, "Unauthorized")
        if token == POWERLESS_TOKEN:
            return _status(403, "Forbidden")
        with self.runs.lock:
            answer = self._route(method, target, body)
        return None if plan == "accept_then_drop" else answer

    def _route(self, method: str, target: str, body: bytes) -> Answer:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if (on_jobs := _JOBS.fullmatch(url.path)) is not None:
            name = on_jobs[2]
            if method == "POST" and name is None:
                return self._create(json.loads(body))
            if name not in self.jobs:
                return _status(404, "NotFound", f'jobs.batch "{name}" not found')
            return self._delete(name, json.loads(body)) if method == "DELETE" else (200, self.jobs[name].shown())
        if (on_pods := _PODS.fullmatch(url.path)) is not None and method == "GET":
            return self._log(on_pods[2], query) if on_pods[2] else self._pods(query["labelSelector"])
        return 404, "404 page not found"

    def _create(self, manifest: dict[str, Any]) -> Answer:
        name = manifest["metadata"]["name"]
        if not self.namespace_exists:
            return _status(404, "NotFound", f'namespaces "{NAMESPACE}" not found')
        for version in VERSIONS if self.validates else ():
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                return _status(422, "Invalid", str(error))
        if name in self.jobs:
            return _status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        self.jobs[name] = StubJob(manifest, self.runs.add(tuple(container["args"])))
        return 201, self.jobs[name].shown()

    def _delete(self, name: str, options: Mapping[str, Any]) -> Answer:
        job = self.jobs[name]
        self.runs.cancel(job.run)
        job.deleting = True
        if options.get("propagationPolicy") != "Foreground":
            del self.jobs[name]
        return 200, job.shown()

    def _pods(self, selector: str) -> Answer:
        wanted = dict(pair.split("=") for pair in selector.split(","))
        items = [
            {"metadata": {"name": f"{name}-abcde"}}
            for name, job in self.jobs.items()
            if wanted.items() <= job.labels.items()
        ]
        return 200, {"kind": "PodList", "apiVersion": "v1", "items": items}

    def _log(self, pod: str, query: Mapping[str, str]) -> Answer:
        job = self.jobs.get(pod.removesuffix("-abcde"))
        if job is None:
            return _status(404, "NotFound")
        if job.run.state == "waiting":
            return _status(400, "BadRequest", 'container "worker" in pod is waiting to start: ContainerCreating')
        lines = job.run.log.splitlines(keepends=True)
        return 200, "".join(lines[-int(query["tailLines"]) :])

    # --- the socket ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def serve(self, context: ssl.SSLContext | None = None) -> Iterator[str]:
        """Listen; `KUBERNETES_API_URL`."""
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                bearer, _, token = (self.headers.get("authorization") or "").partition(" ")
                answer = stub.answer(self.command, self.path, token if bearer == "Bearer" else None, body)
                if answer is None:
                    self.close_connection = True
                    return
                status, document = answer
                content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _any  # noqa: N815  the library's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that does not trust us hangs up; that is its right."""

        with Server(("127.0.0.1", 0), Handler) as server:
            if context is not None:
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def _status(code: int, reason: str, message: str = "") -> Answer:
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}
    return code, {**document, "reason": reason, "message": message}


_TROUBLE: Mapping[str, Answer] = {
    "unavailable": _status(503, "ServiceUnavailable"),
    "too_many": _status(429, "TooManyRequests"),
    "denied": _status(
        422,
        "Invalid",
        "jobs.batch is forbidden: ValidatingAdmissionPolicy 'rythmiq-jobs' with binding 'rythmiq-jobs' denied request",
    ),
    "html_502": (502, "<html>Bad Gateway</html>"),
}
