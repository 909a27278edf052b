"""Whose role a call ends in: users see their own rows and write nothing, by each way to the database."""

import contextlib
from collections.abc import Iterator

import pytest

from rythmiq.adapters.database import SqlDatabase, Transport
from rythmiq.ports import DatabaseNotReadyError
from tests.support.database_clients import (
    LEGACY_KEYS,
    NEW_KEYS,
    WAYS,
    Steps,
    caller,
    every_call,
    new_id,
    stub_of,
    supabase_transport,
    transport_by,
)
from tests.support.supabase_stub import Key, SupabaseStub

READS = {"job_get", "jobs_list"}


@pytest.fixture(params=WAYS)
def transport(request: pytest.FixtureRequest, database_url: str) -> Iterator[Transport]:
    with transport_by(request.param, database_url) as found:
        yield found


@pytest.fixture
def stub(database_url: str) -> Iterator[SupabaseStub]:
    with stub_of(database_url) as found:
        yield found


@contextlib.contextmanager
def keyed(stub: SupabaseStub, keys: tuple[Key, ...]) -> Iterator[Transport]:
    with contextlib.closing(supabase_transport(stub, keys)) as transport:
        yield transport


def test_another_users_jobs_are_not_there(transport: Transport) -> None:
    database, owner = SqlDatabase(transport), new_id()
    job_id = Steps(database).pending(owner)
    stranger = caller(new_id())
    assert database.job_get(stranger, job_id) is None
    assert database.jobs_list(stranger, status=None, limit=9, before=None) == ()
    assert database.job_get(caller(owner), job_id) is not None


def test_only_reads_of_jobs_go_in_the_users_own_role() -> None:
    who = caller(new_id())
    assert {name for name, call in every_call(who).items() if call[2] is not None} == READS


@pytest.mark.parametrize("method", sorted(set(every_call(caller(new_id()))) - READS))
def test_a_user_is_refused_whatever_is_not_such_a_read(transport: Transport, method: str) -> None:
    who = caller(new_id())
    function, arguments, _ = every_call(who)[method]
    with pytest.raises(DatabaseNotReadyError, match="42501"):
        transport.call(function, arguments, who)


def test_claims_that_name_another_role_do_not_give_it(transport: Transport) -> None:
    database = SqlDatabase(transport)
    job_id = Steps(database).pending(new_id())
    forged = caller(new_id(), role="postgres")
    with contextlib.suppress(DatabaseNotReadyError):  # the Data API refuses such a role at all
        assert database.job_get(forged, job_id) is None


@pytest.mark.parametrize("keys", [LEGACY_KEYS, NEW_KEYS], ids=["legacy keys", "new keys"])
@pytest.mark.parametrize("method", sorted(every_call(caller(new_id()))))
def test_the_anon_key_alone_may_call_nothing(stub: SupabaseStub, keys: tuple[Key, ...], method: str) -> None:
    anon, _ = keys
    function, arguments, _ = every_call(caller(new_id()))[method]
    with keyed(stub, (anon, anon)) as transport, pytest.raises(DatabaseNotReadyError, match="42501"):
        transport.call(function, arguments)


def test_a_token_of_another_project_is_refused(stub: SupabaseStub) -> None:
    who = caller(new_id())
    forged = type(who)(who.user_id, who.token[:-6] + "AAAAAA", who.claims)
    with keyed(stub, NEW_KEYS) as transport, pytest.raises(DatabaseNotReadyError, match="PGRST301"):
        SqlDatabase(transport).job_get(forged, new_id())


def test_a_token_that_has_expired_meanwhile_is_refused(stub: SupabaseStub) -> None:
    with keyed(stub, NEW_KEYS) as transport, pytest.raises(DatabaseNotReadyError, match="PGRST303"):
        SqlDatabase(transport).job_get(caller(new_id(), exp=1_000_000_000), new_id())


def test_a_key_that_the_gateway_does_not_know_is_refused_and_not_told(stub: SupabaseStub) -> None:
    unknown = Key("sb_secret_of-nobody", "service_role")
    with keyed(stub, (unknown, unknown)) as transport, pytest.raises(DatabaseNotReadyError) as caught:
        SqlDatabase(transport).health()
    assert "of-nobody" not in str(caught.value)


def test_new_keys_go_as_apikey_alone(stub: SupabaseStub) -> None:
    with keyed(stub, NEW_KEYS) as transport:
        SqlDatabase(transport).health()
    assert stub.headers[0]["apikey"] == NEW_KEYS[1].value
    assert "authorization" not in stub.headers[0]


def test_legacy_keys_go_as_the_bearer_too(stub: SupabaseStub) -> None:
    with keyed(stub, LEGACY_KEYS) as transport:
        SqlDatabase(transport).health()
    assert stub.headers[0]["apikey"] == LEGACY_KEYS[1].value
    assert stub.headers[0]["authorization"] == f"Bearer {LEGACY_KEYS[1].value}"


@pytest.mark.parametrize("keys", [LEGACY_KEYS, NEW_KEYS], ids=["legacy keys", "new keys"])
def test_reads_go_with_the_anon_key_and_the_users_token(stub: SupabaseStub, keys: tuple[Key, ...]) -> None:
    who = caller(new_id())
    with keyed(stub, keys) as transport:
        SqlDatabase(transport).job_get(who, new_id())
    assert stub.headers[0]["apikey"] == keys[0].value
    assert stub.headers[0]["authorization"] == f"Bearer {who.token}"
