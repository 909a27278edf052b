"""The local executor: takes orders over HTTP on loopback and starts `rythmiq-launch` for each, as Camber does.

A process of its own. Submit answers at once with a number; there is no promise about repeated orders, by default no
cancel, and no webhook but the launcher's own.

    POST /jobs {"user_id","job_id","attempt"}      201 {"id": "25001"}
    GET /jobs/{id}                                 {"id","job_id","attempt","status",...} | 404
    GET /jobs?job_id=&attempt=                     {"jobs": [...]}, oldest first
    GET /jobs/{id}/logs?tail=100                   text
    DELETE /jobs/{id}                              202 | 405 unless started with --cancel

`python -m rythmiq_cli.local.executor --port 0 --data-dir DIR` prints one JSON line `{"url": ...}` when it is ready. A
launcher gets the worker's variables, ENCRYPTION_KEYS and JOB_TIMEOUT_S, and nothing else of the environment.

Source: docs/specification/executors.md, docs/specification/commands.md.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from rythmiq.contracts.payload import Uuid4
from rythmiq.contracts.webhook import Attempt
from rythmiq.ports.executor import Order
from rythmiq_cli.local.executor.engine import Engine, Manner
from rythmiq_cli.local.executor.faults import FaultPlan
from rythmiq_cli.local.executor.processes import PROGRAM

MAX_BODY_BYTES = 4 * 1024
_JOB = re.compile(r"/jobs/(?P<id>[0-9]{1,12})(?P<logs>/logs)?")


class OrderBody(BaseModel):
    """What POST /jobs takes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    user_id: Uuid4
    job_id: Uuid4
    attempt: Attempt


class Server(ThreadingHTTPServer):
    """HTTP on loopback in front of an engine.

    Args:
        port: 0 picks a free one.
        engine: behind it.
        cancel: whether DELETE stops an order.
    """

    daemon_threads = True

    def __init__(self, port: int, engine: Engine, *, cancel: bool) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.engine = engine
        self.cancel = cancel

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        """Take an order."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES or urlsplit(self.path).path != "/jobs":
            self.close_connection = True
            self._say(HTTPStatus.NOT_FOUND if length.isdigit() else HTTPStatus.LENGTH_REQUIRED)
            return
        try:
            body = OrderBody.model_validate_json(self.rfile.read(int(length)))
        except ValidationError:
            self._say(HTTPStatus.BAD_REQUEST, {"message": "not an order"})
            return
        self._take(Order(body.user_id, body.job_id, body.attempt))

    def _take(self, order: Order) -> None:
        engine = self.server.engine
        fault = engine.fault_of(order)
        if fault.reject:
            self._say(HTTPStatus.UNPROCESSABLE_ENTITY, {"message": "rejected by plan"})
            return
        if fault.drop_order:
            self.close_connection = True
            return
        entry = engine.submit(order)
        if fault.late_reply:
            engine.wait_for_end(entry.id)
        if fault.drop_reply:
            self.close_connection = True
            return
        self._say(HTTPStatus.CREATED, {"id": entry.id})

    def do_GET(self) -> None:
        """Tell about orders."""
        target = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        engine = self.server.engine
        if target.path == "/jobs":
            attempt = query.get("attempt", "")
            entries = engine.listed(query.get("job_id"), int(attempt) if attempt.isdecimal() else None)
            self._say(HTTPStatus.OK, {"jobs": [entry.public() for entry in entries]})
            return
        match = _JOB.fullmatch(target.path)
        entry = engine.get(match["id"]) if match else None
        if match is None or entry is None:
            self._say(HTTPStatus.NOT_FOUND)
        elif match["logs"]:
            lines = query.get("tail", "100")
            self._say(HTTPStatus.OK, engine.log_of(entry.id, int(lines) if lines.isdecimal() else 0))
        else:
            self._say(HTTPStatus.OK, entry.public())

    def do_DELETE(self) -> None:
        """Stop an order, if this executor does that."""
        match = _JOB.fullmatch(urlsplit(self.path).path)
        if not self.server.cancel:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED)
        elif match is None or match["logs"] or self.server.engine.get(match["id"]) is None:
            self._say(HTTPStatus.NOT_FOUND)
        else:
            stopped = self.server.engine.cancel(match["id"])
            self._say(HTTPStatus.ACCEPTED if stopped else HTTPStatus.CONFLICT)

    def _say(self, status: HTTPStatus, content: object = None) -> None:
        is_text = isinstance(content, str)
        body = (
            content.encode() if isinstance(content, str) else json.dumps(content or {"message": status.phrase}).encode()
        )
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8" if is_text else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's own name
        """Keep the terminal for the person."""


def main() -> int:
    """Serve until SIGTERM or SIGINT, then end everything that was started."""
    parser = argparse.ArgumentParser(prog="rythmiq-executor", description="Starts launchers on this machine.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--data-dir", type=Path, required=True, help="orders and logs are kept there over restarts")
    parser.add_argument("--slots", type=int, default=4, help="launchers at once; 0 starts none")
    parser.add_argument("--pending-s", type=float, default=0.0, help="how long an order waits at least")
    parser.add_argument("--provisioning-s", type=float, default=0.0, help="how long a start takes at least")
    parser.add_argument("--grace-s", type=float, default=10.0, help="what a launcher is given to report at the end")
    parser.add_argument("--cancel", action="store_true", help="let DELETE stop an order")
    parser.add_argument("--faults", type=Path, help="a fault plan, for tests")
    parser.add_argument("--program", nargs="+", default=PROGRAM, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.data_dir.mkdir(parents=True, exist_ok=True)
    manner = Manner(
        arguments.slots, arguments.pending_s, arguments.provisioning_s, arguments.grace_s, arguments.program
    )
    engine = Engine(arguments.data_dir, os.environ, manner, FaultPlan(arguments.faults))
    signal.signal(signal.SIGTERM, lambda *_: engine.stop())
    signal.signal(signal.SIGINT, lambda *_: engine.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    with Server(arguments.port, engine, cancel=arguments.cancel) as server:
        thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
        thread.start()
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"url": server.url}), flush=True)
        engine.run()
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
