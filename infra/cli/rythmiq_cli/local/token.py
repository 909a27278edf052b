"""Tokens for a cloud on this machine, so that one can be somebody there.

They are minted for no other: `SERVICE_ENV` must not say anything but dev, and both the service and the issuer must be
on loopback.

Source: docs/specification/commands.md.
"""

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from rythmiq.settings.environment import LOOPBACK_HOSTS
from rythmiq_cli.exits import unreachable, usage
from rythmiq_cli.local.cloud_file import DEFAULT_DATA_DIR, FILE_NAME, CloudFile, CloudFileError

DEFAULT_TTL_S = 3_600
LOCAL_USER = "00000000-0000-4000-8000-000000000001"
"""Who one is at the local cloud when nothing else is said."""


def found_cloud(folder: Path | None) -> CloudFile | None:
    """The cloud of a folder; without one, what runs in the usual place, if anything. A bad folder ends the command."""
    if folder is None and not (DEFAULT_DATA_DIR / FILE_NAME).is_file():
        return None
    try:
        return CloudFile.read(folder or DEFAULT_DATA_DIR)
    except CloudFileError as error:
        unreachable(str(error))


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens a service takes, and the secret that signs them."""

    url: str
    secret: str | None = field(repr=False)
    base_url: str | None = None

    @classmethod
    def of_cloud(cls, cloud: CloudFile) -> Self:
        """The issuer of a running cloud."""
        return cls(cloud.supabase_url, cloud.jwt_secret if cloud.auth_mode == "secret" else None, cloud.base_url)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Self | None:
        """The issuer that the functions' own variables name; None when they name none."""
        url, secret = (environ.get(name, "-") for name in ("SUPABASE_URL", "SUPABASE_JWT_SECRET"))
        return None if {url, secret} & {"", "-"} else cls(url, secret)


def mint_token(issuer: Issuer, user_id: str, ttl_s: int = DEFAULT_TTL_S) -> str:
    """Make a user's JWT for a cloud on this machine; for any other the command ends with a sentence."""
    if os.environ.get("SERVICE_ENV", "dev") not in {"", "-", "dev"}:
        usage("tokens are minted with SERVICE_ENV=dev only; sign in at the service instead")
    if any(urlsplit(url).hostname not in LOOPBACK_HOSTS for url in (issuer.url, issuer.base_url) if url is not None):
        usage("tokens are minted for a cloud on this machine only; sign in at the service instead")
    if issuer.secret is None:
        usage("this cloud verifies tokens by JWKS; whoever holds the private key signs them")
    import jwt  # noqa: PLC0415  other commands need none of it

    now_s = int(time.time())
    claims = {
        "sub": user_id,
        "aud": "authenticated",
        "role": "authenticated",
        "iss": f"{issuer.url.rstrip('/')}/auth/v1",
        "iat": now_s,
        "exp": now_s + ttl_s,
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The HMAC key is")  # in dev a short secret will do
        return jwt.encode(claims, issuer.secret, algorithm="HS256")
