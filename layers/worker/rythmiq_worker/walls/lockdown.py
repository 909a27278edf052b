"""Locks the calling process down for good: it reaches only what it was started with.

Every wall stands by itself, so that an old kernel or a narrow container still gives the others; whoever started the
process is told which are missing. Nothing here needs a right that a user does not have.

Source: docs/specification/worker.md; landlock(7), linux/landlock.h; seccomp(2), bpf(2), linux/unistd_64.h,
linux/audit.h.
"""

import contextlib
import ctypes
import os
import resource
import signal
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WALLS: Final = ("no_new_privs", "capabilities", "landlock", "seccomp", "rlimits", "dumpable")
MEMORY_BYTES: Final = 1536 * 1024 * 1024
"""What a walled process may ask for beyond what it has at lock-down."""
MAX_FILE_BYTES: Final = 512 * 1024 * 1024
"""What it may write into each file that it was given."""
INSTALLED: Final = ("site-packages", "dist-packages")
"""What Python calls the folders of installed packages; in the image and the release ours lie there, too."""
_MOST_OPEN_FILES: Final = 64
_MORE_THREADS: Final = 32
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_SYS_CAPGET, _SYS_CAPSET, _SYS_SECCOMP = 125, 126, 317
_CAPABILITY_VERSION: Final = 0x20080522
_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_VERSION: Final = 1
_LANDLOCK_PATH_BENEATH: Final = 1
_LANDLOCK_READ_FILE, _LANDLOCK_READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS: Final = {
    1: 13,
    2: 14,
    3: 15,
    4: 15,
}  # rights over files by Landlock's version; 16 from 5 on
_ALL_FILE_RIGHTS: Final = 16
_NET_SINCE, _SCOPES_SINCE = 4, 6
_BIND_AND_CONNECT: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11
# Where an interpreter and its libraries look for code; and what networks' runtimes ask about the processor.
_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache")
_PROCESSOR: Final = ("/proc/cpuinfo", "/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class Room:
    """What a walled process is left.

    Attributes:
        cpu_s: of all its threads; above that it is killed.
        readable: folders and files beside Python's own code.
    """

    cpu_s: int
    readable: tuple[str, ...] = ()


_down = False


def is_walled() -> bool:
    """Whether this process is behind walls, so that its death is somebody's answer."""
    return _down


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, and die now if that has happened already.

    Linux only; elsewhere the limit on time still ends an orphan's parent's wait, and the orphan ends with its picture.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def hide() -> None:
    """Let nobody of the same user look into this process's memory, environment or descriptors, nor dump its core."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def lock_down(room: Room) -> tuple[str, ...]:
    """Put up the walls; the names of those that could not be had, also for a thread that was there before."""
    global _down  # noqa: PLW0603  a process is walled once, as a whole
    _down = True
    if sys.platform != "linux":
        return WALLS
    libc = ctypes.CDLL(None, use_errno=True)
    readable = (*_code(), *_LIBRARIES, *_PROCESSOR, *room.readable)
    # Both hold the thread that asks and those that it starts; seccomp is told to take the others along.
    is_alone = len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  names are enough
    stands = {
        "no_new_privs": libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
        "rlimits": _limit(room),
        "capabilities": _drop_capabilities(libc) and is_alone,
        "dumpable": libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0,
        "landlock": _restrict_files(libc, readable) and is_alone,
        "seccomp": _filter(libc),
    }
    return tuple(name for name in WALLS if not stands[name])


@contextlib.contextmanager
def cpu_bound(seconds: int) -> Iterator[None]:
    """Have the kernel end a walled process with SIGXCPU when what runs inside takes more CPU time."""
    if not _down:
        yield
        return
    kept = resource.getrlimit(resource.RLIMIT_CPU)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    most = int(spent.ru_utime + spent.ru_stime) + 1 + seconds
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (min(most, kept[1]) if kept[1] >= 0 else most, kept[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, kept)


def _code() -> Iterable[str]:
    """The folders of Python's, installed and our modules; of a checkout, which is on the path, our packages alone."""
    ours = Path(__file__).resolve().parents[1]
    installed = [place for place in sys.path if Path(place).name in INSTALLED]
    places = [*installed, *(place for place in sys.path if place and not (Path(place) / ours.name).is_dir())]
    packages = [path for name in ("rythmiq", ours.name) for path in getattr(sys.modules.get(name), "__path__", ())]
    return (*places, *packages, f"{sys.base_prefix}/lib")


def _limit(room: Room) -> bool:
    """Set the limits of the kernel; those that its operator set lower stay."""
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: room.cpu_s,
        resource.RLIMIT_FSIZE: MAX_FILE_BYTES,
        resource.RLIMIT_NOFILE: _MOST_OPEN_FILES,
        resource.RLIMIT_NPROC: _threads_there() + _MORE_THREADS,
        resource.RLIMIT_AS: _size_bytes() + MEMORY_BYTES,
    }
    try:
        for limit, most in wanted.items():
            _, hard = resource.getrlimit(limit)
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (least, least))
    except (OSError, ValueError):
        return False
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    return True


