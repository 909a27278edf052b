"""Which files a walled process may open: its own code, for reading.

Source: landlock(7), linux/landlock.h.
"""

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_BITS_OF: Final = {1: 13, 2: 14, 3: 15, 4: 15}  # rights over files by the kernel's version of Landlock; 16 from 5 on
_ALL_BITS: Final = 16
_NET_SINCE, _SCOPES_SINCE = 4, 6
_BIND_AND_CONNECT: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11


def version(libc: ctypes.CDLL) -> int:
    """The kernel's version of Landlock; 0 where it has none or has it switched off."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def restrict(libc: ctypes.CDLL, readable: Iterable[str]) -> bool:
    """Open nothing but what lies below these paths from now on, and only for reading; whether the kernel takes it.

    Args:
        libc: with `use_errno`.
        readable: files and folders; what is not there is passed over.
    """
    known = version(libc)
    if not known:
        return False
    handled = (1 << _BITS_OF.get(known, _ALL_BITS)) - 1
    net = _BIND_AND_CONNECT if known >= _NET_SINCE else 0
    scopes = _ABSTRACT_SOCKETS_AND_SIGNALS if known >= _SCOPES_SINCE else 0
    fields = (handled, net, scopes)[: 3 if known >= _SCOPES_SINCE else 2 if known >= _NET_SINCE else 1]
    asked = struct.pack(f"={len(fields)}Q", *fields)
    rules = int(libc.syscall(_CREATE_RULESET, asked, ctypes.c_size_t(len(asked)), 0))
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(libc, rules, path)
        return int(libc.syscall(_RESTRICT_SELF, rules, 0)) == 0
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = _READ_FILE | (_READ_DIR if stat.S_ISDIR(os.fstat(fd).st_mode) else 0)
            libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, fd), 0)
        finally:
            os.close(fd)
