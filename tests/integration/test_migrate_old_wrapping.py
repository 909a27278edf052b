"""`rythmiq migrate` at the one break of stored data: it refuses what nothing opens any more, and erases it if told."""

import json
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from typer.testing import CliRunner, Result

from rythmiq_cli.commands import app
from rythmiq_cli.operator import migrations
from tests.support.database_calls import Calls
from tests.support.postgres_fixture import PostgresForTests


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["migrate", *arguments], env={"DATABASE_URL": url})


def version(url: str) -> int:
    with migrations.open_database(url) as connection:
        return len(migrations.applied_migrations(connection))


@pytest.fixture
def old(postgres: PostgresForTests) -> Iterator[str]:
    """A database of the tree before, without rows."""
    with postgres.database(template="template0") as url:
        with migrations.open_database(postgres.superuser_url(url.rpartition("/")[2])) as superuser:
            migrations.bootstrap(superuser)
            superuser.execute("grant usage on schema auth to rythmiq")
        with migrations.open_database(url) as connection:
            migrations.migrate(connection, migrations.read_migrations()[: migrations.LAST_OLD])
        yield url


def as_superuser(postgres: PostgresForTests, url: str) -> "psycopg.Connection[Any]":
    """Whom row level security does not bind, as it does the owner."""
    return psycopg.connect(postgres.superuser_url(url.rpartition("/")[2]))


@pytest.fixture
def used(postgres: PostgresForTests, old: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """With an ended job, a running one, a waiting one, an upload, and a plaintext job that has ended."""
    jobs: dict[str, dict[str, Any]] = {}
    with as_superuser(postgres, old) as connection:
        sql = Calls(connection, capacity={"max_inflight": 1, "lease_s": 300, "max_attempts": 3})
        user = sql.user(10)
        plain = sql.upload(user, kid=None, wrapped_key=None)
        assert sql.create(user, plain, object_bytes=1000)["outcome"] == "created"
        jobs["plain"] = sql.row(plain["job_id"])
        sql.complete(jobs["plain"])
        for name in ("ended", "running", "waiting"):
            jobs[name] = sql.job(user)
            if name == "ended":
                sql.complete(jobs[name])
        jobs["upload"] = sql.upload(user)
        connection.commit()
    return old, jobs


def rows(url: str, query: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        connection.execute("set role service_role")
        return connection.execute(query, parameters).fetchall()


def test_while_there_is_something_of_it_nothing_is_applied_and_the_way_out_is_named(
    used: tuple[str, dict[str, dict[str, Any]]],
) -> None:
    url, _ = used
    told = run(url)
    assert (told.exit_code, "--erase-old" in told.stderr) == (1, True)
    assert "3 jobs and 4 uploads" in told.stderr
    assert json.loads(run(url, "--json").stdout)["ok"] is False
    assert version(url) == migrations.LAST_OLD


def test_when_told_it_erases_them_refunds_what_had_not_ended_and_migrates(
    used: tuple[str, dict[str, dict[str, Any]]],
) -> None:
    url, jobs = used
    raw = [jobs[name]["raw_path"] for name in ("ended", "running", "waiting", "upload")]
    assert run(url, "--erase-old").exit_code == 0
    assert version(url) == len(migrations.read_migrations())
    assert rows(url, "select from public.jobs where wrapped_key is not null") == []
    assert rows(url, "select from public.uploads where wrapped_key is not null") == []
    erased = dict(rows(url, "select id::text, status from public.jobs where erased_at is not null"))
    assert erased == {
        jobs["ended"]["id"]: "completed",
        jobs["running"]["id"]: "failed",
        jobs["waiting"]["id"]: "failed",
    }
    kinds = rows(url, "select kind from public.credit_ledger where kind in ('refund', 'settle') order by kind")
    assert [kind for (kind,) in kinds] == ["refund", "refund", "settle", "settle"]
    removed = {key for (keys,) in rows(url, "select keys from public.removals") for key in keys}
    assert set(raw) <= removed
    assert any(key.startswith("master/") for key in removed)
    assert run(url).exit_code == 0


def test_a_plaintext_job_stays(used: tuple[str, dict[str, dict[str, Any]]]) -> None:
    url, jobs = used
    assert run(url, "--erase-old").exit_code == 0
    plain = jobs["plain"]["id"]
    query: LiteralString = "select erased_at, artifacts is not null from public.jobs where id = %s"
    assert rows(url, query, plain) == [(None, True)]


def test_a_job_that_is_being_settled_is_waited_for(used: tuple[str, dict[str, dict[str, Any]]]) -> None:
    url, jobs = used
    with psycopg.connect(url) as connection:
        connection.execute("set role service_role")
        connection.execute(
            "update public.jobs set claim = gen_random_uuid(), claim_until = now() + interval '1 minute' where id = %s",
            [jobs["running"]["id"]],
        )
    told = run(url, "--erase-old")
    assert (told.exit_code, "settled" in told.stderr) == (1, True)
    assert version(url) == migrations.LAST_OLD


def test_without_rows_it_migrates_and_beyond_the_break_it_never_refuses(postgres: PostgresForTests, old: str) -> None:
    assert run(old).exit_code == 0
    with as_superuser(postgres, old) as connection:
        sql = Calls(connection)
        sql.job()
        connection.commit()
    assert run(old).exit_code == 0
    assert run(old, "--erase-old").exit_code == 0
    assert len(rows(old, "select from public.jobs where wrapped_key is not null")) == 1


def test_a_check_erases_nothing(old: str) -> None:
    assert run(old, "--check", "--erase-old").exit_code == 2
