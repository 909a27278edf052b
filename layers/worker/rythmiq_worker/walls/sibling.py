"""The parent's side of a walled process: started by exec with a constant environment, and never trusted.

It gets bytes and rules in nameless files in memory, is asked and answers in lines of JSON on two pipes, and is killed
when its answer is not one. It knows no secret of its parent's, and what it has cost is asked of the kernel.
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
from typing import Final, Self

import rythmiq
from rythmiq_worker.walls.lockdown import INSTALLED

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
_START: Final = str(Path(__file__).with_name("start.py"))
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
    """A walled process broke off, or said what is no answer.

    Attributes:
        exit_code: negative for a signal; None for one that was ended for what it said.
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
        max_line_bytes: of what it says.

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
        told, self._telling = os.pipe()
        self._hearing, saying = os.pipe()
        self._said = bytearray()
        self._lines_left = _MAX_LINES
        self.exit_code: int | None = None
        self.spent_s = 0.0
        given = (told, saying, *files)
        try:
            for fd in given:
                os.set_inheritable(fd, True)  # noqa: FBT003  its only form; nothing else starts meanwhile
            self.pid = _spawn(program, given, (told, saying, os.getpid(), *arguments))
        except BaseException:
            os.close(self._telling)
            os.close(self._hearing)
            raise
        finally:
            for fd in files:
                os.set_inheritable(fd, False)  # noqa: FBT003  ditto
            os.close(told)
            os.close(saying)

    def tell(self, line: bytes) -> None:
        """Write one line; one that is gone is found out when it is heard."""
        rest = memoryview(line + b"\n")
        with contextlib.suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self._telling, rest) :]

    def hear(self, deadline: float | None = None) -> bytes:
        """The next line that it says, without its end.

        Args:
            deadline: of the monotonic clock; without one the wait has no end.

        Raises:
            SiblingError: there is none: it ended, or says too much; it is gone then.
            TimeoutError: the deadline came first, or it hung up and stays.
        """
        while (end := self._said.find(b"\n")) < 0:
            if len(self._said) > self._max_line_bytes:
                raise self.disbelieved()
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and (left_s <= 0 or not select.select([self._hearing], [], [], left_s)[0]):
                raise TimeoutError
            part = os.read(self._hearing, _READ_BYTES)
            if not part:
                self._see_it_exit(_GRACE_S if left_s is None else min(_GRACE_S, left_s))
                self.end()
                raise SiblingError(self.exit_code)
            self._said += part
        line = bytes(self._said[:end])
        del self._said[: end + 1]
        self._lines_left -= 1
        if self._lines_left < 0:
            raise self.disbelieved()
        return line

    def _see_it_exit(self, timeout_s: float) -> None:
        """Wait for the exit of one that has hung up.

        Raises:
            TimeoutError: it stays.
        """
        if not hasattr(os, "pidfd_open"):
            return
        process = os.pidfd_open(self.pid)
        try:
            if not select.select([process], [], [], max(0.0, timeout_s))[0]:
                raise TimeoutError
        finally:
            os.close(process)

    def disbelieved(self) -> SiblingError:
        """End it for what it said."""
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
        os.close(self._telling)
        os.close(self._hearing)

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


def nameless_file(name: str) -> int:
    """A file in memory that has no name, and is gone with its last descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"rythmiq-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    import tempfile  # noqa: PLC0415  Linux needs none

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def seal(fd: int) -> None:
    """Let nobody change a nameless file any more."""
    if hasattr(fcntl, "F_ADD_SEALS"):
        seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)


def write_all(fd: int, data: "bytes | memoryview") -> None:
    """Write bytes at the descriptor's place, however many calls it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def heard_lines(fd: int) -> Iterator[bytes]:
    """The child's side: each line that its parent tells, without its end; none when the parent is gone."""
    with open(fd, "rb", closefd=False) as pipe:
        for line in pipe:
            yield line[:-1]
