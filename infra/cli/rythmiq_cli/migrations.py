"""The numbered SQL files of `infra/database/migrations`, applied in order and each only once.

Each file is one transaction, which also records its number, name and SHA-256 in `rythmiq_ops.rythmiq_migrations` (a
schema that the Data API does not show). A file that was applied must never change or vanish: then nothing is done.
Several may run at once: every transaction takes the same lock and looks again, so this works through a transaction
pooler too, where a session's lock would not.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from rythmiq.contracts.errors import RythmiqError

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK = 7_298_301_104  # any number, the same for everybody who migrates
_PLACES = (
    Path(__file__).parent / "database",  # an installed distribution carries the files with it
    Path(__file__).parents[2] / "database",  # a checkout
)


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
    """Where the SQL files are.

    Raises:
        MigrationError: neither in the distribution nor in a checkout.
    """
    for place in _PLACES:
        if (place / "migrations").is_dir():
            return place
    raise MigrationError("the migrations are missing from this installation")


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


def looks_like_supabase(connection: psycopg.Connection[object]) -> bool:
    """Whether the roles and `auth.uid()` that the migrations count on are there."""
    found = connection.execute(
        "select count(*) = 3 and to_regprocedure('auth.uid()') is not null"
        " from pg_roles where rolname in ('anon', 'authenticated', 'service_role')"
    ).fetchone()
    return found == (True,)


def bootstrap(connection: psycopg.Connection[object]) -> None:
    """Make a plain Postgres look like Supabase. Doing it again changes nothing."""
    _run(connection, (database_dir() / "bootstrap_supabase.sql").read_text(encoding="utf-8"))


def applied_migrations(connection: psycopg.Connection[object]) -> tuple[Applied, ...]:
    """What the database says was applied."""
    with connection.transaction():
        known = connection.execute("select to_regclass('rythmiq_ops.rythmiq_migrations') is not null").fetchone()
        if known != (True,):
            return ()
        rows = connection.execute("select version, name, sha256 from rythmiq_ops.rythmiq_migrations order by version")
        return tuple(Applied(*row) for row in rows)  # type: ignore[misc]  # three columns, by the query


def pending_migrations(files: Sequence[Migration], applied: Sequence[Applied]) -> tuple[Migration, ...]:
    """What is left to apply.

    Raises:
        MigrationError: a file that was applied has changed or is missing.
    """
    by_version = {entry.version: entry for entry in files}
    for entry in applied:
        file = by_version.get(entry.version)
        if file is None:
            raise MigrationError(
                f"{entry.version:04d}_{entry.name}.sql was applied and is missing here: this release is older than the"
                " database"
            )
        if (file.name, file.sha256) != (entry.name, entry.sha256):
            raise MigrationError(
                f"{entry.version:04d}_{entry.name}.sql was applied and has changed since; put it back, and write what"
                " is new into a migration of its own"
            )
    return tuple(file for file in files if file.version > len(applied))


def migrate(connection: psycopg.Connection[object], files: Sequence[Migration] | None = None) -> tuple[Migration, ...]:
    """Apply what is left; what was applied by this call.

    Raises:
        MigrationError: see `pending_migrations`; or a file does not apply, and then it has changed nothing.
    """
    files = read_migrations() if files is None else files
    done = []
    while True:
        with connection.transaction():
            connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
            _make_record(connection)
            left = pending_migrations(files, applied_migrations(connection))
            if not left:
                break
            _apply(connection, left[0])
        done.append(left[0])
    return tuple(done)


def _make_record(connection: psycopg.Connection[object]) -> None:
    connection.execute("create schema if not exists rythmiq_ops")
    connection.execute(
        "create table if not exists rythmiq_ops.rythmiq_migrations ("
        " version integer primary key check (version > 0), name text not null, sha256 text not null,"
        " applied_at timestamptz not null default now())"
    )


def _apply(connection: psycopg.Connection[object], migration: Migration) -> None:
    try:
        _run(connection, migration.sql)
    except psycopg.Error as error:
        raise MigrationError(
            f"{migration.version:04d}_{migration.name}.sql does not apply: {error.diag.message_primary or error}"
        ) from error
    connection.execute(
        "insert into rythmiq_ops.rythmiq_migrations (version, name, sha256) values (%s, %s, %s)",
        [migration.version, migration.name, migration.sha256],
    )


def _run(connection: psycopg.Connection[object], text: str) -> None:
    connection.execute(text.encode())  # bytes: psycopg takes a str for a template only when it is a literal
