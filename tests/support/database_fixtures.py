"""What the tests of the SQL functions share."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.support.database_calls import Calls, undone_calls_on_a_set_clock
from tests.support.postgres_fixture import PostgresForTests


@pytest.fixture(scope="session")
def untouched_database_url(postgres: PostgresForTests) -> Iterator[str]:
    """A database to which nobody commits."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def untouched_database(untouched_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to it that knows its functions: each new one would read and plan them, for 50 ms of CPU."""
    with psycopg.connect(untouched_database_url) as connection:
        yield connection


@pytest.fixture
def sql(untouched_database: psycopg.Connection[Any]) -> Iterator[Calls]:
    """A database as it is after the migrations, on a set clock; whatever is done to it is undone."""
    with undone_calls_on_a_set_clock(untouched_database) as calls:
        yield calls
