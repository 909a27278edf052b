"""A database that goes away, is not set up, or refuses: which error that is, by each way, and what it does not tell."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from rythmiq.adapters.database import SqlDatabase, Transport
from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.adapters.supabase import SupabaseTransport
from rythmiq.ports import DatabaseFaultError, DatabaseNotReadyError, DatabaseUnavailableError
from rythmiq_cli.local.postgres import LocalPostgres
from tests.support.database_clients import (
    NEW_KEYS,
    NO_ROOM,
    WAYS,
    Steps,
    Way,
    caller,
    finish,
    new_id,
    stub_of,
    supabase_transport,
    transport_by,
)
from tests.support.postgres_fixture import PostgresForTests
from tests.support.supabase_stub import SupabaseStub


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPostgres]:
    with LocalPostgres(tmp_path_factory.mktemp("postgres"), throwaway=True) as found:
        found.provision()
        yield found


@pytest.fixture
def stub(database_url: str) -> Iterator[SupabaseStub]:
    with stub_of(database_url) as found:
        yield found


def wait_until(condition: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def sessions_that_wait(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("select count(*) from pg_stat_activity where wait_event_type = 'Lock'").fetchone()
    return 0 if row is None else int(row[0])


@contextlib.contextmanager
def locked_job(url: str, job_id: str) -> Iterator[None]:
    """Hold a job's row, so that whoever wants to change it waits."""
    with psycopg.connect(url) as connection:
        connection.execute("select from jobs where id = %s for update", [job_id])
        yield
        with contextlib.suppress(psycopg.OperationalError):
            connection.rollback()


# --- the server goes away --------------------------------------------------------------------------------------------


def test_a_stopped_server_is_unavailable_and_a_started_one_is_there_again(way: Way, server: LocalPostgres) -> None:
    with transport_by(way, server.url) as transport:
        database = SqlDatabase(transport)
        database.health()
        server.stop()
        with pytest.raises(DatabaseUnavailableError) as caught:
            database.health()
        server.start()
        assert database.health()["schema_version"]
    assert not isinstance(caught.value, DatabaseNotReadyError)
    assert str(server.port) not in str(caught.value)


def test_a_server_killed_between_two_calls_is_not_noticed_once_it_is_back(way: Way, server: LocalPostgres) -> None:
    with transport_by(way, server.url) as transport:
        database, user_id = SqlDatabase(transport), new_id()
        database.credits_grant(user_id, 1)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.restart()
        assert database.credits_grant(user_id, 1).balance == 2


def test_a_restart_in_the_middle_of_a_call_is_reported_and_changes_nothing(way: Way, server: LocalPostgres) -> None:
    with transport_by(way, server.url) as transport:
        database, user_id = SqlDatabase(transport), new_id()
        job_id, claim = Steps(database).claimed(user_id)
        outcome: list[object] = []

        def settle() -> None:
            try:
                outcome.append(database.job_finish(finish(job_id, str(claim.claim)), NO_ROOM))
            except DatabaseUnavailableError as error:
                outcome.append(error)

        with locked_job(server.url, job_id):
            settling = threading.Thread(target=settle)
            settling.start()
            wait_until(lambda: sessions_that_wait(server.superuser_url))
            server.restart()
            settling.join()
        assert isinstance(outcome[0], DatabaseUnavailableError)
        row = database.job_get(caller(user_id), job_id)
        assert row is not None
        assert row.status == "processing"
        assert database.job_finish(finish(job_id, str(claim.claim)), NO_ROOM).outcome == "completed"


# --- it answers, and not yet -----------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_is_given_up_by_the_server(fresh_database_url: str) -> None:
    with (
        contextlib.closing(PostgresTransport(fresh_database_url)) as patient,
        contextlib.closing(PostgresTransport(fresh_database_url, statement_timeout_s=0.2)) as impatient,
    ):
        user_id = new_id()
        job_id, claim = Steps(SqlDatabase(patient)).claimed(user_id)
        with locked_job(fresh_database_url, job_id), pytest.raises(DatabaseUnavailableError, match="57014"):
            SqlDatabase(impatient).job_finish(finish(job_id, str(claim.claim)), NO_ROOM)
        row = SqlDatabase(patient).job_get(caller(user_id), job_id)
    assert row is not None
    assert row.status == "processing"


def test_a_database_that_takes_no_more_connections_is_unavailable(way: Way, postgres: PostgresForTests) -> None:
    with postgres.database() as url, transport_by(way, url) as transport:
        name = sql.Identifier(url.rpartition("/")[2])
        with psycopg.connect(postgres.superuser_url("postgres"), autocommit=True) as superuser:
            superuser.execute(sql.SQL("alter database {} connection limit 0").format(name))
        with pytest.raises(DatabaseUnavailableError) as caught:
            SqlDatabase(transport).health()
    assert not isinstance(caught.value, DatabaseNotReadyError)


# --- an operator has to act ------------------------------------------------------------------------------------------


def test_a_wrong_password_is_named_and_not_told(database_url: str) -> None:
    password = database_url.split(":")[2].partition("@")[0]
    with pytest.raises(DatabaseNotReadyError, match="password") as caught:
        SqlDatabase(PostgresTransport(database_url.replace(password, "hunter2"))).health()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_database_that_is_not_there_is_named(database_url: str) -> None:
    with pytest.raises(DatabaseNotReadyError, match="database"):
        SqlDatabase(PostgresTransport(f"{database_url}-not")).health()


def test_missing_migrations_are_named(way: Way, postgres: PostgresForTests) -> None:
    with (
        postgres.database(template="template0") as url,
        transport_by(way, url) as transport,
        pytest.raises(DatabaseNotReadyError, match="rythmiq migrate"),
    ):
        SqlDatabase(transport).health()


