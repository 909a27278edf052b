"""What the tests of the SQL functions share."""

from collections.abc import Iterator

import pytest

from tests.support.database_calls import Calls, calls_on_a_set_clock
from tests.support.postgres_fixture import PostgresForTests


@pytest.fixture(scope="session")
def untouched_database_url(postgres: PostgresForTests) -> Iterator[str]:
    """A database to which nobody commits."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def sql(untouched_database_url: str) -> Iterator[Calls]:
    """A database as it is after the migrations, on a set clock; whatever is done to it is undone."""
    with calls_on_a_set_clock(untouched_database_url) as calls:
        yield calls
