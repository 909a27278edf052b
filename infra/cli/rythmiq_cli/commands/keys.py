"""`rythmiq keys`: entries for ENCRYPTION_KEYS."""

from typing import Annotated

import typer

from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.exits import EPILOG, usage

app = typer.Typer(help="Make keys for ENCRYPTION_KEYS.", no_args_is_help=True, epilog=EPILOG)


@app.callback()
def _keys() -> None:
    """Make keys for ENCRYPTION_KEYS."""


@app.command(epilog=EPILOG)
def new(kid: Annotated[int, typer.Option("--kid", help="1 to 65535; take one that was never used.")] = 1) -> None:
    """Print a fresh `kid:base64` entry. Put it first in ENCRYPTION_KEYS, and keep the older ones behind it."""
    try:
        print(KeyRing.new_entry(kid))
    except ValueError as error:
        usage(str(error))
