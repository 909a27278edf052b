"""`rythmiq migrate`: bring a database to this release."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq.contracts.errors import SettingsError
from rythmiq.ports import DatabaseFaultError, DatabaseUnavailableError
from rythmiq_cli.operator import AnyCloud, EnvFile, operator_environ, owners_database_url
from rythmiq_cli.output import ExitCode, unreachable, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rythmiq_cli.operator.migrations import Migration


def migrate(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            metavar="URL",
            help="The role that owns the tables, by a direct connection or a pooler; better in DATABASE_URL, where no"
            " list of processes shows its password.",
            show_default=False,
        ),
    ] = None,
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when something is left to do.")
    ] = False,
    bootstrap: Annotated[
        bool,
        typer.Option(
            "--bootstrap",
            help="First make a plain Postgres look like Supabase: the API's roles and auth.uid(). Needs a role that may"
            " create roles; leaves Supabase itself alone.",
        ),
    ] = False,
    erase_old: Annotated[
        bool,
        typer.Option(
            "--erase-old",
            help="First end and erase jobs and uploads from before suite 2 of RQE1: nothing opens them any more.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Apply the migrations that are missing, in order, each in a transaction of its own; the rule book is among them.

    Running it again, or twice at once, is safe. Applied migrations are immutable. A DATABASE_URL that the file leaves
    unset is taken from the environment. Exit 1, with nothing changed, while the database holds jobs or uploads whose
    data keys this release cannot open (--erase-old).
    """
    from rythmiq_cli.operator import migrations  # noqa: PLC0415  psycopg: a third of a second that no other command pays

    url = database_url or owners_database_url(operator_environ(env_file, cloud), env_file)
    if url is None:
        usage("set DATABASE_URL, or give --database-url")
    if check and (bootstrap or erase_old):
        usage("--check changes nothing, and --bootstrap and --erase-old do")
    try:
        with migrations.open_database(url) as connection:
            if not migrations.looks_like_supabase(connection):  # what is Supabase is never bootstrapped
                if not bootstrap:
                    usage(
                        "the roles anon, authenticated and service_role or auth.uid() are missing;"
                        " for a Postgres of your own, use --bootstrap"
                    )
                migrations.bootstrap(connection)
            if check:
                files = migrations.read_migrations()
                left = migrations.pending_migrations(files, migrations.applied_migrations(connection))
                _report("pending", left, as_json=as_json, ok=not left)
            else:
                _report("applied", migrations.migrate(connection, erase_old=erase_old), as_json=as_json, ok=True)
    except (migrations.MigrationError, DatabaseFaultError) as error:
        if as_json:
            print(json.dumps({"ok": False, "error": str(error)}))
        else:
            print(f"rythmiq: {error}", file=sys.stderr)
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM) from None
    except SettingsError as error:
        usage(str(error))
    except DatabaseUnavailableError as error:
        unreachable(str(error))


def _report(word: str, listed: "Sequence[Migration]", *, as_json: bool, ok: bool) -> None:
    if as_json:
        rows = [{"version": entry.version, "name": entry.name} for entry in listed]
        print(json.dumps({"ok": ok, word: rows}))
    elif listed:
        for entry in listed:
            print(f"{word} {entry.version:04d}_{entry.name}")
    else:
        print("nothing is left to apply")
    if not ok:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)