def test_an_older_function_is_named(way: Way, postgres: PostgresForTests) -> None:
    with postgres.database() as url, transport_by(way, url) as transport:
        with psycopg.connect(url) as connection:
            connection.execute("drop function public.credits_grant(uuid, integer)")
            connection.execute(
                "create function public.credits_grant(p_user uuid) returns jsonb language sql return null::jsonb"
            )
        with pytest.raises(DatabaseNotReadyError, match="rythmiq migrate"):
            SqlDatabase(transport).credits_grant(new_id(), 1)


# --- it refuses what it should have taken ----------------------------------------------------------------------------


def test_a_value_of_the_wrong_type_is_a_fault_that_does_not_tell_the_value(way: Way, database_url: str) -> None:
    with transport_by(way, database_url) as transport:
        with pytest.raises(DatabaseFaultError, match="22P02") as caught:
            SqlDatabase(transport).job_inspect("not-an-id")
        assert "not-an-id" not in str(caught.value)
        assert SqlDatabase(transport).health()


def test_a_refused_row_is_a_fault_that_names_no_value(way: Way, database_url: str) -> None:
    user_id = new_id()
    with transport_by(way, database_url) as transport, pytest.raises(DatabaseFaultError, match="23514") as caught:
        SqlDatabase(transport).credits_grant(user_id, -1)
    assert user_id not in str(caught.value)


class _Answers:
    """A transport to a database of some other release."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def call(self, *_: object) -> object:
        return self._answer


@pytest.mark.parametrize("answer", [None, [], {"outcome": "new in this release"}, "text"])
def test_an_answer_of_another_release_is_a_fault(answer: object) -> None:
    with pytest.raises(DatabaseFaultError, match="job_delete"):
        SqlDatabase(_Answers(answer)).job_delete(new_id(), new_id(), NO_ROOM)


def test_a_list_that_is_none_is_a_fault() -> None:
    with pytest.raises(DatabaseFaultError):
        SqlDatabase(_Answers(None)).jobs_search(status=None, user_id=None, limit=1)


def test_a_document_that_is_none_is_a_fault() -> None:
    with pytest.raises(DatabaseFaultError):
        SqlDatabase(_Answers(None)).health()


# --- what stands before the Data API ---------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [(500, b""), (502, b"<html>"), (503, b"{}"), (504, b"[]"), (429, b'"slow"')])
def test_trouble_of_the_data_api_is_unavailable(stub: SupabaseStub, answer: tuple[int, bytes]) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        stub.faults.answer = answer
        with pytest.raises(DatabaseUnavailableError) as caught:
            SqlDatabase(transport).health()
        assert not isinstance(caught.value, DatabaseNotReadyError)
        assert SqlDatabase(transport).health()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b'{"code":"57014","message":"canceling statement"}', DatabaseUnavailableError),
        (503, b'{"code":"PGRST001","message":"no connection"}', DatabaseUnavailableError),
        (504, b'{"code":"PGRST003","message":"pool"}', DatabaseUnavailableError),
        (405, b'{"code":"25006","message":"read-only"}', DatabaseUnavailableError),
        (500, b'{"code":"XX000","message":"internal"}', DatabaseFaultError),
        (409, b'{"code":"23505","message":"Key (id)=(7)"}', DatabaseFaultError),
        (404, b'{"code":"42883","message":"no function"}', DatabaseNotReadyError),
        (406, b'{"code":"PGRST106","message":"schema"}', DatabaseNotReadyError),
        (401, b"", DatabaseNotReadyError),
        (302, b"", DatabaseNotReadyError),
        (404, b"<html>", DatabaseNotReadyError),
    ],
)
def test_what_the_data_api_says_is_the_same_error_as_the_databases_own(
    stub: SupabaseStub, status: int, body: bytes, error: type[Exception]
) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        stub.faults.answer = (status, body)
        with pytest.raises(error) as caught:
            SqlDatabase(transport).health()
    assert type(caught.value) is error
    assert "(7)" not in str(caught.value)


def test_a_web_page_in_place_of_the_data_api_is_unavailable(stub: SupabaseStub) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        stub.faults.answer = (200, b"<html>welcome</html>")
        with pytest.raises(DatabaseUnavailableError, match="SUPABASE_URL"):
            SqlDatabase(transport).health()


@pytest.mark.parametrize("answer", [(204, b""), (200, b""), (200, b"null")])
def test_nothing_is_null(stub: SupabaseStub, answer: tuple[int, bytes]) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        stub.faults.answer = answer
        assert SqlDatabase(transport).job_inspect(new_id()) is None


def test_a_data_api_that_does_not_answer_in_time_is_unavailable(fresh_database_url: str) -> None:
    with (
        stub_of(fresh_database_url) as stub,
        contextlib.closing(supabase_transport(stub)) as patient,
        contextlib.closing(supabase_transport(stub, NEW_KEYS, timeout_s=0.5)) as impatient,
    ):
        job_id, claim = Steps(SqlDatabase(patient)).claimed(new_id())
        with locked_job(fresh_database_url, job_id), pytest.raises(DatabaseUnavailableError):
            SqlDatabase(impatient).job_finish(finish(job_id, str(claim.claim)), NO_ROOM)


def test_nobody_at_the_address_is_unavailable(tmp_path: Path) -> None:
    unused = LocalPostgres(tmp_path, throwaway=True)
    transports: list[Transport] = [
        PostgresTransport(unused.url),
        SupabaseTransport(f"http://127.0.0.1:{unused.port}", "sb_a", "sb_b"),
    ]
    for transport in transports:
        with pytest.raises(DatabaseUnavailableError) as caught:
            SqlDatabase(transport).health()
        assert str(unused.port) not in str(caught.value)
