"""The migrations and the declared schema come to the same database."""

import psycopg
import pytest
from psycopg import sql

from rythmiq_cli.local.postgres import OWNER
from rythmiq_cli.operator.migrations import bootstrap, database_dir, read_migrations
from tests.support.database_calls import Calls
from tests.support.database_catalog import catalog
from tests.support.postgres_fixture import PostgresForTests


def test_all_migrations_together_are_the_declared_schema(postgres: PostgresForTests) -> None:
    declared = (database_dir() / "schema.sql").read_bytes()
    with postgres.database() as migrated, postgres.database(template="template0") as empty:
        with psycopg.connect(postgres.superuser_url(empty.rsplit("/", 1)[1])) as server:
            bootstrap(server)
            server.execute(sql.SQL("grant usage on schema auth to {}").format(sql.Identifier(OWNER)))
        with psycopg.connect(empty) as connection:
            connection.execute(declared)
            written = catalog(connection)
        with psycopg.connect(migrated) as connection:
            assert catalog(connection) == written


@pytest.mark.parametrize(
    "change",
    [
        "alter table public.jobs add column extra text",
        "alter table public.jobs alter column stage set default 'init'",
        "alter table public.jobs no force row level security",
        "alter table public.jobs disable trigger jobs_guard",
        "drop index public.queue_waiting",
        "drop policy own_jobs on public.jobs",
        "grant select on public.metrics to anon",
        "grant select (wrapped_key) on public.jobs to authenticated",
        "grant execute on function public.jobs_tick(integer, integer, integer) to authenticated",
        "alter function public.job_get(uuid) security definer",
        "alter view public.job_lines set (security_invoker = false)",
        "alter table public.user_credits drop constraint user_credits_balance_check",
    ],
)
def test_the_comparison_sees_every_kind_of_difference(database_url: str, change: str) -> None:
    with psycopg.connect(database_url) as connection:
        before = catalog(connection)
        connection.execute(change.encode())
        assert catalog(connection) != before
        connection.rollback()


def test_an_owner_whom_row_level_security_binds_can_migrate_and_the_service_works(postgres: PostgresForTests) -> None:
    """Supabase's owner is not bound by it, but somebody's own Postgres may have one who is."""
    with postgres.database(template="template0") as url:
        name = url.rsplit("/", 1)[1]
        with psycopg.connect(postgres.superuser_url(name)) as server:
            bootstrap(server)
            server.execute(
                "create role bound login; grant anon, authenticated, service_role to bound;"
                "grant create, usage on schema public to bound; grant usage on schema auth to bound;"
                "grant execute on all functions in schema auth to bound; set session authorization bound"
            )
            for migration in read_migrations():
                server.execute(migration.sql.encode())
            calls = Calls(server)
            user = calls.user(3)
            job_id = calls.create(user)["job_id"]
            assert calls.as_user(user, "job_get", job_id=job_id)["status"] == "processing"
            server.execute("select set_config('request.jwt.claims', '', true)")
            assert server.execute("select from public.jobs").rowcount == 0  # bound indeed
            server.rollback()


def test_no_migration_needs_a_superuser_or_an_extension() -> None:
    """Supabase's `postgres` role is no superuser, and the wheel's Postgres brings no pgcrypto."""
    for migration in read_migrations():
        text = migration.sql.lower()
        assert not {word for word in ("create extension", "alter system", "session_replication_role") if word in text}