def _size_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _threads_there() -> int:
    """How many threads the machine has: the kernel counts those of all processes of a user against one limit."""
    return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].partition("/")[2])


def _drop_capabilities(libc: ctypes.CDLL) -> bool:
    """Drop every capability; without one the kernel holds root, too, to who owns what."""
    for number in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break  # there are no more, or the process had none to begin with
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    libc.syscall(_SYS_CAPSET, header, bytes(24))
    held = ctypes.create_string_buffer(24)
    return libc.syscall(_SYS_CAPGET, header, held) == 0 and not any(held.raw)


def landlock_version(libc: ctypes.CDLL) -> int:
    """The kernel's version of Landlock; 0 where it has none or has it switched off."""
    return max(0, int(libc.syscall(_SYS_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)))


def _restrict_files(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    """Open nothing but what lies below these paths from now on, and only for reading; whether the kernel takes it.

    Args:
        libc: with `use_errno`.
        readable: files and folders; what is not there is passed over.
    """
    known = landlock_version(libc)
    if not known:
        return False
    handled = (1 << _FILE_RIGHTS.get(known, _ALL_FILE_RIGHTS)) - 1
    net = _BIND_AND_CONNECT if known >= _NET_SINCE else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if known >= _SCOPES_SINCE else 0
    fields = (handled, net, scopes)[: 3 if known >= _SCOPES_SINCE else 2 if known >= _NET_SINCE else 1]
    asked = struct.pack(f"={len(fields)}Q", *fields)
    rules = int(libc.syscall(_SYS_LANDLOCK_CREATE, asked, ctypes.c_size_t(len(asked)), 0))
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow_reading(libc, rules, path)
        return int(libc.syscall(_SYS_LANDLOCK_RESTRICT, rules, 0)) == 0
    finally:
        os.close(rules)


def _allow_reading(libc: ctypes.CDLL, rules: int, path: str) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = _LANDLOCK_READ_FILE | (_LANDLOCK_READ_DIR if stat.S_ISDIR(os.fstat(fd).st_mode) else 0)
            libc.syscall(_SYS_LANDLOCK_ADD, rules, _LANDLOCK_PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
        finally:
            os.close(fd)


def _filter(libc: ctypes.CDLL) -> bool:
    if os.uname().machine != _MACHINE or sys.maxsize <= 2**32:
        return False
    filters = ctypes.create_string_buffer(_filter_program(os.getpid()))
    steps = (len(filters) - 1) // 8
    described = ctypes.create_string_buffer(struct.pack("=H6xQ", steps, ctypes.addressof(filters)))
    flags = _SECCOMP_FILTER_FLAG_TSYNC
    return int(libc.syscall(_SYS_SECCOMP, _SECCOMP_SET_MODE_FILTER, flags, described)) == 0


# The filter of system calls, as a BPF program: what a walled process needs is let through, everything else is refused.
# It needs to read its own code, to ask for memory, to start threads, to write into what it was given, and to leave. It
# cannot open a file for writing, make a socket or a process, run a program, look into another process, send a signal
# to one, or raise its own limits. What is refused fails with EPERM; a call that is younger than this table, and clone3,
# with ENOSYS, so that libraries take the older way.

_MACHINE: Final = "x86_64"
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
_ALLOWED: Final = frozenset((*_READ_WRITE, *_FILES, *_WAITING, *_MEMORY, *_SIGNALS, *_THREADS, *_CLOCKS, *_ITSELF))
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

_Instruction = tuple[int, int, int, int]


def _filter_program(pid: int) -> bytes:
    """Write the filter for the process with this id, as an array of `struct sock_filter`."""
    steps: list[_Instruction] = [
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
    steps += _each_if(sorted(_ALLOWED), _ALLOW)
    steps += [*_if(_AT_LEAST, _NEWEST + 1, _ENOSYS), _always(_EPERM)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _always(verdict: int) -> _Instruction:
    return (_RETURN, 0, 0, verdict)


def _if(test: int, value: int, verdict: int) -> list[_Instruction]:
    return [(test, 0, 1, value), _always(verdict)]


def _unless(test: int, value: int, verdict: int) -> list[_Instruction]:
    return [(test, 1, 0, value), _always(verdict)]


def _each_if(values: Iterable[int], verdict: int) -> list[_Instruction]:
    return [step for value in values for step in _if(_EQUAL, value, verdict)]


def _argument(index: int) -> list[_Instruction]:
    """Load the lower half of an argument; the flags and ids that are looked at are 32 bits wide."""
    return [(_LOAD, 0, 0, _ARGUMENTS + 8 * index)]
