"""What the tests of the SQL functions share."""

from collections.abc import Iterator

import pytest

from tests.database_calls import Calls, calls_on_a_set_clock


@pytest.fixture
def sql(database_url: str) -> Iterator[Calls]:
    """A database as it is after the migrations, on a set clock; whatever is done to it is undone."""
    with calls_on_a_set_clock(database_url) as calls:
        yield calls
