"""The database port by each way to one Postgres: straight, and through the Data API with either kind of keys."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from rythmiq.adapters.database import SqlDatabase, Transport
from tests.support.database_clients import (
    WAYS,
    Steps,
    new_id,
    transport_by,
)
from tests.support.postgres_fixture import PostgresForTests

ERROR = {"code": "OCR_FAILED", "stage": "ocr", "message": "the engine ended", "retryable": False, "detail": {"n": 1}}


@dataclass(frozen=True)
class Reached:
    """A database, and a way to it."""

    url: str
    transport: Transport


@pytest.fixture(scope="module", params=WAYS)
def reached(request: pytest.FixtureRequest, postgres: PostgresForTests) -> Iterator[Reached]:
    with postgres.database() as url, transport_by(request.param, url) as transport:
        yield Reached(url, transport)


@pytest.fixture
def database(reached: Reached) -> Iterator[SqlDatabase]:
    yield SqlDatabase(reached.transport)
    # The queue is everybody's: whoever waits in it would be started by the next test.
    with psycopg.connect(reached.url) as connection:
        connection.execute("update jobs set not_before = 'infinity' where awaiting_dispatch")
        connection.execute("update jobs set status = 'processing' where status = 'pending'")


@pytest.fixture
def steps(database: SqlDatabase) -> Steps:
    return Steps(database)


@pytest.fixture
def user_id() -> str:
    return new_id()
