"""The local cloud's functions; here one of them in a process of its own, called by the platform's launcher protocol.

::

    with FunctionProcess(directory, "api", "uploads", environ) as function:
        result = function.invoke({"http": {...}}, timeout_s=10)

`directory` holds `__main__.py`: a function's source directory (`functions/api/uploads`), or an unpacked bundle. A
bundle is known by its `virtualenv` directory; it runs isolated from this interpreter's packages, on what it brings. The
command line shows `{package}/{function}`. The process sees `environ`, a PATH, HOME=/tmp and the platform's `__OW_*`
names, and nothing else. One call at a time; a call that fails leaves no usable process behind.

The errors::

    FunctionError
    ├── FunctionNotInitializedError   it ended, or stayed silent, before its code was imported
    ├── FunctionTimeoutError          a call took longer than it may; the process was killed
    └── FunctionCrashedError          it ended in mid-call, or answered something that is not a JSON object

Source: docs/digitalocean-functions.md; `function_launcher` is the other side.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Self

NAMESPACE = "fn-00000000-0000-4000-8000-000000000001"
VERSION = "0.0.1"
INIT_TIMEOUT_S = 10.0
MAX_RESULT_BYTES = 8 * 1024 * 1024
_LAUNCHER = Path(__file__).with_name("function_launcher.py")


class FunctionError(Exception):
    """A function did not answer."""


class FunctionNotInitializedError(FunctionError):
    """The function's code could not be imported."""


class FunctionTimeoutError(FunctionError):
    """The function took longer than it may."""


class FunctionCrashedError(FunctionError):
    """The function's process ended in mid-call, or answered something that is not a JSON object."""


class FunctionProcess:
    """A started function; after construction its code has been imported.

    Args:
        target: the directory that holds `__main__.py`.
        package: the package's name.
        function: the function's name.
        environ: the function's own environment.
        logs: where its STDOUT and STDERR go; by default to this process's STDERR.
        init_timeout_s: how long the import may take.
        api_host: the value of `__OW_API_HOST`.
        on_start: called with the process's id before its code is imported.

    Raises:
        FunctionNotInitializedError: it ended or stayed silent before its code was imported.
    """

    def __init__(  # noqa: PLR0913  a function and where it runs are this much
        self,
        target: Path,
        package: str,
        function: str,
        environ: Mapping[str, str],
        *,
        logs: int | IO[Any] | None = None,
        init_timeout_s: float = INIT_TIMEOUT_S,
        api_host: str = "https://127.0.0.1",
        on_start: Callable[[int], object] = lambda _pid: None,
    ) -> None:
        self.name = f"{package}/{function}"
        self.calls = 0
        flags = ["-I", "-S", "-B"] if (target / "virtualenv").is_dir() else []
        results, inherited = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603  this interpreter and our own launcher
                [sys.executable, *flags, str(_LAUNCHER), self.name, str(inherited)],
                stdin=subprocess.PIPE,
                stdout=sys.stderr.fileno() if logs is None else logs,
                stderr=None if logs is None else logs,
                pass_fds=[inherited],
                cwd=target,
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": "/tmp",  # noqa: S108  as on the platform
                    "LANG": "C.UTF-8",
                    **environ,
                    "__OW_API_HOST": api_host,
                    "__OW_NAMESPACE": NAMESPACE,
                },
                start_new_session=True,
            )
        except BaseException:
            os.close(results)
            raise
        finally:
            os.close(inherited)
        self._results = results
        if self._process.stdin is None:
            raise AssertionError("the pipe was asked for")
        self._calls = self._process.stdin.fileno()
        os.set_blocking(self._results, False)
        os.set_blocking(self._calls, False)
        on_start(self._process.pid)
        try:
            self._exchange(b"", init_timeout_s)
        except FunctionError as error:
            raise FunctionNotInitializedError(f"{self.name}: {error}") from None
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Of the process, which leads a session and group of its own."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def invoke(self, event: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Call the function once.

        Raises:
            FunctionTimeoutError: it took longer than `timeout_s`.
            FunctionCrashedError: its process ended, or answered something that is not a JSON object.
        """
        self.calls += 1
        call = {
            "value": event,
            "activation_id": uuid.uuid4().hex,
            "action_name": f"/{NAMESPACE}/{self.name}",
            "action_version": VERSION,
            "namespace": NAMESPACE,
            "deadline": str(int((time.time() + timeout_s) * 1000)),
            "transaction_id": str(event.get("http", {}).get("headers", {}).get("x-request-id", uuid.uuid4().hex)),
            "api_key": "",
        }
        return self._exchange(json.dumps(call).encode() + b"\n", timeout_s)

    def pause(self) -> None:
        """Stop the process, as the platform does between calls."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def abort(self) -> None:
        """End the process while another thread is calling it; that call fails, and cleans up."""
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """End the process now."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _close(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            os.close(self._results)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _exchange(self, line: bytes, timeout_s: float) -> dict[str, Any]:
        """Send one line and read one; when that fails the process is killed."""
        try:
            result = json.loads(self._send_and_read(line, timeout_s))
            if not isinstance(result, dict):
                raise FunctionCrashedError("the answer is not a JSON object")
        except BrokenPipeError:
            self.kill()
            raise FunctionCrashedError("the process ended without an answer") from None
        except ValueError:
            self.kill()
            raise FunctionCrashedError("the answer is not JSON") from None
        except FunctionError:
            self.kill()
            raise
        return result

    def _send_and_read(self, line: bytes, timeout_s: float) -> bytes:
        """Neither writing nor reading may block for longer than the call may take."""
        ends_at = time.monotonic() + timeout_s
        answer, unsent = bytearray(), memoryview(line)
        poll = select.poll()
        poll.register(self._results, select.POLLIN)
        if unsent:
            poll.register(self._calls, select.POLLOUT)
        while not answer.endswith(b"\n"):
            ready = dict(poll.poll(max(0.0, ends_at - time.monotonic()) * 1000))
            if not ready:
                raise FunctionTimeoutError(f"no answer within {timeout_s:g} s")
            if self._calls in ready:
                unsent = unsent[os.write(self._calls, unsent[:65_536]) :]
                if not unsent:
                    poll.unregister(self._calls)
            if self._results in ready:
                chunk = os.read(self._results, 1 << 20)
                answer += chunk
                if not chunk or len(answer) > MAX_RESULT_BYTES:
                    raise FunctionCrashedError("the process ended without an answer")
        return bytes(answer)
