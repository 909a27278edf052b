"""Access to the local cloud: `cloud.json`, private files, and tokens for its users.

`cloud.json` is there while the cloud is ready, and readable by its owner only. Tokens are minted for no other cloud:
`SERVICE_ENV` must be dev, and both the service and the issuer must be on loopback.
"""

import json
import os
import secrets
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rythmiq.contracts.errors import RythmiqError
from rythmiq.contracts.origins import LOOPBACK_HOSTS
from rythmiq_cli.exits import unreachable, usage


class CloudError(RythmiqError):
    """The cloud does not start; the message says why."""


class CloudUsageError(CloudError):
    """The options or variables cannot be used."""


FILE_NAME = "cloud.json"
DEFAULT_DATA_DIR = Path(".rythmiq-cloud")


def write_private(file: Path, text: str) -> None:
    """Write a whole file that only its owner may read."""
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600, exist_ok=False)
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


def made_once(file: Path, make: Callable[[], Any]) -> Any:
    """The JSON of a private file, which is made the first time."""
    if not file.exists():
        write_private(file, json.dumps(make()))
    return json.loads(file.read_text(encoding="utf-8"))


def made_store_keys(data_dir: Path) -> tuple[str, str]:
    """The access key and secret key of a local store's directory, made the first time."""
    keys = made_once(
        data_dir / "keys.json", lambda: ["LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)]
    )
    return str(keys[0]), str(keys[1])


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


class CloudFileError(RythmiqError):
    """No cloud runs in that directory, or its file cannot be read."""


class S3Access(BaseModel):
    """The store, and the keys to all of it."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = Field(repr=False)


class CloudFile(BaseModel):
    """The addresses and secrets of a running cloud.

    Attributes:
        database_url: a role that owns the tables.
        jwt_secret: what tokens are signed with; None under JWKS.
        pid: of `rythmiq up`; SIGTERM stops all.
    """

    model_config = ConfigDict(frozen=True)

    base_url: str
    database_url: str = Field(repr=False)
    s3: S3Access
    webhook_secret: str = Field(repr=False)
    reconcile_secret: str = Field(repr=False)
    metrics_token: str = Field(repr=False)
    encryption_keys: str = Field(repr=False)
    dispatch_keys: str = Field(repr=False)
    pid: int
    supabase_url: str
    jwt_secret: str | None = Field(repr=False)
    auth_mode: Literal["jwks", "secret"]
    page_url: str
    upload_method: Literal["put", "post"]

    def write(self, data_dir: Path) -> None:
        """Write it as a whole, mode 0600."""
        write_private(data_dir / FILE_NAME, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, data_dir: Path = DEFAULT_DATA_DIR) -> Self:
        """Read the file of a running cloud.

        Raises:
            CloudFileError: there is none, or it cannot be read; the message says what to do.
        """
        try:
            return cls.model_validate_json((data_dir / FILE_NAME).read_bytes())
        except FileNotFoundError:
            raise CloudFileError(f"no cloud runs in {data_dir}; start one with `rythmiq up`") from None
        except (OSError, ValidationError):
            raise CloudFileError(f"{data_dir / FILE_NAME} cannot be read") from None


DEFAULT_TTL_S = 3_600
LOCAL_USER = "00000000-0000-4000-8000-000000000001"
"""The default user at the local cloud."""


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
        usage("this cloud verifies tokens by JWKS; they are signed with the private key, which is not here")
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
