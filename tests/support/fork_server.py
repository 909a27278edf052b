"""Forks workers that have their imports behind them: `fork_server.py TIMEOUT_S ADDRESS_SPACE_BYTES`.

Each line on STDIN names a directory with a file `payload`; a fork runs the worker's own `main` on it, with `stdout` and
`stderr` beside it as its descriptors 1 and 2. For each, one line of JSON on STDOUT says how it ended and what it took.

A worker's walled processes are forks, too: libraries are there, and our own modules are imported anew by
`walls/__main__`, so that contracts are without validation and the walls go up as ever. Tests that run the worker itself
start it anew.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import runpy
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import rythmiq_worker
from rythmiq_worker.__main__ import main
from rythmiq_worker.walls import sibling

# Programs of their own run when they are imported; what follows is imported by a job that needs it.
_PROGRAMS = (".__main__", ".child_main")
_VENDORS = ("PIL.ImageCms", "PIL.MpoImagePlugin", "img2pdf", "pi_heif", "rythmiq.adapters.bounded_http")
_PYTHONS_OWN = {str(Path(os.__file__).parent), *(path for path in sys.path if path.endswith((".zip", "lib-dynload")))}
_PLUGINS = ("Png", "Gif", "WebP", "Tiff", "Bmp", "Avif")


def _import_everything() -> None:
    found = pkgutil.walk_packages(rythmiq_worker.__path__, "rythmiq_worker.")
    for name in (*(each.name for each in found), *_VENDORS, *(f"PIL.{name}ImagePlugin" for name in _PLUGINS)):
        if not name.endswith(_PROGRAMS):
            importlib.import_module(name)


def _walled(program: sibling.Program, files: Iterable[int], arguments: Iterable[object]) -> int:
    """Fork where `sibling._spawn` executes."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(nowhere, fd)
            paths = "\n".join([*sibling.code_paths(), *program.paths])
            sys.argv = [sibling._START, paths, ",".join(map(str, files)), program.module, *map(str, arguments)]
            sys.path[:] = [place for place in sys.path if place in _PYTHONS_OWN]
            os.environ.clear()
            os.environ.update(sibling.ENVIRONMENT)
            for name in [name for name in sys.modules if name.partition(".")[0] in {"rythmiq", "rythmiq_worker"}]:
                del sys.modules[name]
            runpy.run_path(sys.argv[0], run_name="__main__")
        os._exit(99)
    return pid


def _worker(room: Path, timeout_s: int, address_space_bytes: int) -> NoReturn:
    with contextlib.suppress(BaseException):
        for fd, name, flags in (
            (0, "payload", os.O_RDONLY),
            (1, "stdout", os.O_WRONLY | os.O_CREAT),
            (2, "stderr", os.O_WRONLY | os.O_CREAT),
        ):
            os.dup2(os.open(room / name, flags, 0o600), fd)
        resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(timeout_s)  # nobody handles it, so that it ends native code too
        main()
    os._exit(99)


def _serve(timeout_s: int, address_space_bytes: int) -> None:
    _import_everything()
    sibling._spawn = _walled
    for line in sys.stdin:
        began_s = time.monotonic()
        pid = os.fork()
        if pid == 0:
            _worker(Path(line.rstrip("\n")), timeout_s, address_space_bytes)
        _, status, usage = os.wait4(pid, 0)
        ended = {
            "exit_code": os.waitstatus_to_exitcode(status),
            "wall_s": time.monotonic() - began_s,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "max_rss_bytes": usage.ru_maxrss * 1024,
        }
        sys.stdout.write(json.dumps(ended) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
