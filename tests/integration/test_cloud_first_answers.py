"""The local cloud is ready when every function has answered, and says why when one does not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rythmiq_cli.local import CloudError
from rythmiq_cli.local.functions.pool import first_answers
from rythmiq_cli.operator.env_check import FUNCTIONS

VALUES = {"METRICS_TOKEN": "token"}


@contextmanager
def gateway(answers: dict[str, list[tuple[int, str]]]) -> Iterator[tuple[str, list[str]]]:
    """A gateway that gives these answers in turn, and 404 afterwards; its address, and the paths it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            queue = answers.get(self.path, [])
            status, body = queue.pop(0) if queue else (404, "{}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server's own name
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_every_function_is_asked_once_and_any_answer_of_its_own_will_do() -> None:
    with gateway({"/api/jobs": [(401, "{}")], "/api/uploads": [(405, "{}")]}) as (url, asked):
        first_answers(url, VALUES)
    assert sorted(asked) == sorted(f"/{path}" for path in FUNCTIONS)


def test_one_that_is_slow_or_busy_is_asked_again() -> None:
    slow = [(504, '{"error": "too slow"}')] * 4 + [(503, '{"code": "UNAVAILABLE"}')]
    with gateway({"/api/jobs": slow}) as (url, asked):
        first_answers(url, VALUES)
    assert asked.count("/api/jobs") == 6


def test_one_that_is_not_configured_is_told_at_once() -> None:
    said = '{"code": "NOT_CONFIGURED", "detail": "Tell the operator."}'
    with gateway({"/api/jobs": [(503, said)] * 9}) as (url, asked), pytest.raises(CloudError, match="not configured"):
        first_answers(url, VALUES)
    assert asked.count("/api/jobs") == 1


def test_one_that_crashes_each_time_is_given_up() -> None:
    said = '{"error": "The function did not initialize properly."}'
    with gateway({"/api/app": [(502, said)] * 9}) as (url, asked), pytest.raises(CloudError, match="api/app: The func"):
        first_answers(url, VALUES)
    assert asked.count("/api/app") == 3
