"""`rythmiq token`: be somebody at the cloud on this machine."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from rythmiq_cli.exits import usage
from rythmiq_cli.service import checked_id

MAX_TTL_S = 30 * 24 * 60 * 60


def token(
    user: Annotated[str, typer.Option("--user", help="Who: a UUID of version 4.")],
    ttl_s: Annotated[int, typer.Option("--ttl-s", min=1, max=MAX_TTL_S, help="How long it lasts, in seconds.")] = 3_600,
    cloud: Annotated[Path | None, typer.Option("--cloud", help="Data directory of a running `rythmiq up`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print a JWT for a cloud on this machine; refused with any SERVICE_ENV but dev, and off loopback.

    Without --cloud the issuer and its secret are SUPABASE_URL and SUPABASE_JWT_SECRET, or else what runs here.
    """
    who = checked_id(user, "--user")
    from rythmiq_cli.local.token import Issuer, found_cloud, mint_token  # noqa: PLC0415  heavy for `--help`

    issuer = Issuer.of_environment(os.environ) if cloud is None else None
    if issuer is None:
        found = found_cloud(cloud)
        if found is None:
            usage("give --cloud DIR of a running `rythmiq up`, or set SUPABASE_URL and SUPABASE_JWT_SECRET")
        issuer = Issuer.of_cloud(found)
    minted = mint_token(issuer, who, ttl_s)
    print(json.dumps({"token": minted, "user_id": who, "expires_in_s": ttl_s}) if as_json else minted)
