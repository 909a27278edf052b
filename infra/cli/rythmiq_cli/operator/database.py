"""How an operator's command reaches the database: `--cloud`, or DATABASE_URL or Supabase's address and keys.

These are a file's (`--env`) or the environment's.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq_cli.exits import unreachable, usage
from rythmiq_cli.operator.environment import is_set, operator_environ

if TYPE_CHECKING:
    from rythmiq.adapters.database import Transport
    from rythmiq.ports.database import Database
    from rythmiq.settings.api import DatabaseSettings

DatabaseCloud = Annotated[
    Path | None,
    typer.Option("--cloud", help="Data directory of a running `rythmiq up`; default: DATABASE_URL or SUPABASE_*."),
]


@contextlib.contextmanager
def operator_database(cloud: Path | None, env_file: Path | None = None) -> Iterator["Database"]:
    """The database of one command; what is missing, refused or away ends it with a sentence."""
    if cloud is not None and env_file is not None:
        usage("give --env or --cloud, not both")
    from rythmiq.contracts.errors import SettingsError  # noqa: PLC0415  `--help` needs none of it
    from rythmiq.ports.errors import DatabaseFaultError, UnavailableError  # noqa: PLC0415  ditto

    try:
        yield _open(cloud, env_file)
    except SettingsError as error:
        usage(str(error))
    except UnavailableError as error:
        unreachable(str(error))
    except DatabaseFaultError as error:
        usage(f"the database refuses this: {error}")


def _open(cloud: Path | None, env_file: Path | None) -> "Database":
    from rythmiq.adapters.database import SqlDatabase  # noqa: PLC0415  see above
    from rythmiq.settings.api import DatabaseSettings  # noqa: PLC0415  ditto

    environ = operator_environ(env_file, None)
    named = env_file is not None or any(is_set(environ, name) for name in ("DATABASE_URL", "SUPABASE_URL"))
    found = None
    if cloud is not None or not named:
        from rythmiq_cli.local.token import found_cloud  # noqa: PLC0415  ditto

        found = found_cloud(cloud)
    if found is not None and found.database_url is None:
        usage("this cloud's state is behind Supabase's Data API; set SUPABASE_URL and its keys")
    url = None if found is None else found.database_url
    if url is None:
        settings = DatabaseSettings.from_environ(environ)
        if settings.database_url is None:
            return SqlDatabase(_data_api(settings))
        url = settings.database_url.get_secret_value()
    from rythmiq.adapters.postgres import PostgresTransport  # noqa: PLC0415  ditto

    return SqlDatabase(PostgresTransport(url))


def _data_api(settings: "DatabaseSettings") -> "Transport":
    from rythmiq.adapters.supabase import SupabaseTransport  # noqa: PLC0415  see above

    anon, service, url = settings.supabase_anon_key, settings.supabase_service_role_key, settings.supabase_url
    if anon is None or service is None or url is None:
        raise AssertionError("the settings have one database or the other")
    return SupabaseTransport(url, anon.get_secret_value(), service.get_secret_value())
