"""A filter of system calls as a BPF program: what a walled process needs is let through, everything else is refused.

It needs to read its own code, to ask for memory, to start threads, to write into what it was given, and to leave. It
cannot open a file for writing, make a socket or a process, run a program, look into another process, send a signal to
one, or raise its own limits. What is refused fails with EPERM; a call that is younger than this table, and clone3, with
ENOSYS, so that libraries take the older way.

Source: seccomp(2), bpf(2), linux/unistd_64.h, linux/audit.h.
"""

import os
import struct
from collections.abc import Iterable
from typing import Final

MACHINE: Final = "x86_64"
"""The one machine whose calls are numbered here; on another this wall is missing, and the worker says so."""
_AUDIT_ARCH_X86_64: Final = 0xC000003E
_X32_CALLS: Final = 0x40000000
_NEWEST: Final = 462  # mseal, of Linux 6.10

_READ_WRITE: Final = (0, 1, 17, 18, 19, 20, 295, 296, 8, 77, 285, 221)  # read, pwritev, lseek, ftruncate, fallocate
_FILES: Final = (
    *(3, 436, 32, 33, 292, 73, 74, 75),  # close, close_range, dup, dup2, dup3, flock, fsync, fdatasync
    *(4, 5, 6, 262, 332, 21, 269, 439, 138, 137),  # stat, fstat, lstat, newfstatat, statx, access, faccessat2, statfs
    *(78, 217, 89, 267, 79, 95),  # getdents, getdents64, readlink, readlinkat, getcwd, umask
)
_WAITING: Final = (22, 293, 7, 271, 23, 270, 291, 233, 232, 281, 290)  # pipe, poll, select, epoll, eventfd2
_MEMORY: Final = (9, 10, 11, 12, 25, 26, 27, 28, 149, 150, 324)  # mmap, mprotect, munmap, brk, mremap, madvise
_SIGNALS: Final = (13, 14, 15, 127, 128, 130, 131, 34, 36, 37, 38)  # rt_sigaction, sigaltstack, pause, alarm, setitimer
_THREADS: Final = (202, 449, 273, 274, 334, 218, 158, 219, 60, 231)  # futex, rseq, arch_prctl, exit, exit_group
_CLOCKS: Final = (228, 229, 230, 35, 96, 201, 100)  # clock_gettime, clock_nanosleep, nanosleep, gettimeofday, times
_ITSELF: Final = (
    *(39, 110, 186, 102, 107, 104, 108, 115, 111, 121, 124, 118, 120),  # getpid, gettid, getuid, getgroups, getsid
    *(98, 97, 99, 63, 309, 318),  # getrusage, getrlimit, sysinfo, uname, getcpu, getrandom
    *(24, 204, 143, 145, 146, 147, 239),  # sched_yield, sched_getaffinity, get_mempolicy
)
ALLOWED: Final = frozenset((*_READ_WRITE, *_FILES, *_WAITING, *_MEMORY, *_SIGNALS, *_THREADS, *_CLOCKS, *_ITSELF))
"""The numbers of the calls that are let through whatever their arguments are."""

_OPEN, _OPENAT, _FCNTL, _IOCTL, _PRCTL, _PRLIMIT64 = 2, 257, 72, 16, 157, 302
_CLONE, _CLONE3, _KILL, _TGKILL = 56, 435, 62, 234

_FOR_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CLONE_THREAD: Final = 0x10000
_NEW_NAMESPACES: Final = 0x7E020080  # CLONE_NEWNS, _NEWCGROUP, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET, _NEWTIME
_SIGNAL_OWNERS: Final = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: whom a descriptor sends signals to
_TERMINAL_AND_FLAGS: Final = (0x5401, 0x5421, 0x5450, 0x5451, 0x541B)  # TCGETS, FIONBIO, FIONCLEX, FIOCLEX, FIONREAD
_NAMES_ITSELF: Final = (15, 16)  # PR_SET_NAME, PR_GET_NAME

_ALLOW, _EPERM, _ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

Instruction = tuple[int, int, int, int]


def program(pid: int) -> bytes:
    """Write the filter for the process with this id, as an array of `struct sock_filter`."""
    steps: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        *_unless(_EQUAL, _AUDIT_ARCH_X86_64, _EPERM),
        (_LOAD, 0, 0, _NR),
        *_if(_AT_LEAST, _X32_CALLS, _EPERM),
    ]
    for number, checks in (
        (_OPENAT, [*_argument(2), *_if(_ANY_BIT, _FOR_WRITING, _EPERM)]),
        (_OPEN, [*_argument(1), *_if(_ANY_BIT, _FOR_WRITING, _EPERM)]),
        (
            _CLONE,
            [*_argument(0), *_if(_ANY_BIT, _NEW_NAMESPACES, _EPERM), *_unless(_ANY_BIT, _CLONE_THREAD, _EPERM)],
        ),
        (_FCNTL, [*_argument(1), *_each_if(_SIGNAL_OWNERS, _EPERM)]),
        (_IOCTL, [*_argument(1), *_each_if(_TERMINAL_AND_FLAGS, _ALLOW), _always(_EPERM)]),
        (_PRCTL, [*_argument(0), *_each_if(_NAMES_ITSELF, _ALLOW), _always(_EPERM)]),
        (_PRLIMIT64, [*_argument(0), *_each_if((0, pid), _ALLOW), _always(_EPERM)]),
        (_KILL, [*_argument(0), *_unless(_EQUAL, pid, _EPERM)]),
        (_TGKILL, [*_argument(0), *_unless(_EQUAL, pid, _EPERM)]),
        (_CLONE3, [_always(_ENOSYS)]),
    ):
        rest = [*checks, _always(_ALLOW)]
        steps += [(_EQUAL, 0, len(rest), number), *rest]
    steps += _each_if(sorted(ALLOWED), _ALLOW)
    steps += [*_if(_AT_LEAST, _NEWEST + 1, _ENOSYS), _always(_EPERM)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _always(verdict: int) -> Instruction:
    return (_RETURN, 0, 0, verdict)


def _if(test: int, value: int, verdict: int) -> list[Instruction]:
    return [(test, 0, 1, value), _always(verdict)]


def _unless(test: int, value: int, verdict: int) -> list[Instruction]:
    return [(test, 1, 0, value), _always(verdict)]


def _each_if(values: Iterable[int], verdict: int) -> list[Instruction]:
    return [step for value in values for step in _if(_EQUAL, value, verdict)]


def _argument(index: int) -> list[Instruction]:
    """Load the lower half of an argument; the flags and ids that are looked at are 32 bits wide."""
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * index)]
