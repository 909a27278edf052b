"""Native code that no signal interrupts, run in a fork that the kernel ends: a PDF may ask for hours or all memory.

PDFium has no bound of its own: ten forms that draw each other ten times end a worker at 6 GB, a pattern of tiny tiles
never ends. A fork costs few milliseconds where an exec would import everything again, and is safe here, because nothing
has started a thread yet when an upload is decoded.
"""

import json
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from rythmiq.contracts.errors import JobError
from rythmiq_worker.decode.undecodable import Reason, undecodable

# The pages of our test papers take under 1 s; the largest that the pixel budget permits takes 4 s.
_CPU_S: Final = 10
# Above what the worker holds: three times the largest page, for what PDFium draws on and what is made of it.
_MEMORY_BYTES: Final = 1200 * 1024 * 1024
_DONE, _REFUSED = b"=", b"!"


def apart(work: Callable[[], bytes]) -> bytes:
    """Run `work` in a process of its own and return what it returned.

    Raises:
        JobError: DECODE_FAILED: what `work` raised as such, `damaged` for another exception of it, `too_complex` when
            it was ended or died.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run(work, writer)
    os.close(writer)
    status = -1
    try:
        with os.fdopen(reader, "rb") as answer:
            verdict, content = answer.read(1), answer.read()
        _, status = os.waitpid(pid, 0)
    finally:
        if status == -1:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    if status != 0 or verdict not in {_DONE, _REFUSED}:
        raise undecodable("too_complex")
    if verdict == _REFUSED:
        facts = json.loads(content)
        reason: Reason = facts.pop("reason")
        raise undecodable(reason, **facts)
    return content


def _run(work: Callable[[], bytes], writer: int) -> NoReturn:
    status = 1
    try:
        _bound()
        try:
            parts = (_DONE, work())
        except JobError as error:
            parts = (_REFUSED, json.dumps(error.detail).encode())
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  a decoder may raise anything; see `decoder_door`
            parts = (_REFUSED, b'{"reason":"damaged"}')
        with os.fdopen(writer, "wb") as answer:
            answer.writelines(parts)
        status = 0
    finally:
        os._exit(status)


def _bound() -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    held = Path("/proc/self/statm")
    if held.exists():  # elsewhere than on Linux the kernel does not hold to a limit of memory
        most = int(held.read_text().split()[0]) * resource.getpagesize() + _MEMORY_BYTES
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
