"""Becomes a program of Postgres: with root given up, bound to its parent, with its data directory at hand.

Run as a script, before any package of ours can be imported:
`python -I -S start.py PARENT UID GID DIRECTORY PROGRAM [ARGUMENT ...]`. PARENT 0 means no parent, UID -1 that
nothing is given up. The account need not reach DIRECTORY by its path: it is open as `DATA_DIRECTORY`. A new process
does this rather than `preexec_fn`, which is not safe beside threads. What the process becomes, it shows: its command
line is PROGRAM's.

Postgres does not start beside what a killed postmaster left behind: backends that still hold its memory, and a
`postmaster.pid` whose number may be another process's by now. Both are cleared away first, and only when the postmaster
of this directory is surely dead. That reads `/proc`; without one it is left to Postgres.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_FAST_SHUTDOWN = signal.SIGINT
_GONE_WITHIN_S = 5.0
_PROC = Path("/proc")
_DATA_FD = 9
# Not the working directory: Postgres 15 leaves that and comes back by its path.
DATA_DIRECTORY = f"/proc/self/fd/{_DATA_FD}"


def main(arguments: list[str]) -> None:
    """Become the program; returns only by an exception."""
    parent, uid, gid, directory, *program = arguments
    os.dup2(os.open(directory, os.O_RDONLY | os.O_DIRECTORY), _DATA_FD, inheritable=True)
    os.chdir("/")
    if _PROC.is_dir():
        _clear_away(Path(directory))
    if int(uid) >= 0:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if int(parent) and sys.platform == "linux":
        # After setuid, which clears it. The parent may have died before: then nobody would ever send the signal.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(_FAST_SHUTDOWN))
        if os.getppid() != int(parent):
            sys.exit("the process that started this one is gone")
    os.umask(0o077)
    os.execv(program[0], program)  # noqa: S606  the program and its arguments are the caller's own


def _clear_away(directory: Path) -> None:
    """End what a dead postmaster of this directory left behind."""
    lock = directory / "postmaster.pid"
    try:
        postmaster = int(lock.read_text(encoding="ascii").partition("\n")[0])
    except (OSError, ValueError):
        return
    processes = _processes_in(directory)
    if postmaster in processes:
        return  # alive; Postgres says so better than we could
    if (_PROC / str(postmaster)).exists():
        lock.unlink()  # its number went to another process, which Postgres would take for a postmaster
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    ends_at = time.monotonic() + _GONE_WITHIN_S
    while _processes_in(directory) and time.monotonic() < ends_at:
        time.sleep(0.01)


def _processes_in(directory: Path) -> list[int]:
    """Processes of Postgres that work in this directory, as every one of them does."""
    here = directory.stat()
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            at = (entry / "cwd").stat()
            command = (entry / "cmdline").read_bytes()
        except OSError:  # ended meanwhile, or another user's
            continue
        if (at.st_dev, at.st_ino) == (here.st_dev, here.st_ino) and b"postgres" in command.partition(b"\0")[0]:
            found.append(int(entry.name))
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
