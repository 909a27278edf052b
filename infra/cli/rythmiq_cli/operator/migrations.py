"""The numbered SQL files of `infra/database/migrations`, applied in order and each only once.

Each file is one transaction, which also records its number, name and SHA-256 in `rythmiq_ops.rythmiq_migrations` (a
schema that the Data API does not show). Applied files are immutable: if one has changed or is missing, nothing is
applied. Several may run at once: every transaction takes the same lock and reads the record again, so this works
through a transaction pooler too, where a session's lock would not. Supabase's conventions are expected, and no
superuser: the API's roles and `auth.uid()` are there, the role that migrates may create schemas.

Up to migration 17 data keys were wrapped for nobody in particular (RQE1 suite 1), and no release of this tree opens
them. Rows with such a key in an older database are of no use, nor are their objects: they are counted, and erased when
the operator says so.

Source: docs/specification/rqe1.md, docs/specification/database.md.
"""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from rythmiq.adapters.database import database_error
from rythmiq.adapters.postgres import connect, connection_string
from rythmiq.contracts.errors import ErrorCode, RythmiqError, failure
from rythmiq.ports import DatabaseUnavailableError
from rythmiq_cli.operator import carried

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK = 7_298_301_104  # any number, the same in every process that migrates
_RECORD = """
create schema if not exists rythmiq_ops;
create table if not exists rythmiq_ops.rythmiq_migrations (
  version integer primary key check (version > 0),
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now()
)"""

LAST_OLD = 17
"""The last migration of the tree that wrapped data keys by RQE1 suite 1."""
_ERASED_AT_ONCE = 200


class MigrationError(RythmiqError):
    """The files and the database do not agree, or a file does not apply."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of the record."""

    version: int
    name: str
    sha256: str


def database_dir() -> Path:
    """The folder of the SQL files."""
    return carried("database")


def read_migrations(directory: Path | None = None) -> tuple[Migration, ...]:
    """The files, by their number.

    Raises:
        MigrationError: a name is not `NNNN_name.sql`, or the numbers are not 1, 2, 3 ...
    """
    place = directory if directory is not None else database_dir() / "migrations"
    found = []
    for path in sorted(place.glob("*.sql")):
        name = _FILE.fullmatch(path.name)
        if name is None:
            raise MigrationError(f"{path.name} is not named NNNN_name.sql")
        text = path.read_bytes()
        found.append(Migration(int(name[1]), name[2], text.decode("utf-8"), hashlib.sha256(text).hexdigest()))
    if [entry.version for entry in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"the numbers of the migrations are not 1 to {len(found)}")
    return tuple(found)


