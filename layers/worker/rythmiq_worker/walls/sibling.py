"""The parent's side of a walled process: started by exec with a constant environment, and never trusted.

It gets bytes and rules in nameless files in memory, is asked and answers in lines of JSON on two pipes, and is killed
when its answer is not one. It knows no secret of its parent's, and what it has cost is asked of the kernel. Which walls
a machine lacks is asked of one that is locked down and does nothing else.
"""

import contextlib
import fcntl
import os
import select
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn, Self

import rythmiq
from rythmiq_worker.walls.lockdown import INSTALLED, WALLS, Room, die_with_parent, lock_down

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        # What a picture leaves is kept for the next: a sixth fewer faults of the page than with a mapping each.
        "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864",
        "LANG": "C.UTF-8",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_THREAD_LIMIT": "1",  # Tesseract's own threads cost twice the CPU
        "OPENBLAS_NUM_THREADS": "1",  # a pool of BLAS threads costs 100 ms and is never used
        "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's official builds send events to their maker otherwise
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }
)
"""The whole environment of a walled process: constants, nothing of ours."""
MAX_LINE_BYTES: Final = 512 * 1024
_MAX_LINES: Final = 10_000
_READ_BYTES: Final = 64 * 1024
_START: Final = str(Path(__file__).with_name("__main__.py"))
_GRACE_S: Final = 5.0
_CPU_CLOCK: Final = 2  # CPUCLOCK_SCHED of linux/posix-timers.h: all threads of a process


@dataclass(frozen=True, slots=True)
class Program:
    """What a walled process runs.

    Attributes:
        module: has `main(arguments)`.
        paths: where modules are found beside ours and the installed packages; for tests.
    """

    module: str
    paths: tuple[str, ...] = ()


