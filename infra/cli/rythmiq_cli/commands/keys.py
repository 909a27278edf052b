"""`rythmiq keys`: entries for ENCRYPTION_KEYS, and everything wrapped under the current one."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from rythmiq.contracts.errors import SettingsError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.exits import EPILOG, ExitCode, unreachable, usage
from rythmiq_cli.operator.environment import AnyCloud, EnvFile, is_set, operator_environ, owners_database_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rythmiq_cli.operator.key_rotation import Rotation

app = typer.Typer(
    help="Make keys for ENCRYPTION_KEYS, and change them (operator).", no_args_is_help=True, epilog=EPILOG
)


@app.callback()
def _keys() -> None:
    """Make keys for ENCRYPTION_KEYS, and change them (operator)."""


@app.command(epilog=EPILOG)
def new(
    kid: Annotated[int, typer.Option("--kid", help="1 to 65535; take one that was never used.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print a fresh `kid:base64` entry. Put it first in ENCRYPTION_KEYS, and keep the older ones behind it."""
    try:
        entry = KeyRing.new_entry(kid)
    except ValueError as error:
        usage(str(error))
    print(json.dumps({"kid": kid, "entry": entry}) if as_json else entry)


@app.command(epilog=EPILOG)
def rotate(
    env_file: EnvFile = None,
    cloud: AnyCloud = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Wrap every data key anew under the first key of ENCRYPTION_KEYS: in the database's rows and in objects' headers.

    It needs DATABASE_URL, DO_SPACES_* and ENCRYPTION_KEYS with the old keys still behind the new one. A DATABASE_URL
    that the file leaves unset is taken from the environment. It may be stopped and started again, while the service
    runs. Exit 1 when something is wrapped under a key that the ring has not.
    """
    environ = operator_environ(env_file, cloud)
    try:
        rotation = _rotated(environ, owners_database_url(environ, env_file), dry_run=dry_run)
    except SettingsError as error:
        usage(str(error))
    counts = {"rows": dict(rotation.rows), "objects": dict(rotation.objects), "reasons": dict(rotation.reasons)}
    if as_json:
        print(json.dumps({"ok": rotation.is_complete, "kid": rotation.ring.current_kid, "dry_run": dry_run, **counts}))
    else:
        word = "would be wrapped" if dry_run else "wrapped"
        print(
            f"{rotation.rows['rewrapped']} rows and {rotation.objects['rewrapped']} objects {word} under key", end=" "
        )
        print(rotation.ring.current_kid)
        for reason, count in rotation.reasons.items():
            print(f"{count} not: {reason}")
    if not rotation.is_complete:
        raise typer.Exit(ExitCode.DOES_NOT_CONFORM)


def _rotated(environ: "Mapping[str, str]", database_url: str | None, *, dry_run: bool) -> "Rotation":
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  heavy for `--help`

    from rythmiq.ports.errors import DatabaseFaultError, UnavailableError  # noqa: PLC0415  ditto
    from rythmiq_cli.operator import migrations  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.key_rotation import Rotation  # noqa: PLC0415  ditto
    from rythmiq_cli.operator.store import operator_client, store_config  # noqa: PLC0415  ditto

    if database_url is None:
        usage("DATABASE_URL is not set")
    if not is_set(environ, "ENCRYPTION_KEYS"):
        usage("ENCRYPTION_KEYS is not set")
    config = store_config(environ)
    try:
        ring = KeyRing.parse(environ["ENCRYPTION_KEYS"])
    except ValueError as error:
        usage(f"ENCRYPTION_KEYS: {error}")
    with Console(stderr=True).status("looking ...") as status:
        rotation = Rotation(ring, dry_run)

        def tell() -> None:
            status.update(f"{sum(rotation.rows.values())} rows, {sum(rotation.objects.values())} objects ...")

        rotation.seen = tell
        try:
            with migrations.open_database(database_url) as connection:
                rotation.rotate_rows(connection)
            rotation.rotate_objects(operator_client(config), config.bucket)
        except (UnavailableError, DatabaseFaultError) as error:
            unreachable(f"{error}; what was done stays done, run it again")
        except (BotoCoreError, ClientError) as error:
            unreachable(f"the store does not answer: {type(error).__name__}; what was done stays done, run it again")
    return rotation
