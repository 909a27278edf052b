"""Runs the worker process: in a session of its own, watched to its end, with no process left behind.

One selector in one thread waits for the worker's STDOUT, STDERR, exit, the deadline and a signal to the launcher. What
the worker may know of the environment is a list of names; it gets the payload on STDIN and nowhere else. On Linux the
launcher adopts whatever the worker's processes leave behind, also out of the worker's session, and kills it; the worker
dies with the launcher; and it is the worker, not the launcher, that the kernel ends first when memory runs out.

Source: docs/specification/worker.md, docs/specification/executors.md.
"""

import contextlib
import ctypes
import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from rythmiq.contracts.result import MAX_STDOUT_BYTES
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.walls.lockdown import die_with_parent, hide

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TerminatedError(Exception):
    """A call that is not worth finishing was given up because of a signal."""


class Termination:
    """Whether this process was asked to terminate.

    Attributes:
        received: whether a signal has come.
    """

    def __init__(self) -> None:
        self.received = False
        self._at_s = 0.0
        self._abandons = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def install(self) -> None:
        """Take the signals from now on, also when whoever started us had blocked them."""
        for number in SIGNALS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def fileno(self) -> int:
        """Readable once a signal has come; a selector may wait for it."""
        return self._reader

    def since_s(self) -> float:
        """Return the seconds since the first signal; 0 before one."""
        return time.monotonic() - self._at_s if self.received else 0.0

    def wait(self, timeout_s: float) -> bool:
        """Pause, and end the pause when a signal comes; whether one has come, now or before."""
        if self.received:
            time.sleep(timeout_s)
        else:
            select.select([self._reader], [], [], timeout_s)
        return self.received

    @contextlib.contextmanager
    def abandons(self) -> Iterator[None]:
        """Within this context a signal raises TerminatedError wherever the program is."""
        if self.received:
            raise TerminatedError
        self._abandons = True
        try:
            yield
        finally:
            self._abandons = False

    def _note(self, _number: int, _frame: object) -> None:
        if not self.received:
            self.received, self._at_s = True, time.monotonic()
            with contextlib.suppress(BlockingIOError):
                os.write(self._writer, b"\0")
        if self._abandons:
            self._abandons = False
            raise TerminatedError


WORKER = (sys.executable, "-m", "rythmiq_worker")
# How to start Python, and to find its libraries and Tesseract's data.
_PYTHON_ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "TESSDATA_PREFIX",
    "TMPDIR",
    "TZ",
)
WORKER_ENVIRONMENT = (*_PYTHON_ENVIRONMENT, *WorkerSettings.variables().values())
"""Every name that the worker may see. No KEK, no webhook secret, no API key is among them (tested)."""

_FIXED_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
_PR_SET_CHILD_SUBREAPER = 36
_OOM_SCORE = "500"
_READ_BYTES = 64 * 1024
_MOST_LEFT_READS = 64
_TICK_S = 0.05
_REAP_S = 5.0