class SiblingError(Exception):
    """A walled process ended early, or sent what is no answer.

    Attributes:
        exit_code: negative for a signal; None for one that was killed for what it sent.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__("garbage" if exit_code is None else f"exit code {exit_code}")
        self.exit_code = exit_code


class Sibling:
    """A walled process that runs, and its two pipes; a context manager that ends it.

    Attributes:
        exit_code: negative for a signal; None while it has not been reaped.
        spent_s: of CPU, once it has been reaped.

    Args:
        program: what it runs.
        files: descriptors that it is given; it finds them under the same numbers.
        arguments: after the numbers of its two pipes and of its parent.
        max_line_bytes: of what it sends.

    Raises:
        OSError: it could not be started.
    """

    def __init__(
        self,
        program: Program,
        files: Sequence[int],
        arguments: Iterable[object] = (),
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
    ) -> None:
        self._max_line_bytes = max_line_bytes
        child_reads, self._to_child = os.pipe()
        self._from_child, child_writes = os.pipe()
        self._received = bytearray()
        self._lines_left = _MAX_LINES
        self.exit_code: int | None = None
        self.spent_s = 0.0
        given = (child_reads, child_writes, *files)
        try:
            for fd in given:
                os.set_inheritable(fd, True)  # noqa: FBT003  its only form; nothing else starts meanwhile
            self.pid = _spawn(program, given, (child_reads, child_writes, os.getpid(), *arguments))
        except BaseException:
            os.close(self._to_child)
            os.close(self._from_child)
            raise
        finally:
            for fd in files:
                os.set_inheritable(fd, False)  # noqa: FBT003  ditto
            os.close(child_reads)
            os.close(child_writes)

    def send(self, line: bytes) -> None:
        """Write one line; whether the process is gone shows when its answer is read."""
        rest = memoryview(line + b"\n")
        with contextlib.suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self._to_child, rest) :]

    def receive(self, deadline: float | None = None) -> bytes:
        """Read its next line, without the line's end.

        Args:
            deadline: of the monotonic clock; without one the wait has no end.

        Raises:
            SiblingError: there is none: it ended, or was killed because it sent too much.
            TimeoutError: the deadline came first, or it closed its pipe and does not exit.
        """
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > self._max_line_bytes:
                raise self.rejected()
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and (left_s <= 0 or not select.select([self._from_child], [], [], left_s)[0]):
                raise TimeoutError
            part = os.read(self._from_child, _READ_BYTES)
            if not part:
                self._see_it_exit(_GRACE_S if left_s is None else min(_GRACE_S, left_s))
                self.end()
                raise SiblingError(self.exit_code)
            self._received += part
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        self._lines_left -= 1
        if self._lines_left < 0:
            raise self.rejected()
        return line

    def _see_it_exit(self, timeout_s: float) -> None:
        """Wait for the exit of one that has closed its pipe.

        Raises:
            TimeoutError: it does not exit.
        """
        if not hasattr(os, "pidfd_open"):
            return
        process = os.pidfd_open(self.pid)
        try:
            if not select.select([process], [], [], max(0.0, timeout_s))[0]:
                raise TimeoutError
        finally:
            os.close(process)

    def rejected(self) -> SiblingError:
        """Kill it for what it sent; the error to raise."""
        self.end()
        return SiblingError(None)

    def cpu_s(self) -> float:
        """The CPU time that it has taken, as the kernel counts it; 0 once it has been reaped, or without a clock."""
        if self.exit_code is not None or sys.platform != "linux":
            return 0.0
        return time.clock_gettime((~self.pid << 3) | _CPU_CLOCK)

    def end(self) -> None:
        """Kill it, unless it has ended by itself, and reap it."""
        if self.exit_code is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        _, status, spent = os.wait4(self.pid, 0)
        self.spent_s = spent.ru_utime + spent.ru_stime
        self.exit_code = os.waitstatus_to_exitcode(status)
        os.close(self._to_child)
        os.close(self._from_child)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()


def _spawn(program: Program, files: Iterable[int], arguments: Iterable[object]) -> int:
    flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]
    paths = "\n".join([*code_paths(), *program.paths])
    nowhere = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    # What libraries print there is no line of a log, and may quote what they read.
    return os.posix_spawn(
        sys.executable,
        [sys.executable, *flags, _START, paths, ",".join(map(str, files)), program.module, *map(str, arguments)],
        ENVIRONMENT,
        file_actions=nowhere,
        setsid=True,
    )


def code_paths() -> list[str]:
    """Where our own packages and the installed ones lie; nothing else of our own path, such as where we stand."""
    ours = [str(Path(path).resolve().parent) for path in (*rythmiq.__path__, str(Path(__file__).parents[1]))]
    return list(dict.fromkeys([*ours, *(place for place in sys.path if Path(place).name in INSTALLED)]))


def anonymous_file(name: str) -> int:
    """A file in memory that is gone with its last descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"rythmiq-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    import tempfile  # noqa: PLC0415  Linux needs none

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def seal(fd: int) -> None:
    """Let nobody change an anonymous file any more."""
    if hasattr(fcntl, "F_ADD_SEALS"):
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Write bytes at the descriptor's place, however many calls it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def received_lines(fd: int) -> Iterator[bytes]:
    """The child's side: each line that its parent sends, without the line's end, until the parent closes the pipe."""
    with open(fd, "rb", closefd=False) as pipe:
        for line in pipe:
            yield line[:-1]


_PROBE: Final = Program("rythmiq_worker.walls.sibling")
_PROBE_TIMEOUT_S: Final = 10.0
_PROBE_CPU_S: Final = 5


def missing_walls() -> tuple[str, ...]:
    """Lock a process of its own down; return the names of the missing walls, in their order.

    Raises:
        OSError: the process could not be started, or did not answer.
    """
    with Sibling(_PROBE, ()) as process:
        try:
            reported = process.receive(time.monotonic() + _PROBE_TIMEOUT_S).decode("ascii", "replace").split(",")
        except (SiblingError, TimeoutError) as error:
            raise OSError("the walled process did not answer") from error
    return tuple(name for name in WALLS if name in reported)


def main(arguments: list[str]) -> NoReturn:
    """Be the process that is locked down and reports."""
    _, answers, parent = (int(text) for text in arguments)
    die_with_parent(parent)
    missing = lock_down(Room(_PROBE_CPU_S))
    write_all(answers, f"{','.join(missing)}\n".encode())
    os._exit(0)
