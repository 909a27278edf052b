"""Two users with rows in every table, on a database as new Supabase projects are and on one as older ones are."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from rythmiq_cli.local.postgres import OWNER
from rythmiq_cli.operator import migrations
from tests.support.database_calls import Calls
from tests.support.postgres_fixture import PostgresForTests

# What Supabase granted on everything new until 2026: a migration that forgets a revoke is wide open there.
OLDER_SUPABASE = """
alter default privileges for role {owner} in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role {owner} in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges for role {owner} in schema public grant all on sequences to anon, authenticated, service_role;
"""


@dataclass(frozen=True)
class People:
    """A database, and the two users that have rows in it; each has a job that is done and one that waits.

    Attributes:
        calls: a connection of the owner, in a transaction that is rolled back.
    """

    calls: Calls
    owner: str
    other: str
    done: str
    waiting: str


def _people(url: str) -> Iterator[People]:
    with psycopg.connect(url) as connection:
        calls = Calls(connection, capacity={"max_inflight": 2, "lease_s": 300, "max_attempts": 3})
        connection.execute("insert into public.portal_aliases values ('any-name', 'neet-2026')")
        connection.execute(
            "insert into public.key_fingerprints values ('encryption', 1, '0123456789abcdef', now(), now(), now())"
        )
        done: dict[str, str] = {}
        users = [calls.user(5), calls.user(5)]
        for user in users:
            job = calls.job(user)
            calls.complete(job)
            calls.fail(calls.job(user))
            done[user] = job["id"]
        calls("operator_credits_grant", user_id=users[0], amount=1, actor="root@host")
        calls("operator_credits_grant", user_id=users[1], amount=1, actor="root@host")
        erased = calls.user(1)
        calls("account_erase", user_id=erased, actor=None)
        connection.execute("insert into public.erasures (user_id, due_at) values (gen_random_uuid(), now())")
        calls.capacity["max_inflight"] = 0
        waiting = {user: calls.job(user)["id"] for user in users}
        yield People(calls, users[0], users[1], done[users[0]], waiting[users[0]])
        connection.rollback()


@pytest.fixture(scope="module", params=["new Supabase", "older Supabase"])
def people(request: pytest.FixtureRequest, postgres: PostgresForTests) -> Iterator[People]:
    """Both kinds of project in turn."""
    if request.param == "new Supabase":
        with postgres.database() as url:
            yield from _people(url)
        return
    with postgres.database(template="template0") as url:
        name = url.rsplit("/", 1)[1]
        with psycopg.connect(postgres.superuser_url(name)) as server:
            migrations.bootstrap(server)
            server.execute(sql.SQL("grant usage on schema auth to {}").format(sql.Identifier(OWNER)))
            server.execute(sql.SQL("grant execute on all functions in schema auth to {}").format(sql.Identifier(OWNER)))
            server.execute(OLDER_SUPABASE.replace("{owner}", OWNER).encode())
        with migrations.open_database(url) as connection:
            migrations.migrate(connection)
        yield from _people(url)
