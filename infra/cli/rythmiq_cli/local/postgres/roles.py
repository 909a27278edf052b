"""Makes a fresh Postgres look like a Supabase project: the owner, its database, the API's roles, the migrations.

Each step may be done again and then changes nothing.
"""

import psycopg
from psycopg import sql

from rythmiq_cli.operator import migrations

DATABASE = "rythmiq"
OWNER = "rythmiq"
_API_ROLES = ("anon", "authenticated", "service_role")


def make_owner(superuser_url: str, password: str) -> None:
    """The owner, with what of the attributes of Supabase's `postgres` matters here, and its database."""
    with psycopg.connect(superuser_url, autocommit=True) as server:
        known = server.execute("select from pg_roles where rolname = %s", [OWNER]).rowcount
        server.execute(
            sql.SQL("{} role {} login inherit nosuperuser nocreatedb nocreaterole bypassrls password {}").format(
                sql.SQL("alter" if known else "create"), sql.Identifier(OWNER), sql.Literal(password)
            )
        )
        if server.execute("select from pg_database where datname = %s", [DATABASE]).rowcount == 0:
            server.execute(
                sql.SQL("create database {} owner {} template template0").format(
                    sql.Identifier(DATABASE), sql.Identifier(OWNER)
                )
            )


def make_ready(superuser_url: str) -> None:
    """The API's roles and `auth.uid()` in the owner's database, and the owner's right to use them."""
    owner = sql.Identifier(OWNER)
    with migrations.open_database(superuser_url) as database:
        migrations.bootstrap(database)
        database.execute(sql.SQL("grant {} to {}").format(sql.SQL(", ").join(map(sql.Identifier, _API_ROLES)), owner))
        database.execute(sql.SQL("grant usage on schema auth to {}").format(owner))
        database.execute(sql.SQL("grant execute on all functions in schema auth to {}").format(owner))


def apply_migrations(url: str, *, bootstrap: bool = False) -> None:
    """Apply what is missing.

    Args:
        url: the owner of the tables.
        bootstrap: first make the database look like Supabase, if it does not.
    """
    with migrations.open_database(url) as database:
        if bootstrap and not migrations.looks_like_supabase(database):
            migrations.bootstrap(database)
        migrations.migrate(database)
