"""A real Postgres for tests: one server a session, and copies of a migrated database.

`RYTHMIQ_TEST_POSTGRES_BIN` names the `bin` directory of another Postgres (`make test-postgres15`).
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from rythmiq_cli.local.postgres import DATABASE, OWNER, LocalPostgres
from rythmiq_cli.local.postgres.binaries import find_binaries

_number = itertools.count(1)
_ROOM_BYTES = 4_000_000_000


class PostgresForTests:
    """The server, and databases on it."""

    def __init__(self, server: LocalPostgres) -> None:
        self.server = server

    @contextmanager
    def database(self, *, template: str = DATABASE) -> Iterator[str]:
        """A copy of the migrated database, to be thrown away; its owner's URL."""
        name = f"copy_{next(_number)}"
        identifiers = {"name": sql.Identifier(name), "owner": sql.Identifier(OWNER), "of": sql.Identifier(template)}
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as server:
            # Through the log, as is the default, a copy costs twice the CPU.
            copy = "create database {name} owner {owner} template {of} strategy file_copy"
            server.execute(sql.SQL(copy).format(**identifiers))
            try:
                yield self._named(self.server.url, name)
            finally:
                server.execute(sql.SQL("drop database {name} with (force)").format(**identifiers))

    def superuser_url(self, database: str) -> str:
        """The superuser's URL of a database."""
        return self._named(self.server.superuser_url, database)

    @staticmethod
    def _named(url: str, database: str) -> str:
        return url.rsplit("/", 1)[0] + "/" + database


@contextmanager
def _directory() -> Iterator[Path]:
    """For the server's data: in memory where there is room, for a copy is 400 files, ten times the CPU on a disk."""
    in_memory = Path("/dev/shm")  # noqa: S108  a directory of our own in it
    has_room = os.access(in_memory, os.W_OK) and shutil.disk_usage(in_memory).free > _ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="rythmiq-pg-", dir=in_memory if has_room else None) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    """The server of this session, with the migrations applied to the database that is copied."""
    named = os.environ.get("RYTHMIQ_TEST_POSTGRES_BIN")
    binaries = find_binaries(Path(named)) if named else None
    with _directory() as directory, LocalPostgres(directory, binaries=binaries, throwaway=True) as server:
        server.provision()
        yield PostgresForTests(server)


@pytest.fixture(scope="session")
def database_url(postgres: PostgresForTests) -> Iterator[str]:
    """A migrated database that the whole session shares: for tests that look at their own users' rows only."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def fresh_database_url(postgres: PostgresForTests) -> Iterator[str]:
    """A migrated database of one test's own: for tests of the queue, which all users share."""
    with postgres.database() as url:
        yield url
