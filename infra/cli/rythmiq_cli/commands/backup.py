"""`rythmiq backup`: the rows of a database into a file and back, by Postgres' own programs.

Those get the connection by libpq's environment variables: a list of processes shows no password. The file is readable
by its owner alone.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Annotated

import typer

from rythmiq.contracts.errors import SettingsError
from rythmiq.ports import DatabaseFaultError, UnavailableError
from rythmiq_cli.operator import EnvFile, operator_environ, owners_database_url
from rythmiq_cli.output import EPILOG, ExitCode, unreachable, usage

app = typer.Typer(help="Keep the database's rows, and restore them (operator).", no_args_is_help=True, epilog=EPILOG)
_ROWS = ("--data-only", "--schema=public", "--exclude-table=public.portal_*")  # the migrations bring the rest
_RESTORE = ("--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1")
_NO_TRIGGERS = "--command=set session_replication_role = replica"
_CLIENT = "install the Postgres client of the server's version (Debian: postgresql-client-{major})"


AsJson = Annotated[bool, typer.Option("--json", help="Print the file's name and size as JSON.")]


@app.callback()
def _backup() -> None:
    """Keep the database's rows, and restore them (operator)."""


@app.command(epilog=EPILOG)
def keep(
    file: Annotated[Path, typer.Argument(help="The file to write, readable by its owner alone.")],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the rows of every table but the rule book, which the migrations bring, by pg_dump.

    It needs DATABASE_URL, of the role that owns the tables, and a pg_dump that is not older than the server.
    """
    environ, major = _connection(env_file)
    program = _program("pg_dump", major)
    part = file.with_name(f"{file.name}.part")
    try:
        with suppress(FileNotFoundError):
            part.unlink()
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as rows:
            _run([program, *_ROWS], environ, stdout=rows)
        part.replace(file)
        _done(file, as_json=as_json)
    except OSError as error:
        usage(f"{file}: {error.strerror}")
    finally:
        with suppress(OSError):
            part.unlink()


@app.command(epilog=EPILOG)
def restore(
    file: Annotated[Path, typer.Argument(help="What `rythmiq backup keep` wrote.", exists=True, dir_okay=False)],
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Load the rows into a database that `rythmiq migrate` has just made, all of them or none, by psql.

    It needs DATABASE_URL, of the role that owns the tables, which may set session_replication_role.
    """
    environ, major = _connection(env_file)
    _run([_program("psql", major), *_RESTORE, _NO_TRIGGERS, f"--file={file}"], environ)
    _done(file, as_json=as_json)


def _connection(env_file: Path | None) -> tuple[Mapping[str, str], int]:
    """The variables of libpq for the database, and the server's major version."""
    from rythmiq_cli.operator import migrations  # noqa: PLC0415  psycopg is heavy for `--help`

    url = owners_database_url(operator_environ(env_file, None), env_file)
    if url is None:
        usage("DATABASE_URL is not set: it is the address of the role that owns the tables")
    try:
        variables = libpq_environ(url)
        with migrations.open_database(url) as connection:
            return variables, connection.info.server_version // 10_000
    except SettingsError as error:
        usage(str(error))
    except UnavailableError as error:
        unreachable(str(error))
    except DatabaseFaultError as error:
        usage(str(error))


def libpq_environ(url: str) -> dict[str, str]:
    """The environment variables by which libpq's programs reach the database that a URL names.

    Raises:
        SettingsError: it cannot be used, or sets what no variable can.
    """
    from psycopg import conninfo, pq  # noqa: PLC0415  see above

    from rythmiq.adapters.postgres import connection_string  # noqa: PLC0415  ditto

    known = {option.keyword.decode(): option.envvar for option in pq.Conninfo.get_defaults()}
    found = {}
    for name, value in conninfo.conninfo_to_dict(connection_string(url)).items():
        variable = known.get(name)
        if variable is not None:
            found[variable.decode()] = str(value)
        elif name in conninfo.conninfo_to_dict(url):
            raise SettingsError(f"DATABASE_URL sets {name}, for which libpq's programs have no variable: leave it out")
    return found


def _program(name: str, server_major: int) -> str:
    """Postgres' program, refused when it is older than the server."""
    client = _CLIENT.format(major=server_major)
    found = shutil.which(name)
    if found is None:
        usage(f"{name} is not on the PATH: {client}")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603  found on the PATH
    version = re.search(r"\) (\d+)", said)
    if version is None or int(version[1]) < server_major:
        usage(f"{name} is {said.strip() or 'of no known version'}, and the server is Postgres {server_major}: {client}")
    return found


def _run(command: list[str], environ: Mapping[str, str], *, stdout: IO[bytes] | int = subprocess.DEVNULL) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG") and name != "DATABASE_URL"}
    done = subprocess.run(command, env={**kept, **environ}, stdout=stdout, check=False)  # noqa: S603  ditto
    if done.returncode:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


def _done(file: Path, *, as_json: bool) -> None:
    size_bytes = file.stat().st_size
    if as_json:
        print(json.dumps({"ok": True, "file": str(file), "size_bytes": size_bytes}))
    else:
        print(f"{file}: {size_bytes} bytes of rows")