EndedBy = Literal["itself", "deadline", "terminated", "flood", "start"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How the worker ended.

    Attributes:
        by: `itself`; or we ended it, for the `deadline`, for a signal to us (`terminated`), or because it printed more
            than it may (`flood`); or it never began (`start`).
        exit_code: of the process, negative for a signal.
        stdout: at most a little more than 64 KiB.
    """

    by: EndedBy
    exit_code: int
    stdout: bytes


def harden() -> None:
    """Hide the launcher from the worker, which runs as the same user, and let it adopt the worker's orphans."""
    hide()  # before anything is read: the dispatch keys are in our environment
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_worker(  # noqa: PLR0913  a run has this many terms
    payload: bytes,
    *,
    environ: Mapping[str, str],
    timeout_s: float,
    grace_s: float,
    termination: Termination,
    on_stderr: Callable[[bytes], object],
    command: Sequence[str] = WORKER,
) -> Ended:
    """Run one worker on one payload; when this returns, none of its processes is left.

    Args:
        payload: what it reads on STDIN.
        environ: ours, to choose the worker's few variables from.
        timeout_s: from its start.
        grace_s: between SIGTERM and SIGKILL.
        termination: ends the run early.
        on_stderr: takes what the worker writes to STDERR, as it comes.
        command: another program is for tests.
    """
    launcher = os.getpid()
    deadline = time.monotonic() + timeout_s
    try:
        child = subprocess.Popen(  # noqa: S603  our own module, by name
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=worker_environment(environ),
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(launcher),  # noqa: PLW1509  we have no thread yet
        )
    except OSError:
        return Ended("start", 0, b"")
    _prefer_as_victim(child.pid)
    watch = _Watch(child, payload, termination, on_stderr)
    try:
        by = watch.until(deadline)
        if by != "itself":
            _signal_group(child.pid, signal.SIGTERM)
            watch.until(time.monotonic() + grace_s, only_its_exit=True)
    finally:
        _signal_group(child.pid, signal.SIGKILL)  # before it is reaped: its number cannot have passed to another
        exit_code = child.wait()
        _kill_what_is_left()
        watch.drain()
        watch.close()
    return Ended(by, exit_code, bytes(watch.stdout))


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The few variables that the worker may see."""
    return {**{name: environ[name] for name in WORKER_ENVIRONMENT if name in environ}, **_FIXED_ENVIRONMENT}


class _Watch:
    """The pipes of one worker, and what has come through them."""

    def __init__(
        self,
        child: "subprocess.Popen[bytes]",
        payload: bytes,
        termination: Termination,
        on_stderr: Callable[[bytes], object],
    ) -> None:
        if child.stdin is None or child.stdout is None or child.stderr is None:
            raise AssertionError("all three are pipes")
        self.stdout = bytearray()
        self._child = child
        self._termination = termination
        self._on_stderr = on_stderr
        self._rest = memoryview(payload)
        self._stdin, self._out, self._err = child.stdin, child.stdout, child.stderr
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdin, self._out, self._err):
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(self._stdin, selectors.EVENT_WRITE, self._write)
        self._selector.register(self._out, selectors.EVENT_READ, self._read_stdout)
        self._selector.register(self._err, selectors.EVENT_READ, self._read_stderr)
        self._selector.register(termination, selectors.EVENT_READ, lambda: None)
        self._exit_fd = _exit_fd(child.pid)
        if self._exit_fd is not None:
            self._selector.register(self._exit_fd, selectors.EVENT_READ, lambda: None)

    def until(self, deadline: float, *, only_its_exit: bool = False) -> EndedBy:
        """Serve the pipes until the worker exits or has to be stopped; return which."""
        while True:
            if _has_exited(self._child.pid):
                return "itself"
            if not only_its_exit and self._termination.received:
                return "terminated"
            if not only_its_exit and len(self.stdout) > MAX_STDOUT_BYTES:
                return "flood"
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return "deadline"
            if only_its_exit and self._termination.received:
                self._forget(self._termination)  # it stays readable, and would keep the loop awake
            for key, _ in self._selector.select(left_s if self._exit_fd is not None else min(left_s, _TICK_S)):
                key.data()

    def drain(self) -> None:
        """Take what is still in the pipes of a worker that is gone; a pipe holds little."""
        for pipe, read in ((self._out, self._read_stdout), (self._err, self._read_stderr)):
            for _ in range(_MOST_LEFT_READS):
                if not read():
                    break
            self._forget(pipe)

    def close(self) -> None:
        """Close the descriptors."""
        self._selector.close()
        for pipe in (self._stdin, self._out, self._err):
            with contextlib.suppress(OSError):
                pipe.close()
        if self._exit_fd is not None:
            os.close(self._exit_fd)

    def _write(self) -> None:
        try:
            self._rest = self._rest[os.write(self._stdin.fileno(), self._rest[:_READ_BYTES]) :]
        except BlockingIOError:
            return
        except OSError:
            self._rest = self._rest[:0]  # it does not want the rest
        if not self._rest:
            self._forget(self._stdin)
            with contextlib.suppress(OSError):
                self._stdin.close()

    def _read_stdout(self) -> bool:
        part = self._read(self._out)
        if len(self.stdout) <= MAX_STDOUT_BYTES:
            self.stdout += part
        return bool(part)

    def _read_stderr(self) -> bool:
        part = self._read(self._err)
        if part:
            self._on_stderr(part)
        return bool(part)

    def _read(self, pipe: IO[bytes]) -> bytes:
        try:
            part = os.read(pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return b""
        if not part:
            self._forget(pipe)
        return part

    def _forget(self, what: "FileDescriptorLike") -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(what)


def _exit_fd(pid: int) -> int | None:
    """A descriptor that is readable once the process has exited; None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _has_exited(pid: int) -> bool:
    """Whether our child has exited; it is left to be reaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _prefer_as_victim(pid: int) -> None:
    """Have the kernel end the worker first when memory runs out, so that somebody is left to report it."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _kill_what_is_left() -> None:
    """Kill and reap every process that the worker's left to us, and what those leave, for a bounded time."""
    ends_at = time.monotonic() + _REAP_S
    while time.monotonic() < ends_at:
        left = [pid for pid in _children() if pid != os.getpid()]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            _reap(pid, ends_at)


def _reap(pid: int, ends_at: float) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0) and time.monotonic() < ends_at:
            time.sleep(0.001)  # it has been killed: this is the kernel's own delay


def _children() -> list[int]:
    """The processes whose parent we are; none can be listed where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The command's name stands in parentheses and may hold anything: what follows the last one is fields.
            parent = int(entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.append(int(entry.parent.name))
    return found
