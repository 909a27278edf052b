"""A Postgres on this machine that looks like Supabase's: loopback only, with passwords, and hard to break.

`local_postgres` serves while a context lasts. Somebody who supervises processes uses `LocalPostgres` in steps instead:
`prepare`, start `argv` (again and again, as often as it dies), `wait_ready`, `provision`.

It listens on 127.0.0.1 alone and on no Unix socket: their paths are bounded to 107 characters, and a killed server
leaves them behind. A killed postmaster may be started again at once on the same data. As root the server runs as
another account and is given its data as an open directory, so that the directories above need not be opened to that
account.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import psycopg

from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.local.postgres import start as postgres_start
from rythmiq_cli.local.postgres.binaries import PostgresBinaries, find_binaries, major_version
from rythmiq_cli.local.postgres.roles import DATABASE, OWNER, apply_migrations, make_owner, make_ready

__all__ = ["DATABASE", "OWNER", "LocalPostgres", "OutsidePostgres", "Postgres", "PostgresError", "local_postgres"]

_SUPERUSER = "postgres"
_INITDB_TIMEOUT_S = 120.0
_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02
_PORT_TRIES = 3
_LOG_TAIL_LINES = 12

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "cluster_name": "rythmiq",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Under the data directory: a killed server leaves nothing elsewhere, and a container's /dev/shm may be tiny.
    "dynamic_shared_memory_type": "mmap",
    # Statements hold claims and wrapped keys, and errors quote them: who sent them is told, a log file is not.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# These lose nothing when the server is killed, only when the machine is; synchronous_commit off would.
_THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class PostgresError(RythmiqError):
    """Postgres does not start or stop; the message has the end of its log."""


class Postgres(Protocol):
    """A database that can be used now."""

    @property
    def url(self) -> str:
        """A role that owns the tables and may SET ROLE to anon, authenticated and service_role."""

    @property
    def pid(self) -> int | None:
        """The postmaster's process; None when it is not ours."""

    def stop(self) -> None:
        """Shut it down, and keep its data."""

    def restart(self) -> None:
        """Start it again on the same data and at the same address, whether it was stopped, killed or still runs."""


@dataclass(frozen=True, slots=True)
class OutsidePostgres:
    """A database that somebody else runs (`DATABASE_URL`): it is never started or stopped here."""

    url: str = field(repr=False)
    pid: None = None

    def stop(self) -> None:
        """Nothing of ours runs."""

    def restart(self) -> None:
        """Not ours to restart.

        Raises:
            PostgresError: always.
        """
        raise PostgresError("DATABASE_URL names a Postgres that is not ours to restart")


@contextlib.contextmanager
def local_postgres(
    data_dir: Path | None = None,
    *,
    port: int = 0,
    binaries: PostgresBinaries | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Postgres]:
    """Serve Postgres while the context lasts, with the API's roles, the migrations and the rule book in it.

    Args:
        data_dir: where the data outlive the process. Without it they are thrown away in the end, and nothing waits for
            the disk meanwhile.
        port: 0 picks a free one.
        binaries: by default `find_binaries` chooses.
        environ: `DATABASE_URL` in it is used instead, and nothing is started.
    """
    outside = (os.environ if environ is None else environ).get("DATABASE_URL", "-")
    if outside not in {"", "-"}:
        apply_migrations(outside, bootstrap=True)
        yield OutsidePostgres(outside)
        return
    thrown_away = data_dir is None
    directory = Path(tempfile.mkdtemp(prefix="rythmiq-pg-")) if data_dir is None else data_dir
    try:
        with LocalPostgres(directory, port=port, binaries=binaries, throwaway=thrown_away) as postgres:
            postgres.provision()
            yield postgres
    finally:
        if thrown_away:
            shutil.rmtree(directory, ignore_errors=True)


