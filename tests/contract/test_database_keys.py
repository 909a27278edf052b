"""A ring that is not the one of its keys' first use is refused by the call that it would write with, by every way."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from rythmiq.adapters.database import SqlDatabase
from rythmiq.adapters.postgres import PostgresTransport
from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.wiring.factories import keys_header
from tests.support.database_clients import NO_ROOM, ROOM, WAYS, new_id, new_job, new_upload, transport_by
from tests.support.wire_spy import wire_spy

ONE, TWO, THREE, OTHER = (KeyRing.new_entry(kid) for kid in (1, 2, 3, 1))
DISPATCH = KeyRing.new_entry(1)


def header(keys: str, dispatch: str = DISPATCH) -> Mapping[str, str]:
    """What a function presents that has these rings."""
    return keys_header(encryption=KeyRing.parse(keys), dispatch=KeyRing.parse(dispatch))


class Deployment:
    """A database, and functions that come with one ring or another."""

    def __init__(self, url: str, way: Any, stack: ExitStack) -> None:
        self.url, self._way, self._stack = url, way, stack

    def with_ring(self, keys: str, dispatch: str = DISPATCH) -> SqlDatabase:
        return SqlDatabase(self._stack.enter_context(transport_by(self._way, self.url, header(keys, dispatch))))

    def upload(self, keys: str, dispatch: str = DISPATCH) -> str:
        return self.with_ring(keys, dispatch).upload_create(new_upload(new_id()), initial_credits=3).outcome

    def known(self, ring: str = "encryption") -> dict[int, str]:
        with psycopg.connect(self.url) as connection:
            connection.execute("set role service_role")
            row = connection.execute("select public.key_state()").fetchone()
        assert row is not None
        return {key["kid"]: key["fingerprint"] for key in row[0]["keys"] if key["ring"] == ring}

    def sql(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute("set role service_role")
            connection.execute(statement.encode())


@pytest.fixture(params=WAYS)
def deployment(request: pytest.FixtureRequest, fresh_database_url: str) -> Iterator[Deployment]:
    with ExitStack() as stack:
        yield Deployment(fresh_database_url, request.param, stack)


def test_a_key_is_known_from_its_first_use_on(deployment: Deployment) -> None:
    assert deployment.known() == {}
    assert deployment.upload(ONE) == "created"
    assert deployment.known() == KeyRing.parse(ONE).fingerprints
    assert deployment.known("dispatch") == KeyRing.parse(DISPATCH).fingerprints


def test_another_key_under_a_known_kid_is_refused_by_name_and_writes_nothing(deployment: Deployment) -> None:
    deployment.upload(ONE)
    with pytest.raises(SettingsError, match=r"ENCRYPTION_KEYS: key 1 is not the one") as refused:
        deployment.upload(OTHER)
    assert OTHER.partition(":")[2] not in str(refused.value)
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS: key 1 "):
        deployment.upload(f"{TWO},{OTHER}")  # an old key that is wrong is refused before anything needs it
    with pytest.raises(SettingsError, match="DISPATCH_KEYS: key 1 "):
        deployment.upload(ONE, dispatch=OTHER)
    assert deployment.known() == KeyRing.parse(ONE).fingerprints
    with psycopg.connect(deployment.url) as connection:
        connection.execute("set role service_role")
        assert connection.execute("select count(*) from public.uploads").fetchone() == (1,)


def test_a_tick_makes_a_new_key_known_and_starts_nothing_under_a_wrong_one(deployment: Deployment) -> None:
    deployment.with_ring(ONE).jobs_tick(ROOM)
    deployment.with_ring(f"{TWO},{ONE}").jobs_tick(ROOM)
    assert deployment.known() == KeyRing.parse(f"{ONE},{TWO}").fingerprints
    wrong = deployment.with_ring(f"{TWO},{OTHER}")
    wrong.jobs_tick(ROOM)  # without work nothing is sealed
    right = deployment.with_ring(f"{TWO},{ONE}")
    upload = new_upload(new_id())
    right.upload_create(upload, initial_credits=3)
    assert right.job_create(new_job(upload), NO_ROOM).status == "pending"
    with pytest.raises(SettingsError, match="ENCRYPTION_KEYS: key 1 "):
        wrong.jobs_tick(ROOM)
    assert right.jobs_tick(ROOM).dispatch is not None


def test_an_old_key_that_was_never_first_is_not_taken_for_the_one_of_its_kid(deployment: Deployment) -> None:
    deployment.upload(f"{TWO},{OTHER}")
    assert set(deployment.known()) == {2}


def test_a_retired_key_may_stand_behind_and_not_first(deployment: Deployment) -> None:
    deployment.upload(ONE)
    deployment.upload(f"{TWO},{ONE}")
    deployment.sql("update public.key_fingerprints set retired_at = now() where kid = 1 and ring = 'encryption'")
    assert deployment.upload(f"{TWO},{ONE}") == "created"
    with pytest.raises(SettingsError, match="key 1 is retired and stands first"):
        deployment.upload(f"{ONE},{TWO}")


def test_functions_without_a_ring_are_asked_nothing(deployment: Deployment) -> None:
    deployment.upload(ONE)
    plain = SqlDatabase(deployment._stack.enter_context(transport_by(deployment._way, deployment.url)))
    assert plain.upload_create(new_upload(new_id()), initial_credits=3).outcome == "created"


# --- one database alone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    ["fingerprint = '0123456789abcdef'", "kid = 9", "ring = 'dispatch'", "first_used_at = now() + '1 h'"],
)
def test_a_fingerprint_is_never_changed(fresh_database_url: str, change: str) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(
            "insert into public.key_fingerprints values ('encryption', 1, 'fedcba9876543210', now(), now(), now())"
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(f"update public.key_fingerprints set {change}".encode())  # noqa: S608  the test's own


def test_a_retired_key_never_comes_back(fresh_database_url: str) -> None:
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(
            "insert into public.key_fingerprints"
            " values ('encryption', 1, 'fedcba9876543210', now(), now(), now(), now())"
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("update public.key_fingerprints set retired_at = null")


def test_the_comparison_costs_no_round_trip(fresh_database_url: str) -> None:
    with wire_spy(fresh_database_url) as spy:
        transport = PostgresTransport(spy.url(fresh_database_url)).presenting(header(ONE))
        for _ in range(2):  # the first use, and one that finds it known
            spy.sent.clear()
            SqlDatabase(transport).upload_create(new_upload(new_id()), initial_credits=3)
            assert spy.sent[-1:] == ["Q"]
            assert spy.sent.count("Q") == 1
        transport.close()


def test_when_the_key_was_seen_is_noted_once_a_minute_and_waits_for_nobody(fresh_database_url: str) -> None:
    database = SqlDatabase(PostgresTransport(fresh_database_url).presenting(header(ONE)))
    database.jobs_tick(ROOM)

    def seen() -> Any:
        with psycopg.connect(fresh_database_url) as connection:
            connection.execute("set role service_role")
            return connection.execute("select min(seen_at) from public.key_fingerprints").fetchone()

    first = seen()
    database.jobs_tick(ROOM)
    assert seen() == first
    with psycopg.connect(fresh_database_url, autocommit=True) as owner:
        owner.execute("set role service_role")
        owner.execute("update public.key_fingerprints set seen_at = '2020-01-01', current_at = '2020-01-01'")
    with psycopg.connect(fresh_database_url) as holder:
        holder.execute("select pg_advisory_xact_lock(7298301106)")
        database.jobs_tick(ROOM)  # the note is somebody else's just now
    database.jobs_tick(ROOM)
    assert seen() >= first


def test_of_many_first_uses_at_once_one_key_is_kept_and_the_others_are_refused_from_then_on(
    fresh_database_url: str,
) -> None:
    rings = [KeyRing.new_entry(1) for _ in range(4)]

    def use(keys: str) -> bool:
        database = SqlDatabase(PostgresTransport(fresh_database_url).presenting(header(keys)))
        try:
            return database.upload_create(new_upload(new_id()), initial_credits=3).outcome == "created"
        except SettingsError:
            return False

    threads = [threading.Thread(target=use, args=[keys]) for keys in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(use(keys) for keys in rings) == 1


def test_a_fingerprint_is_the_keys_alone_and_shows_nothing_of_it() -> None:
    key = ONE.partition(":")[2]
    assert KeyRing.parse(f"7:{key}").fingerprints[7] == KeyRing.parse(ONE).fingerprints[1]
    assert KeyRing.parse(f"{TWO},{ONE}").fingerprints.keys() == {2, 1}
    text = json.dumps(header(f"{THREE},{ONE}"))
    assert key not in text
    known = KeyRing({1: bytes(range(32))}).fingerprints[1]
    assert known == "ea2e03d00aff4b83"
