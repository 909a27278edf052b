"""`rythmiq token`: be somebody at the cloud on this machine."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from rythmiq_cli.service import checked_id

MAX_TTL_S = 30 * 24 * 60 * 60


def token(
    user: Annotated[str, typer.Option("--user", help="Who: a UUID of version 4.")],
    ttl_s: Annotated[int, typer.Option("--ttl-s", min=1, max=MAX_TTL_S, help="How long it lasts, in seconds.")] = 3_600,
    cloud: Annotated[Path | None, typer.Option("--cloud", help="Folder of a running `rythmiq up`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print a JWT for a cloud on this machine; refused with any SERVICE_ENV but dev, and off loopback.

    Without --cloud the secret and the issuer are read from SUPABASE_JWT_SECRET and SUPABASE_URL.
    """
    who = checked_id(user, "--user")
    from rythmiq_cli.cloud_file import cloud_of_environment, mint_token, read_cloud  # noqa: PLC0415  heavy for `--help`

    minted = mint_token(cloud_of_environment(os.environ) if cloud is None else read_cloud(cloud), who, ttl_s)
    print(json.dumps({"token": minted, "user_id": who, "expires_in_s": ttl_s}) if as_json else minted)
