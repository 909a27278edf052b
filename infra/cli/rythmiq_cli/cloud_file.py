"""What `rythmiq up` leaves in its folder for other commands, `cloud.json`, and tokens for who is to be somebody there.

Tokens are minted for a cloud on this machine and nowhere else: `SERVICE_ENV` must not say anything but dev, and both
the service and the issuer must be on loopback.

Source: SPEC 14.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from rythmiq.settings import LOOPBACK_HOSTS
from rythmiq_cli.exits import unreachable, usage

CLOUD_FILE = "cloud.json"
DEFAULT_TTL_S = 3_600
LOCAL_USER = "00000000-0000-4000-8000-000000000001"
"""Who one is at the local cloud when nothing else is said."""


class Cloud(BaseModel):
    """The parts of `cloud.json` that commands need."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    base_url: str
    database_url: SecretStr
    supabase_url: str
    jwt_secret: SecretStr | None = None
    auth_mode: Literal["jwks", "secret"] = "secret"
    pid: int = Field(ge=1)


def read_cloud(folder: Path) -> Cloud:
    """Read a folder's `cloud.json`; what is wrong with it ends the command."""
    path = folder / CLOUD_FILE if folder.is_dir() else folder
    try:
        return Cloud.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        unreachable(f"{path} is not there; start the cloud with `rythmiq up --data-dir {folder}`")
    except OSError as error:
        usage(f"{path}: {error.strerror}")
    except ValidationError:
        usage(f"{path} is not what `rythmiq up` writes")


def cloud_of_environment(environ: Mapping[str, str]) -> Cloud:
    """The same from the variables that the functions of a local cloud read; what is missing ends the command."""
    try:
        return Cloud(
            base_url=environ.get("RYTHMIQ_URL") or environ.get("PUBLIC_URL") or environ["SUPABASE_URL"],
            database_url=SecretStr(environ.get("DATABASE_URL", "-")),
            supabase_url=environ["SUPABASE_URL"],
            jwt_secret=SecretStr(environ["SUPABASE_JWT_SECRET"]),
            pid=os.getpid(),
        )
    except KeyError as missing:
        usage(f"give --cloud DIR, or set {missing.args[0]}")


def mint_token(cloud: Cloud, user_id: str, ttl_s: int = DEFAULT_TTL_S) -> str:
    """Make a user's JWT for a cloud on this machine; for any other the command ends with a sentence."""
    if os.environ.get("SERVICE_ENV", "dev") not in {"", "-", "dev"}:
        usage("tokens are minted with SERVICE_ENV=dev only; sign in at the service instead")
    for url in (cloud.base_url, cloud.supabase_url):
        if urlsplit(url).hostname not in LOOPBACK_HOSTS:
            usage("tokens are minted for a cloud on this machine only; sign in at the service instead")
    if cloud.auth_mode != "secret" or cloud.jwt_secret is None:
        usage("this cloud verifies tokens by JWKS; whoever holds the private key signs them")
    import jwt  # noqa: PLC0415  other commands need none of it

    now_s = int(time.time())
    claims = {
        "sub": user_id,
        "aud": "authenticated",
        "role": "authenticated",
        "iss": f"{cloud.supabase_url.rstrip('/')}/auth/v1",
        "iat": now_s,
        "exp": now_s + ttl_s,
    }
    return jwt.encode(claims, cloud.jwt_secret.get_secret_value(), algorithm="HS256")
