"""Launchers as processes: detached from the executor, and re-identified after it was killed.

A launcher's output goes to a file and not to a pipe, so that it survives the executor.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rythmiq.ports import Order
from rythmiq.settings.worker import LauncherSettings
from rythmiq_cli.local.executor import Process
from rythmiq_worker.launcher.process import WORKER_ENVIRONMENT

PROGRAM = (sys.executable, str(Path(sys.executable).with_name("rythmiq-launch")))
ENVIRONMENT = frozenset({*WORKER_ENVIRONMENT, *LauncherSettings.variables().values()})
"""All that a launcher learns of the executor's environment."""

_PROC = Path("/proc")
_TAIL_BYTES = 64 * 1024
_DEAD = frozenset("ZX")


def start(
    order: Order, *, program: Sequence[str], environ: Mapping[str, str], directory: Path, log: Path
) -> "subprocess.Popen[bytes]":
    """Start one launcher in a session of its own.

    Args:
        order: what it is to run.
        program: its command line up to the order.
        environ: ours, to choose the few variables from.
        directory: its working directory, and where it makes temporary files.
        log: takes what it prints.
    """
    chosen = {name: value for name, value in environ.items() if name in ENVIRONMENT}
    log.touch(mode=0o600)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603  our own program
            [*program, order.user_id, order.job_id, str(order.attempt)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**chosen, "TMPDIR": str(directory)},
            cwd=directory,
            start_new_session=True,
        )


def identified(pid: int) -> Process:
    """Identify a process by PID, start time and boot."""
    stat = _stat(pid)
    return Process(pid, int(stat[19]) if stat else 0, _boot())


def is_running(process: Process) -> bool:
    """Whether that very process still runs; a PID that was reused by another does not count."""
    if not _PROC.is_dir():
        with contextlib.suppress(OSError):
            os.kill(process.pid, 0)
            return True
        return False
    stat = _stat(process.pid)
    return bool(stat) and stat[0] not in _DEAD and identified(process.pid) == process


def found(order: Order) -> Iterator[Process]:
    """The running launchers of an order, whichever executor started them."""
    wanted = [order.user_id.encode(), order.job_id.encode(), str(order.attempt).encode()]
    for file in _PROC.glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if file.read_bytes().rstrip(b"\0").split(b"\0")[-3:] == wanted:
                yield identified(int(file.parent.name))


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    numbers = [int(entry.name) for entry in _PROC.glob("[0-9]*")]
    return [number for number in numbers if (stat := _stat(number)) and int(stat[1]) == pid]


def end(process: Process, number: signal.Signals) -> None:
    """Send a signal to a launcher; SIGKILL goes to its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)


def exit_code_of(log: Path) -> int | None:
    """The exit code that a launcher logged at its end; None when it did not get that far."""
    for line in reversed(tail(log, 5).splitlines()):
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and event.get("event") == "exit":
                return int(event["exit_code"])
    return None


def tail(log: Path, lines: int) -> str:
    """The last lines of a log."""
    if lines < 1:
        return ""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "".join(text.splitlines(keepends=True)[-lines:])


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/{pid}/stat` from the state on; none when there is no such process."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold anything


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