@contextlib.contextmanager
def open_database(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Connect for the functions below.

    Raises:
        SettingsError: the URL cannot be used.
        DatabaseUnavailableError, DatabaseNotReadyError: the database does not answer, or refuses.
        DatabaseFaultError: a statement inside does not fit this database.
    """
    with connect(connection_string(url)) as connection:
        try:
            yield connection
        except psycopg.Error as error:
            if error.sqlstate is None:
                raise DatabaseUnavailableError("the connection to the database broke") from error
            raise database_error(error.sqlstate, message=error.diag.message_primary or "") from error


def looks_like_supabase(connection: psycopg.Connection[Any]) -> bool:
    """Whether the roles and `auth.uid()` that the migrations count on are there."""
    found = connection.execute(
        "select count(*) = 3 and exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
        "  where n.nspname = 'auth' and p.proname = 'uid')"
        " from pg_roles where rolname in ('anon', 'authenticated', 'service_role')"
    ).fetchone()
    return found == (True,)


def bootstrap(connection: psycopg.Connection[Any]) -> None:
    """Make a plain Postgres look like Supabase. Doing it again changes nothing.

    Raises:
        MigrationError: this role may not.
    """
    text = (database_dir() / "bootstrap_supabase.sql").read_bytes()
    try:
        with connection.transaction():
            connection.execute(text)
    except psycopg.Error as error:
        raise MigrationError(f"bootstrap_supabase.sql does not apply: {_said(error)}") from error


def applied_migrations(connection: psycopg.Connection[Any]) -> tuple[Applied, ...]:
    """The migrations that the database has recorded as applied."""
    known = connection.execute("select to_regclass('rythmiq_ops.rythmiq_migrations') is not null").fetchone()
    if known != (True,):
        return ()
    rows = connection.execute("select version, name, sha256 from rythmiq_ops.rythmiq_migrations order by version")
    return tuple(Applied(*row) for row in rows)


def pending_migrations(files: Sequence[Migration], applied: Sequence[Applied]) -> tuple[Migration, ...]:
    """The migrations that are left to apply.

    Raises:
        MigrationError: a file that was applied has changed or is missing.
    """
    by_version = {file.version: file for file in files}
    for entry in applied:
        file, name = by_version.get(entry.version), f"{entry.version:04d}_{entry.name}.sql"
        if file is None:
            raise MigrationError(f"{name} was applied and is missing here: this release is older than the database")
        if (file.name, file.sha256) != (entry.name, entry.sha256):
            raise MigrationError(
                f"{name} was applied and has changed since: restore it, and put the change in a new file"
            )
    return tuple(file for file in files if file.version > len(applied))


def migrate(
    connection: psycopg.Connection[Any], files: Sequence[Migration] | None = None, *, erase_old: bool = False
) -> tuple[Migration, ...]:
    """Apply what is left; what was applied by this call.

    Args:
        connection: the owner's.
        files: all of them; those of this release by default.
        erase_old: first erase jobs and uploads whose data keys no release from here on opens.

    Raises:
        MigrationError: see `pending_migrations`; there are such jobs or uploads; or a file does not apply, and then it
            has changed nothing.
    """
    if not connection.autocommit:
        raise AssertionError("each file is to be a transaction of its own: see open_database")
    files = read_migrations() if files is None else files
    done: list[Migration] = []
    while True:
        with connection.transaction():
            connection.execute("set local statement_timeout = '10min'")
            connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
            connection.execute("set local lock_timeout = '30s'")  # rather than stand in the way of those who work
            left = pending_migrations(files, applied_migrations(connection))
            if not left:
                return tuple(done)
            # Within the lock: a look before it would be remembered by this session, and be out of date after it.
            old = _of_the_old_wrapping(connection, left, erase_old=erase_old)
            if not old:
                _apply(connection, left[0])
        if old:
            try:
                erase_old_rows(connection)
            except StillSettlingError as error:
                raise MigrationError(str(error)) from None
        else:
            done.append(left[0])


def _of_the_old_wrapping(connection: psycopg.Connection[Any], left: Sequence[Migration], *, erase_old: bool) -> bool:
    """Whether there is something to erase before the next file.

    Raises:
        MigrationError: there is, and it is not to be erased.
    """
    version = left[0].version - 1
    if left[-1].version <= LAST_OLD:
        return False
    old = old_rows(connection, version=version)
    if old and not erase_old:
        raise MigrationError(
            f"{old.jobs} jobs and {old.uploads} uploads have data keys of a wrapping that this release refuses, and"
            " nothing opens them any more. `rythmiq migrate --erase-old` ends and erases them, with a refund of what"
            " has not ended; ticks then remove their objects"
        )
    return bool(old)


def _apply(connection: psycopg.Connection[Any], migration: Migration) -> None:
    try:
        if migration.version == 1:
            connection.execute(_RECORD)
        connection.execute(migration.sql.encode())  # bytes: of a str psycopg wants to know that it is a literal
    except psycopg.Error as error:
        raise MigrationError(f"{migration.version:04d}_{migration.name}.sql does not apply: {_said(error)}") from error
    connection.execute(
        "insert into rythmiq_ops.rythmiq_migrations (version, name, sha256) values (%s, %s, %s)",
        [migration.version, migration.name, migration.sha256],
    )
    connection.execute("notify pgrst, 'reload schema'")  # the Data API learns of new functions when this commits


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__


class StillSettlingError(RythmiqError):
    """A job is being settled just now; the functions of the older release are still there."""


@dataclass(frozen=True, slots=True)
class OldRows:
    """Rows with a data key of the old wrapping."""

    jobs: int
    uploads: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.jobs or self.uploads)


def old_rows(connection: psycopg.Connection[Any], *, version: int) -> OldRows:
    """Count them.

    Args:
        connection: the owner's, in a transaction.
        version: of the last migration that was applied.
    """
    if not 1 <= version <= LAST_OLD:
        return OldRows(0, 0)
    # not while somebody else makes the database, nor of a test's own migrations
    readable = "coalesce(has_table_privilege('service_role', to_regclass('public.' || name), 'select'), false)"
    if connection.execute(
        f"select bool_and({readable}) from unnest(array['jobs', 'uploads']) name"  # noqa: S608  our own words
    ).fetchone() != (True,):
        return OldRows(0, 0)
    connection.execute("set local role service_role")  # row level security binds the owner too
    counted = [
        connection.execute(f"select count(*) from public.{table} where wrapped_key is not null").fetchone()  # noqa: S608  ditto
        for table in ("jobs", "uploads")
    ]
    connection.execute("reset role")
    jobs, uploads = (row[0] if row is not None else 0 for row in counted)
    return OldRows(jobs, uploads)


def erase_old_rows(connection: psycopg.Connection[Any]) -> None:
    """End and erase every such job, with its refund where it had not ended, and every such upload.

    Their storage keys join `removals`, due at once: the ticks of the reconciler remove the objects. May be interrupted
    and run again.

    Raises:
        StillSettlingError: one is being settled.
    """
    for step in (_erase_jobs, _erase_uploads):
        more = True
        while more:
            with connection.transaction():
                connection.execute("set local role service_role")
                more = step(connection)


def _erase_jobs(connection: psycopg.Connection[Any]) -> bool:
    rows = connection.execute(
        "select id, user_id, status, public.job_storage_keys(j) from public.jobs j where wrapped_key is not null"
        " order by id limit %s",
        [_ERASED_AT_ONCE],
    ).fetchall()
    report = failure(ErrorCode.EXECUTOR_CANCELLED, "the service was upgraded, and what it held was erased")
    for job_id, user_id, status, keys in rows:
        if status in {"pending", "processing"}:
            # no place for anybody: what waits is erased next, and must not be started
            ended = connection.execute(
                "select public.job_end(%s, %s, 0, 1, 1)", [job_id, json.dumps(report)]
            ).fetchone()
            if ended is not None and ended[0]["outcome"] == "busy":
                raise StillSettlingError("a job is being settled: stop the functions, and run it again in a minute")
        connection.execute("select public.job_erase(%s, %s)", [user_id, job_id])
        _remove_objects(connection, job_id, keys)
    return bool(rows)


def _erase_uploads(connection: psycopg.Connection[Any]) -> bool:
    rows = connection.execute(
        "delete from public.uploads where job_id in ("
        "  select job_id from public.uploads where wrapped_key is not null order by job_id limit %s"
        ") returning job_id, jsonb_build_array(raw_path)",
        [_ERASED_AT_ONCE],
    ).fetchall()
    for job_id, keys in rows:
        _remove_objects(connection, job_id, keys)
    return bool(rows)


def _remove_objects(connection: psycopg.Connection[Any], job_id: object, keys: list[str]) -> None:
    connection.execute(
        "insert into public.removals (job_id, keys, due_at) values (%s, %s, public.instant())"
        " on conflict (job_id) do update set keys = removals.keys || excluded.keys, due_at = excluded.due_at",
        [job_id, json.dumps(keys)],
    )