class LocalPostgres:
    """One data directory and the server on it.

    Attributes:
        data_dir: holds `pgdata`, `postgres.log` and the passwords.
        port: on 127.0.0.1; the same for the life of this object.
        url: the owner of the tables.
        superuser_url: for tests that look behind the scenes; the API never has it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        binaries: PostgresBinaries | None = None,
        throwaway: bool = False,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.port = port or _free_port()
        self._port_was_given = bool(port)
        self._throwaway = throwaway
        self._binaries = binaries or find_binaries()
        self._passwords = _passwords(self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A role that owns the tables and may SET ROLE to anon, authenticated and service_role; no superuser."""
        return self._url(OWNER, DATABASE)

    @property
    def superuser_url(self) -> str:
        """The superuser of this server."""
        return self._url(_SUPERUSER, DATABASE)

    @property
    def pid(self) -> int | None:
        """The postmaster's process; None when this object runs none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that serves this data directory, for a supervisor.

        It shuts down when the calling thread's process ends, however that ends (Linux: when that thread ends). SIGINT
        stops it. It must not be in the terminal's process group, or Ctrl-C stops it before those who use it.
        """
        settings = {**_SETTINGS, **(_THROWAWAY_SETTINGS if self._throwaway else {}), "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._command("postgres", *options, parent=os.getpid())

    def __enter__(self) -> Self:
        self.prepare()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def prepare(self) -> None:
        """Make the data directory if it is not there yet; a kill halfway leaves nothing that looks finished.

        Raises:
            PostgresError: it cannot be made, or was made by another major version.
        """
        version = self._pgdata / "PG_VERSION"
        if version.exists():
            if (made_by := version.read_text().strip()) != str(major_version(self._binaries.directory)):
                raise PostgresError(
                    f"{self.data_dir} was made by Postgres {made_by}, and "
                    f"{major_version(self._binaries.directory)} is what there is to run; use another directory"
                )
            return
        partial = self.data_dir / "pgdata.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        password = partial.with_name("superuser.partial")
        password.touch(mode=0o600)
        password.write_text(self._passwords[_SUPERUSER], encoding="ascii")
        try:
            # On STDIN rather than as a file: the server's account may not reach the directory it would lie in.
            with password.open("rb") as source:
                self._give(partial)
                self._give(password)
                made = subprocess.run(  # noqa: S603  a Postgres that we found
                    self._command(
                        "initdb",
                        "--encoding=UTF8",
                        "--no-locale",
                        "--auth=scram-sha-256",
                        f"--username={_SUPERUSER}",
                        "--pwfile=/dev/stdin",
                        *(["--no-sync"] if self._throwaway else []),
                        directory=partial,
                        parent=os.getpid(),
                    ),
                    stdin=source,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_INITDB_TIMEOUT_S,
                    env=_environment(),
                    start_new_session=True,
                )
        finally:
            password.unlink(missing_ok=True)
        if made.returncode != 0:
            raise PostgresError(f"initdb failed: {' '.join(made.stderr.split())}")
        partial.rename(self._pgdata)

    def start(self) -> None:
        """Start the server and wait until it answers; another port is taken when a free one was asked for and lost.

        Raises:
            PostgresError: it does not answer.
        """
        for tries_left in reversed(range(_PORT_TRIES)):
            with (self.data_dir / "postgres.log").open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603  a Postgres that we found
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_environment(),
                    start_new_session=True,
                )
            try:
                self.wait_ready()
            except PostgresError:
                self.stop()
                if self._port_was_given or not tries_left or "could not bind" not in self._log_tail():
                    raise
                self.port = _free_port()
            except BaseException:
                self.stop()
                raise
            else:
                self._port_was_given = True
                return

    def wait_ready(self, timeout_s: float = _READY_TIMEOUT_S) -> None:
        """Wait until the server takes connections.

        Raises:
            PostgresError: our own process ended, or the time is up.
        """
        ends_at = time.monotonic() + timeout_s
        while True:
            try:
                psycopg.connect(self._url(_SUPERUSER, "postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                ended = self._process is not None and self._process.poll() is not None
                if ended or time.monotonic() > ends_at:
                    raise PostgresError(f"Postgres does not start: {self._log_tail() or error}") from None
            else:
                return
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Shut down fast and cleanly; harder when that takes too long. What was committed stays."""
        process = self._process
        if process is None:
            return
        for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is not None:
                break
            process.send_signal(order)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT_S)
        self._process = None

    def restart(self) -> None:
        """Start again on the same data and at the same address, whether it was stopped, killed or still runs."""
        self.stop()
        self.start()

    def provision(self) -> None:
        """Make database, owner and the API's roles, and apply the migrations. Doing it again changes nothing."""
        make_owner(self._url(_SUPERUSER, "postgres"), self._passwords[OWNER])
        make_ready(self.superuser_url)
        apply_migrations(self.url)

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _pgdata(self) -> Path:
        return self.data_dir / "pgdata"

    def _url(self, user: str, database: str) -> str:
        return f"postgresql://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/{database}"

    def _command(self, program: str, *options: str, parent: int, directory: Path | None = None) -> tuple[str, ...]:
        place, account = directory or self._pgdata, self._binaries.account
        is_open = account is not None and Path(postgres_start.DATA_DIRECTORY).parent.is_dir()
        shown = postgres_start.DATA_DIRECTORY if is_open else str(place)
        return (
            sys.executable,
            "-I",
            "-S",
            postgres_start.__file__,
            str(parent),
            *((str(account.uid), str(account.gid)) if account else ("-1", "-1")),
            str(place),
            str(self._binaries.directory / program),
            "-D",
            shown,
            *options,
        )

    def _give(self, path: Path) -> None:
        if self._binaries.account is not None:
            os.chown(path, self._binaries.account.uid, self._binaries.account.gid)

    def _log_tail(self) -> str:
        try:
            lines = (self.data_dir / "postgres.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LOG_TAIL_LINES:])


def _passwords(data_dir: Path) -> dict[str, str]:
    """The passwords of this data directory, made the first time."""
    file = data_dir / "postgres.json"
    if not file.exists():
        partial = file.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({name: secrets.token_urlsafe(24) for name in (_SUPERUSER, OWNER)}))
        partial.replace(file)
    read: dict[str, str] = json.loads(file.read_text())
    return read


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _environment() -> dict[str, str]:
    """Nothing of ours: PG* variables would change what the server does, and it needs none of our secrets."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
