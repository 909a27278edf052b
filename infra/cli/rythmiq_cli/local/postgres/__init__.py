"""A Postgres on this machine that looks like a Supabase project: loopback only, with passwords.

`local_postgres` serves while a context lasts. A supervisor uses `LocalPostgres` in steps instead: `prepare`, `spawn`
(as often as the server ends), `wait_ready`, `provision`.

It listens on 127.0.0.1 alone and on no Unix socket: their paths are bounded to 107 characters, and a killed server
leaves them behind. Root runs the server as another account, which gets the data as an open directory, so that the
directories above it need not be opened to that account.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

import psycopg
from psycopg import sql

from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.local import free_port, made_once
from rythmiq_cli.local.postgres.binaries import PostgresBinaries, find_binaries, major_version
from rythmiq_cli.local.tether import Tether
from rythmiq_cli.operator import migrations

DATABASE = "rythmiq"
OWNER = "rythmiq"
_SUPERUSER = "postgres"
_API_ROLES = ("anon", "authenticated", "service_role")
_INITDB_TIMEOUT_S = 120.0
_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_CLEARED_WITHIN_S = 5.0
_POLL_S = 0.02
_PORT_TRIES = 3
_LOG_TAIL_LINES = 12
_PROC = Path("/proc")

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "cluster_name": "rythmiq",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Under the data directory: a killed server leaves nothing elsewhere, and a container's /dev/shm may be tiny.
    "dynamic_shared_memory_type": "mmap",
    # Statements hold claims and wrapped keys, and errors quote them, so they go to the client and not to a log file.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
# These lose nothing when the server is killed, only when the machine is; synchronous_commit off would.
_THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class PostgresError(RythmiqError):
    """Postgres does not start or stop; the message has the end of its log."""


@contextlib.contextmanager
def local_postgres(data_dir: Path | None = None) -> Iterator["LocalPostgres"]:
    """Serve Postgres while the context lasts, with the API's roles, the migrations and the rule book in it.

    Args:
        data_dir: where the data outlive the process. Without it they are removed at the end, and nothing waits for the
            disk meanwhile.
    """
    directory = Path(tempfile.mkdtemp(prefix="rythmiq-pg-")) if data_dir is None else data_dir
    try:
        with LocalPostgres(directory, throwaway=data_dir is None) as postgres:
            postgres.provision()
            yield postgres
    finally:
        if data_dir is None:
            shutil.rmtree(directory, ignore_errors=True)


def apply_migrations(url: str, *, bootstrap: bool = False) -> None:
    """Apply the migrations that are missing.

    Args:
        url: the owner of the tables.
        bootstrap: first make the database look like Supabase, if it does not.
    """
    with migrations.open_database(url) as database:
        if bootstrap and not migrations.looks_like_supabase(database):
            migrations.bootstrap(database)
        migrations.migrate(database)


class LocalPostgres:
    """One data directory and the server on it.

    Attributes:
        data_dir: holds `pgdata`, `postgres.log` and the passwords.
        port: on 127.0.0.1; the same for the life of this object.
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
        self.port = port or free_port()
        self._port_was_given = bool(port)
        self._throwaway = throwaway
        self._binaries = binaries or find_binaries()
        self._passwords: dict[str, str] = made_once(
            self.data_dir / "postgres.json", lambda: {name: secrets.token_urlsafe(24) for name in (_SUPERUSER, OWNER)}
        )
        self._pgdata = self.data_dir / "pgdata"
        self._process: subprocess.Popen[bytes] | None = None
        self._tether: Tether | None = None

    @property
    def url(self) -> str:
        """A role that owns the tables and may SET ROLE to anon, authenticated and service_role; no superuser."""
        return self._url(OWNER, DATABASE)

    @property
    def superuser_url(self) -> str:
        """The superuser, for tests; the API never has it."""
        return self._url(_SUPERUSER, DATABASE)

    @property
    def pid(self) -> int | None:
        """The postmaster's process; None when this object runs none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

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
        if (version := self._pgdata / "PG_VERSION").exists():
            made_by, here = version.read_text().strip(), str(major_version(self._binaries.directory))
            if made_by != here:
                raise PostgresError(
                    f"{self.data_dir} was made by Postgres {made_by}, and this is {here}; use another directory"
                )
            return
        partial = self.data_dir / "pgdata.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        # As a file on STDIN: the server's account may not reach the directory that a named one would lie in.
        with tempfile.TemporaryFile() as password, self._as_account(partial) as (place, options):
            password.write(self._passwords[_SUPERUSER].encode())
            password.seek(0)
            if self._binaries.account is not None:
                for given in (partial, password.fileno()):
                    os.chown(given, *self._binaries.account)
            made = subprocess.run(  # noqa: S603  a Postgres that we found
                [
                    *(str(self._binaries.directory / "initdb"), "-D", place, "--encoding=UTF8", "--no-locale"),
                    *("--auth=scram-sha-256", f"--username={_SUPERUSER}", "--pwfile=/dev/stdin"),
                    *(["--no-sync"] if self._throwaway else []),
                ],
                **options,
                stdin=password,
                capture_output=True,
                check=False,
                timeout=_INITDB_TIMEOUT_S,
            )
        if made.returncode != 0:
            raise PostgresError(f"initdb failed: {' '.join(made.stderr.decode(errors='replace').split())}")
        partial.rename(self._pgdata)

    def spawn(self, log: int | IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start the server, in a session of its own: Ctrl-C must not end it before those who use it. SIGINT stops it.

        Raises:
            OSError: it cannot be started.
        """
        _end_orphans(self._pgdata)
        settings = {**_SETTINGS, **(_THROWAWAY_SETTINGS if self._throwaway else {}), "port": str(self.port)}
        with self._as_account(self._pgdata) as (place, options):
            return subprocess.Popen(  # noqa: S603  a Postgres that we found
                [
                    *(str(self._binaries.directory / "postgres"), "-D", place),
                    *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                ],
                **options,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self) -> None:
        """Start the server and wait until it answers; another port is taken when a free one was asked for and lost.

        It ends with this process, even when that is killed.

        Raises:
            PostgresError: it does not answer.
        """
        for tries_left in reversed(range(_PORT_TRIES)):
            with (self.data_dir / "postgres.log").open("ab") as log:
                self._process = self.spawn(log)
            self._tether = Tether()
            self._tether.hold(self._process.pid)
            try:
                self.wait_ready()
            except PostgresError:
                self.stop()
                if self._port_was_given or not tries_left or "could not bind" not in self._log_tail():
                    raise
                self.port = free_port()
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
        process, self._process = self._process, None
        if process is not None:
            for order in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if process.poll() is not None:
                    break
                process.send_signal(order)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_STOP_TIMEOUT_S)
        if self._tether is not None:
            self._tether.close()
            self._tether = None

    def restart(self) -> None:
        """Start again on the same data and at the same address, whether it was stopped, killed or still runs."""
        self.stop()
        self.start()

    def provision(self) -> None:
        """Make the owner, its database and the API's roles, and apply the migrations; again, it changes nothing."""
        owner = sql.Identifier(OWNER)
        with psycopg.connect(self._url(_SUPERUSER, "postgres"), autocommit=True) as server:
            known = server.execute("select from pg_roles where rolname = %s", [OWNER]).rowcount
            # what of the attributes of Supabase's `postgres` matters here
            server.execute(
                sql.SQL("{} role {} login inherit nosuperuser nocreatedb nocreaterole bypassrls password {}").format(
                    sql.SQL("alter" if known else "create"), owner, sql.Literal(self._passwords[OWNER])
                )
            )
            if server.execute("select from pg_database where datname = %s", [DATABASE]).rowcount == 0:
                database = sql.Identifier(DATABASE)
                server.execute(sql.SQL("create database {} owner {} template template0").format(database, owner))
        with migrations.open_database(self.superuser_url) as database_of_owner:
            migrations.bootstrap(database_of_owner)
            roles = sql.SQL(", ").join(map(sql.Identifier, _API_ROLES))
            database_of_owner.execute(sql.SQL("grant {} to {}").format(roles, owner))
            database_of_owner.execute(sql.SQL("grant usage on schema auth to {}").format(owner))
            database_of_owner.execute(sql.SQL("grant execute on all functions in schema auth to {}").format(owner))
        apply_migrations(self.url)

    def _url(self, user: str, database: str) -> str:
        return f"postgresql://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def _as_account(self, directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """The path by which a program of Postgres reaches a directory, and the options of its process."""
        # Nothing of ours: PG* variables would change what the server does, and it needs none of our secrets.
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        options: dict[str, Any] = {"env": environ, "umask": 0o077, "start_new_session": True}
        if self._binaries.account is None:
            yield str(directory), options
            return
        user, group = self._binaries.account
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Not as the working directory: Postgres 15 leaves that and comes back by its path.
            options |= {"user": user, "group": group, "extra_groups": [], "pass_fds": [opened], "cwd": "/"}
            yield f"/proc/self/fd/{opened}", options
        finally:
            os.close(opened)

    def _log_tail(self) -> str:
        try:
            lines = (self.data_dir / "postgres.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LOG_TAIL_LINES:])


def _end_orphans(directory: Path) -> None:
    """End the backends that a dead postmaster of this directory left, beside which Postgres does not start.

    A lock file whose number is another process's by now goes too. A postmaster that lives is left alone. Without /proc
    all of it is left to Postgres.
    """
    lock = directory / "postmaster.pid"
    try:
        postmaster = int(lock.read_text(encoding="ascii").partition("\n")[0])
    except (OSError, ValueError):
        return
    processes = _processes_in(directory)
    if postmaster in processes or not _PROC.is_dir():
        return
    if (_PROC / str(postmaster)).exists():
        lock.unlink()
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    ends_at = time.monotonic() + _CLEARED_WITHIN_S
    while _processes_in(directory) and time.monotonic() < ends_at:
        time.sleep(_POLL_S)


def _processes_in(directory: Path) -> list[int]:
    """Processes of Postgres that work in this directory, as every one of them does."""
    found = []
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            command = (entry / "cmdline").read_bytes().partition(b"\0")[0]
            if b"postgres" in command and (entry / "cwd").samefile(directory):
                found.append(int(entry.name))
    return found
