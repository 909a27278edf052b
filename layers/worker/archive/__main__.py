"""What Python runs of the one-file release: unpacks it, runs the launcher from there, and removes it again.

    FILE [--open-env] [--keep-env] USER_ID JOB_ID ATTEMPT
    FILE --unpack DIRECTORY

Exit codes are the launcher's (docs/specification/launcher.md). Nothing is written but one directory in TMPDIR, which is
gone afterwards; the launcher runs in it, because on Camber whatever is left in the working directory is kept and slows
the next job down.

`worker.env` beside the file gives variables, one NAME=VALUE a line; what the environment has goes before it. It may be
a named pipe. Only its owner may read it: `--open-env` is for places that keep no modes. It is removed as soon as it has
been read, since the worker runs as the same user: `--keep-env` is for a folder that is not copied for each job.
"""
# ruff: noqa: INP001  it becomes the `__main__` of an archive

import contextlib
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

import bind

TREE = "tree/"
"""Where the prefix lies in the archive."""
USAGE = 2
"""As argparse and the launcher have it; the other exit codes are those of sysexits.h."""
GLIBC = (2, 28)
MACHINE = "x86_64"
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class RefusedError(Exception):
    """This cannot run here; the message says why, and holds no value of a variable."""


class EndedError(Exception):
    """A signal came before there was a launcher that could take it."""


class Child:
    """The launcher as this program watches it: signals are handed on; those that come too early end the unpacking."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False
        for number in _SIGNALS:
            signal.signal(number, self._hand_on)

    def run(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> int:
        """Run the launcher to its end; its exit code."""
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process = subprocess.Popen(  # noqa: S603  what was just unpacked
                command,
                cwd=folder,
                env=environ,
                preexec_fn=lambda: _end_with(parent),  # noqa: PLW1509  there is no thread
            )
            self._process = process
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        code = process.wait()
        return code if code >= 0 else os.EX_TEMPFAIL

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
        elif not self._ended:
            self._ended = True
            raise EndedError


def main(arguments: Sequence[str]) -> int:
    """Read the command line and do it; the exit code."""
    archive = Path(sys.argv[0]).absolute()
    unpacks, words = arguments[:1] == ["--unpack"], list(arguments)
    options = set()
    while words[:1] in (["--open-env"], ["--keep-env"]):
        options.add(words.pop(0))
    if unpacks and len(arguments) != len(("--unpack", "directory")):
        sys.stderr.write(f"usage: {archive.name} --unpack DIRECTORY\n")
        return USAGE
    try:
        refuse_other_machines()
        if unpacks:
            unpack(archive, Path(arguments[1]).absolute())
            return os.EX_OK
        return run(archive, words, opened="--open-env" in options, kept="--keep-env" in options)
    except RefusedError as error:
        tell("misconfigured", str(error))
        return os.EX_CONFIG
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        tell("no_room", f"unpacking or starting failed: {error.strerror if isinstance(error, OSError) else 'damaged'}")
        return os.EX_TEMPFAIL
    except EndedError:
        return os.EX_TEMPFAIL


def run(archive: Path, arguments: Sequence[str], *, opened: bool, kept: bool) -> int:
    """Unpack, launch, remove; the launcher's exit code.

    Args:
        archive: this file.
        arguments: the launcher's.
        opened: whether others may be able to read worker.env.
        kept: whether worker.env stays.
    """
    harden()
    environ = environment(archive.with_name("worker.env"), os.environ, opened=opened, kept=kept)
    child = Child()
    folder = Path(tempfile.mkdtemp(prefix="rythmiq-worker-"))
    try:
        python = unpack(archive, folder)
        environ.setdefault("OCR_MODELS_DIR", str(folder / "models"))
        return child.run([str(python), str(folder / "bin" / "rythmiq-launch"), *arguments], folder, environ)
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        shutil.rmtree(folder, ignore_errors=True)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the prefix and bind it to the interpreter that runs this; the new Python.

    Raises:
        OSError: there is no room, or no right.
        zipfile.BadZipFile, zlib.error: the file is damaged: each part carries a checksum.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {folder}
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            if not entry.filename.startswith(TREE):
                continue
            target = folder / entry.filename.removeprefix(TREE)
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            with target.open("xb") as file:
                file.write(opened.read(entry))
    return bind.bind(folder, bind.base_interpreter())


def environment(file: Path, environ: Mapping[str, str], *, opened: bool, kept: bool) -> dict[str, str]:
    """The launcher's environment: ours, without Python's own variables, over what worker.env says, which is removed.

    Raises:
        RefusedError: others may read or write worker.env, it cannot be removed, or a line of it is no NAME=VALUE.
    """
    ours = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    try:
        with file.open(encoding="utf-8") as lines:
            about = os.fstat(lines.fileno())
            forbidden = stat.S_IWGRP | stat.S_IWOTH if opened else stat.S_IRWXG | stat.S_IRWXO
            if about.st_mode & forbidden or about.st_uid not in {0, os.geteuid()}:
                raise RefusedError("worker.env may be read or written by others: chmod 600 it, or say --open-env")
            text = lines.read()
        if not kept:
            file.unlink()
        given = dict(_assignments(text))
    except FileNotFoundError:
        given = {}
    except PermissionError as error:
        raise RefusedError(
            f"worker.env cannot be read and removed ({error.strerror}); --keep-env lets it stay"
        ) from None
    except UnicodeDecodeError:
        raise RefusedError("worker.env is no UTF-8 text") from None
    return {**given, **ours, "PYTHONDONTWRITEBYTECODE": "1"}


def harden() -> None:
    """Have no core file written and let nobody look into our memory: the worker runs as the same user."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def refuse_other_machines() -> None:
    """Refuse what the packages in here were not built for.

    Raises:
        RefusedError: always there.
    """
    if sys.implementation.name != "cpython" or sys.version_info[:2] != bind.VERSION:
        raise RefusedError(f"this needs CPython 3.11, and {sys.executable} is {sys.version.split()[0]}")
    names = os.uname()
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    version = tuple(int(part) for part in re.findall(r"\d+", libc or "")[:2])
    if (names.sysname, names.machine) != ("Linux", MACHINE) or version < GLIBC:
        raise RefusedError(f"this needs Linux on {MACHINE} with glibc 2.28 or later, not {names.machine} with {libc}")


def tell(event: str, problems: str) -> None:
    """Write one line of the log, as the launcher does."""
    sys.stderr.write(json.dumps({"event": event, "problems": problems}) + "\n")


def _assignments(text: str) -> list[tuple[str, str]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            match = _LINE.fullmatch(line.strip())
            if match is None:
                raise RefusedError(f"worker.env, line {number}: no NAME=VALUE")
            found.append((match[1], match[2]))
    return found


def _end_with(parent: int) -> None:
    """Take the signals again, and get SIGTERM when the parent dies, however it does."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(os.EX_TEMPFAIL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
