"""A webhook's other end: real HTTP on loopback, which answers as a test says and remembers what it was told."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATH = "/internal/webhooks/camber"
PROGRESS_PATH = "/internal/webhooks/progress"


@dataclass(frozen=True, slots=True)
class Told:
    """One POST."""

    path: str
    secret: str
    body: dict[str, Any]


@dataclass(slots=True)
class Receiver:
    """What it answers, and what it was told.

    Attributes:
        answers: a status a webhook, or a status and headers; the last one from then on. None never answers.
        progress: the same for every report of progress.
        told: webhooks in order.
        stages: the stages of reports of progress in order.
        on_webhook: called before each answer to a webhook.
    """

    url: str
    answers: list[int | tuple[int, dict[str, str]] | None] = field(default_factory=lambda: [200])
    progress: int | None = 200
    told: list[Told] = field(default_factory=list)
    reported: list[Told] = field(default_factory=list)
    on_webhook: Callable[[], object] = lambda: None
    heard: threading.Condition = field(default_factory=threading.Condition)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def stages(self) -> list[str]:
        """What was reported."""
        return [told.body["stage"] for told in self.reported]

    def wait_for(self, count: int, timeout_s: float = 60.0) -> None:
        """Return once there were so many webhooks."""
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.told) >= count, timeout_s)


@contextlib.contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Listen on a free port of 127.0.0.1 while the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler())
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}{PATH}")
    vars(server)["receiver"] = receiver
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="webhooks")
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler() -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            receiver: Receiver = vars(self.server)["receiver"]
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told = Told(self.path, self.headers["X-Webhook-Secret"], body)
            if self.path == PROGRESS_PATH:
                receiver.reported.append(told)
                answer: int | tuple[int, dict[str, str]] | None = receiver.progress
            else:
                receiver.on_webhook()
                answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                with receiver.heard:
                    receiver.told.append(told)
                    receiver.heard.notify_all()
            if answer is None:
                receiver.closing.wait(60)
                self.close_connection = True
                return
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's own name
            """Keep the terminal for the person."""

    return Handler
