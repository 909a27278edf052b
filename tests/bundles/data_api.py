"""A stand-in for Supabase's Data API that answers at once, so that a function can answer from its bundle.

It keeps nothing and decides nothing: what the SQL functions do is tested against a real Postgres elsewhere. Run as a
program it prints its URL and serves until STDIN ends, so that its CPU is not that of what is measured.
"""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOW = "2026-01-01T00:00:00+00:00"

ANSWERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "upload_create": lambda given: {"outcome": "created", "upload": {name[2:]: value for name, value in given.items()}},
    "account_open": lambda _given: {"balance": 3, "reserved": 0, "entries": []},
    "job_get": lambda _given: None,
    "jobs_list": lambda _given: [],
    "jobs_tick": lambda _given: {"overdue": None, "dispatch": None, "purged": {}},
    "job_claim_settlement": lambda _given: {"outcome": "unknown", "claim": None, "job": None},
    "job_fail_attempt": lambda _given: {"outcome": "unknown", "work": {}},
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        """Answer one call."""
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.path.rpartition("/")[2]
        self.server.calls.append(name)  # type: ignore[attr-defined]  # set below
        body = json.dumps(ANSWERS[name](given)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_data_api() -> Iterator[tuple[str, list[str]]]:
    """Serve while the block runs; the URL, and the functions called so far."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    calls: list[str] = []
    server.calls = calls  # type: ignore[attr-defined]  # read above
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    with running_data_api() as (served, _):
        print(served, flush=True)  # noqa: T201  whoever started it reads this
        sys.stdin.read()
