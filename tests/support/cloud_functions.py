"""Small functions behind the local gateway, for the tests of how the platform runs them."""

import subprocess
import textwrap
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from rythmiq_cli.local.functions.gateway import GatewayServer
from rythmiq_cli.local.functions.pool import Function, FunctionPool
from rythmiq_cli.local.tether import Tether
from tests.support import loopback

ECHO = """
    import os, sys, time
    calls = 0

    def main(event, context=None):
        global calls
        calls += 1
        http = event.get("http", {})
        if "sleep" in http.get("queryString", ""):
            time.sleep(30)
        return {"body": {
            "event": event, "calls": calls, "pid": os.getpid(), "module": __name__, "argv": sys.argv,
            "cwd": os.getcwd(), "environ": dict(os.environ), "path": sys.path,
            "context": [context.function_name, context.request_id, context.deadline],
            "left_ms": context.get_remaining_time_in_millis(),
        }}
"""


def write_function(directory: Path, source: str) -> Path:
    """Write a function; its directory."""
    directory.mkdir()
    (directory / "__main__.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return directory


def returning(result: str) -> str:
    """The source of a function that always returns this."""
    return f"def main(event):\n    return {result}\n"


def within(seconds: float, holds: Callable[[], Any]) -> Any:
    """Wait for a condition; its value."""
    ends_at = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < ends_at, "it did not come true in time"
        time.sleep(0.02)
    return value


class Server:
    """A gateway before one function, `api/echo`, and a client on it."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self.tether = stack.enter_context(Tether())
        self.events: list[dict[str, Any]] = []

    def __call__(self, source: str = ECHO, *, timeout_s: float = 10.0) -> httpx.Client:
        """Serve this function until the test ends."""
        target = write_function(self._directory / "echo", source)
        function = Function("api", "echo", target, {"GREETING": "hello"}, timeout_s)
        self.pool = FunctionPool(function, self.tether, logs=subprocess.DEVNULL)
        self.gateway = GatewayServer(log=lambda event: self.events.append(dict(event)))
        self._stack.callback(self.gateway.close)
        self.gateway.serve([self.pool])
        return self._stack.enter_context(loopback.Client(base_url=self.gateway.url, timeout=30))


def process_state(pid: int) -> str:
    """The kernel's letter for what a process does; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
