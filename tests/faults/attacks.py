"""What an attacker's code tries in a process that it has taken over; each attack returns when it got through.

`python tests/faults/attacks.py` tries them where there are no walls, and prints the names of those that got through.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from rythmiq_worker.walls.sibling import ENVIRONMENT

ROOT = Path(__file__).parents[2]
OWN_DESCRIPTORS = 8  # the standard three, two pipes, three nameless files
MANY_DESCRIPTORS = 128
TEMPORARY = "/tmp"  # noqa: S108  where one would be made without the environment
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


class RefusedError(Exception):
    """The attack was refused without an error of the system."""


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def _environment() -> None:
    if not os.environ.keys() - ENVIRONMENT.keys():
        raise RefusedError


def _descriptors() -> None:
    found = 0
    for fd in range(256):
        with contextlib.suppress(OSError):
            os.fstat(fd)
            found += 1
    if found <= OWN_DESCRIPTORS:
        raise RefusedError


def _open(path: str) -> None:
    with Path(path).open("rb"):
        pass


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _program() -> None:
    os.posix_spawn("/bin/true", ["true"], {})


def _execve() -> None:
    """It is a program that is not there: where exec is let through, the error is another one."""
    with contextlib.suppress(FileNotFoundError):
        os.execv("/no/such/program", ["program"])  # noqa: S606  that is the attack


def _execveat() -> None:
    with contextlib.suppress(FileNotFoundError):
        _call(322, -100, b"/no/such/program", None, None, 0)


def _clone_into_namespace() -> None:
    if _call(56, CLONE_NEWUSER | signal.SIGCHLD, None, None, None, None) == 0:
        os._exit(0)


def _signals_by_descriptor() -> None:
    reader, _ = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, os.getppid())


def _without_limit() -> None:
    """Above these a limit is none; no attack would meet that of processes, which root does not feel."""
    most = {"AS": 1 << 40, "CORE": 0, "CPU": 3600, "FSIZE": 1 << 30, "NOFILE": 128, "NPROC": 20_000}
    hard = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in most}
    if all(0 <= hard[name] <= most[name] for name in most):
        raise RefusedError


def _more_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    bytearray(2 << 30)


def _larger_file() -> None:
    """Of those that it was given, or of one that it makes, a gigabyte."""
    with contextlib.suppress(OSError):
        os.memfd_create("attack")
    for fd in range(3, 256):
        with contextlib.suppress(OSError):
            os.lseek(fd, 1 << 30, os.SEEK_SET)
            written = os.write(fd, b"x")
            os.lseek(fd, 0, os.SEEK_SET)
            if written:
                return
    raise RefusedError


def _more_descriptors() -> None:
    held: list[int] = []
    try:
        while len(held) < MANY_DESCRIPTORS:
            held += os.pipe()
    finally:
        for fd in held:
            os.close(fd)


def _others_descriptors() -> None:
    """Of no process: where the call is let through, the error is another one."""
    try:
        _call(438, -1, 0, 0)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


def _foreign_call() -> None:
    """`getpid` of i386, by its own gate."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b814000000cd80c3"))
    if ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))() <= 0:
        raise RefusedError


def _attacks() -> Iterator[tuple[str, Callable[[], object]]]:
    parent = os.getppid()
    yield "environment", _environment
    yield "descriptors", _descriptors
    for path in (f"/proc/{parent}/environ", f"/proc/{parent}/mem", f"/proc/{parent}/maps", "/proc/self/environ"):
        yield f"read {path.replace(str(parent), 'parent')}", partial(_open, path)
    for path in ("/etc/passwd", "/etc/hostname", "/proc/mounts"):
        yield f"read {Path(path).name}", Path(path).read_bytes
    for folder in ("/", str(ROOT.parent), "/home", TEMPORARY):  # ROOT itself is on this file's path
        yield f"list {folder}", partial(os.listdir, folder)
    yield "write a file", lambda: Path(f"{TEMPORARY}/rythmiq-attack-{os.getpid()}").touch()
    yield "make a folder", lambda: Path(f"{TEMPORARY}/rythmiq-attack-folder-{os.getpid()}").mkdir()
    yield "make a nameless file", lambda: os.memfd_create("attack")
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        yield f"socket {family.name}", partial(socket.socket, family)
    yield "socketpair", socket.socketpair
    yield "fork", _fork
    yield "program", _program
    yield "execve", _execve
    yield "execveat", _execveat
    yield "signal to the parent", lambda: os.kill(parent, 0)
    yield "signal to the group", lambda: os.kill(0, 0)
    yield "signal to a thread", lambda: _call(234, parent, parent, 0)
    yield "queued signal", lambda: _call(129, parent, 0, struct.pack("=iii116x", 0, 0, -1))
    yield "signals by descriptor", _signals_by_descriptor
    yield "ptrace", lambda: _call(101, 0x4206, parent, None, None)
    yield "process_vm_readv", lambda: _call(310, parent, None, 0, None, 0, 0)
    yield "process_vm_writev", lambda: _call(311, parent, None, 0, None, 0, 0)
    yield "pidfd_open", lambda: _call(434, parent, 0)
    yield "pidfd_getfd", _others_descriptors
    yield "clone into a namespace", _clone_into_namespace
    yield "unshare", lambda: _call(272, CLONE_NEWUSER | CLONE_NEWNET)
    yield "keyctl", lambda: _call(250, 0, -3, 1)
    yield "add_key", lambda: _call(248, b"user", b"a", b"a", 1, -3)
    yield "bpf", lambda: _call(321, 0, ctypes.create_string_buffer(128), 128)
    yield "io_uring", lambda: _call(425, 1, ctypes.create_string_buffer(128))
    yield "chroot", lambda: _call(161, b"/")
    yield "dumpable", lambda: _call(157, 4, 1, 0, 0, 0)
    yield "no limit of a kind", _without_limit
    yield "more memory", _more_memory
    yield "a larger file", _larger_file
    yield "more descriptors", _more_descriptors
    yield "foreign call", _foreign_call


def got_through() -> list[str]:
    """Try everything; the names of what got through."""
    got = []
    for name, attack in _attacks():
        try:
            attack()
        except (OSError, RefusedError, MemoryError, ValueError):
            continue
        got.append(name)
    return got


def names() -> list[str]:
    """The names of all."""
    return [name for name, _ in _attacks()]


if __name__ == "__main__":
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(OWN_DESCRIPTORS)]
    sys.stdout.write(json.dumps(got_through()))
