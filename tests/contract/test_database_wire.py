"""What goes over the wire: one message a call, no state left behind, and what a broken line does."""

import contextlib
import threading
from collections.abc import Iterator

import pytest

from rythmiq.adapters.database import SqlDatabase
from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.ports import DatabaseUnavailableError
from tests.support.database_clients import Steps, caller, every_call, new_id, stub_of, supabase_transport
from tests.support.supabase_stub import SupabaseStub
from tests.support.wire_spy import WireSpy, wire_spy

METHODS = sorted(every_call(caller(new_id())))


@pytest.fixture
def spy(database_url: str) -> Iterator[WireSpy]:
    with wire_spy(database_url) as found:
        yield found


@pytest.fixture
def transport(spy: WireSpy, database_url: str) -> Iterator[PostgresTransport]:
    with contextlib.closing(PostgresTransport(spy.url(database_url))) as found:
        yield found


@pytest.fixture
def stub(database_url: str) -> Iterator[SupabaseStub]:
    with stub_of(database_url) as found:
        yield found


def balance(database_url: str, user_id: str) -> int:
    with contextlib.closing(PostgresTransport(database_url)) as transport:
        return SqlDatabase(transport).account(user_id, initial_credits=None).balance


@pytest.mark.parametrize("method", METHODS)
def test_a_call_is_one_simple_query_and_nothing_else(spy: WireSpy, transport: PostgresTransport, method: str) -> None:
    SqlDatabase(transport).health()
    spy.sent.clear()
    transport.call(*every_call(caller(new_id()))[method])
    assert spy.sent == ["Q"]
    assert spy.connections == 1


@pytest.mark.parametrize("method", METHODS)
def test_a_call_is_one_request_on_a_connection_that_is_kept(stub: SupabaseStub, method: str) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        for _ in range(2):
            function, arguments, who = every_call(caller(new_id()))[method]
            transport.call(function, arguments, who)
    assert stub.faults.seen == [function, function]
    assert len(stub.connections) == 1


def test_a_call_leaves_nothing_in_the_session(database_url: str) -> None:
    def state() -> list[tuple[object, ...]]:
        return transport._idle[-1].connection.execute(query).fetchall()

    query = (
        "select current_user, current_setting('role'), coalesce(current_setting('request.jwt.claims', true), ''),"
        " current_setting('statement_timeout'), current_setting('transaction_read_only'),"
        " (select count(*) from pg_prepared_statements)"
    )
    with contextlib.closing(PostgresTransport(database_url)) as transport:
        SqlDatabase(transport).job_get(caller(new_id()), new_id())
        assert state() == [("rythmiq", "none", "", "0", "off", 0)]
        with contextlib.suppress(DatabaseUnavailableError):
            transport.call("no_such_function", {}, caller(new_id()))
        assert state() == [("rythmiq", "none", "", "0", "off", 0)]


# --- lines that break ------------------------------------------------------------------------------------------------


def test_connections_that_were_closed_while_idle_are_replaced_unseen(
    spy: WireSpy, transport: PostgresTransport, database_url: str
) -> None:
    database, user_id = SqlDatabase(transport), new_id()
    database.credits_grant(user_id, 1)
    spy.hang_up()
    database.credits_grant(user_id, 1)
    assert spy.connections == 2
    assert balance(database_url, user_id) == 2


def test_a_connection_that_lay_idle_for_too_long_is_not_trusted(spy: WireSpy, database_url: str) -> None:
    with contextlib.closing(PostgresTransport(spy.url(database_url), max_idle_s=0.0)) as transport:
        SqlDatabase(transport).health()
        SqlDatabase(transport).health()
    assert spy.connections == 2


def test_a_read_whose_line_breaks_is_sent_again(spy: WireSpy, transport: PostgresTransport) -> None:
    database, user_id = SqlDatabase(transport), new_id()
    job_id = Steps(database).pending(user_id)
    spy.break_next = "before the answer"
    assert database.job_get(caller(user_id), job_id) is not None
    spy.break_next = "before the server sees it"
    assert database.job_get(caller(user_id), job_id) is not None


def test_a_write_whose_answer_is_lost_is_done_once_and_reported(
    spy: WireSpy, transport: PostgresTransport, database_url: str
) -> None:
    database, user_id = SqlDatabase(transport), new_id()
    database.health()
    spy.break_next = "before the answer"
    with pytest.raises(DatabaseUnavailableError):
        database.credits_grant(user_id, 5)
    assert balance(database_url, user_id) == 5


def test_a_write_that_may_have_arrived_is_not_sent_again(
    spy: WireSpy, transport: PostgresTransport, database_url: str
) -> None:
    database, user_id = SqlDatabase(transport), new_id()
    database.health()
    spy.break_next = "before the server sees it"
    with pytest.raises(DatabaseUnavailableError):
        database.credits_grant(user_id, 5)
    assert balance(database_url, user_id) == 0
    assert database.credits_grant(user_id, 5).balance == 5


def test_a_server_that_never_answers_is_given_up(spy: WireSpy, transport: PostgresTransport, database_url: str) -> None:
    with contextlib.closing(PostgresTransport(spy.url(database_url), statement_timeout_s=0.1)) as impatient:
        spy.break_next = "never answer"
        with pytest.raises(DatabaseUnavailableError, match="in time"):
            SqlDatabase(impatient).health()
        assert impatient._idle == []
    assert SqlDatabase(transport).health()


def test_threads_share_a_transport(transport: PostgresTransport) -> None:
    database, users, found = SqlDatabase(transport), [new_id() for _ in range(12)], {}

    def run(user_id: str, amount: int) -> None:
        for _ in range(5):
            found[user_id] = database.credits_grant(user_id, amount).balance

    threads = [threading.Thread(target=run, args=(user_id, n)) for n, user_id in enumerate(users, start=1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {user_id: 5 * n for n, user_id in enumerate(users, start=1)}
    assert len(transport._idle) <= 4


def test_a_read_over_http_whose_line_breaks_is_sent_again(stub: SupabaseStub) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        database, user_id = SqlDatabase(transport), new_id()
        job_id = Steps(database).pending(user_id)
        stub.faults.hang_up_after = True
        assert database.job_get(caller(user_id), job_id) is not None


@pytest.mark.parametrize(("fault", "done"), [("hang_up_before", 0), ("hang_up_after", 5)])
def test_a_write_over_http_whose_line_breaks_is_not_sent_again(
    stub: SupabaseStub, database_url: str, fault: str, done: int
) -> None:
    with contextlib.closing(supabase_transport(stub)) as transport:
        database, user_id = SqlDatabase(transport), new_id()
        database.health()
        setattr(stub.faults, fault, True)
        with pytest.raises(DatabaseUnavailableError):
            database.credits_grant(user_id, 5)
    assert balance(database_url, user_id) == done
