"""Access to the service for a command: by `--url` and `--token`, or to the cloud that runs on this machine.

`cloud.json` is there while that cloud is ready, and readable by its owner only. Tokens are minted for no other cloud:
`SERVICE_ENV` must be dev, and both the service and the issuer must be on loopback. What the service refuses becomes an
exit code.
"""

import contextlib
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rythmiq.contracts.errors import RythmiqError
from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.origins import LOOPBACK_HOSTS
from rythmiq_cli.output import ExitCode, json_line, plain, plain_lines, unreachable, usage

if TYPE_CHECKING:
    from rythmiq.client import Client, ClientError

FILE_NAME = "cloud.json"
DEFAULT_DATA_DIR = Path(".rythmiq-cloud")

Url = Annotated[
    str | None, typer.Option("--url", envvar="RYTHMIQ_URL", help="The service's address; or set RYTHMIQ_URL.")
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="RYTHMIQ_TOKEN", help="Your JWT; better set RYTHMIQ_TOKEN, others see arguments."),
]
CloudFolder = Annotated[
    Path | None, typer.Option("--cloud", help="Data directory of a running `rythmiq up`, instead of --url and --token.")
]
CloudUser = Annotated[
    str | None, typer.Option("--user", help="With --cloud: the user to act as, a UUID; by default one local user.")
]


def checked_id(text: str, what: str) -> str:
    """A UUIDv4 in lower case; anything else ends the command."""
    if not re.fullmatch(UUID4_PATTERN, text.lower()):
        usage(f"{what} is a UUID of version 4")
    return text.lower()


def open_client(url: str | None, token: str | None, cloud: Path | None, user: str | None) -> "Client":
    """The client of one command; what is missing ends it with a sentence."""
    from rythmiq.client import Client  # noqa: PLC0415  `--help` needs none of it

    found = found_cloud(cloud) if url is None or cloud is not None else None
    if found is not None:
        who = checked_id(user, "--user") if user else LOCAL_USER
        issuer = Issuer.of_cloud(found)
        return Client(found.base_url, token or (lambda: mint_token(issuer, who)))
    if url is None:
        usage("give --url and --token (or RYTHMIQ_URL and RYTHMIQ_TOKEN), or start a cloud here with `rythmiq up`")
    if token is None:
        usage("give --token, or set RYTHMIQ_TOKEN")
    try:
        return Client(url, token)
    except ValueError as error:
        usage(f"--url: {error}")


@contextlib.contextmanager
def service_errors(*, as_json: bool) -> Iterator[None]:
    """End the command when a call fails: with the code, a sentence, the advice, and the exit code of its kind."""
    from rythmiq.client import ClientError  # noqa: PLC0415  see above

    try:
        yield
    except ClientError as error:
        _report(error, as_json=as_json)
        raise typer.Exit(_exit_code(error)) from None


def _report(error: "ClientError", *, as_json: bool) -> None:
    from rythmiq.client import JobFailedError, RefusedError  # noqa: PLC0415  see above

    wrong = error.errors if isinstance(error, RefusedError) else ()
    if as_json:
        details: dict[str, Any] = {
            "code": error.code,
            "message": error.detail,
            "advice": error.advice,
            "job_id": error.job_id,
            "request_id": error.request_id,
        }
        if isinstance(error, JobFailedError):
            details |= {
                "stage": error.stage,
                "retryable": error.retryable,
                "detail": (error.view.error or {}).get("detail"),
            }
        if wrong:
            details["errors"] = [{"pointer": one.pointer, "code": one.code, "detail": one.detail} for one in wrong]
        status = "failed" if isinstance(error, JobFailedError) else "error"
        print(json_line({"status": status, "error": details}))
        return
    about = f" (job {error.job_id})" if error.job_id else ""
    fields = "".join(f"\n  {plain(one.pointer)}: {plain(one.detail)}" for one in wrong)
    said = f"{plain(error.code)}: {plain(error.detail)}{about}{fields}\n  {plain_lines(error.advice)}"
    print(f"rythmiq: {said}", file=sys.stderr)


def _exit_code(error: "ClientError") -> ExitCode:
    from rythmiq import client  # noqa: PLC0415  see above

    match error:
        case client.JobFailedError() | client.UnopenedError() | client.NoCreditError() | client.TooManyJobsError():
            return ExitCode.JOB_FAILED
        case client.RefusedError() | client.FileMissingError():
            return ExitCode.USAGE
        case _:
            return ExitCode.UNREACHABLE


def write_private(file: Path, text: str) -> None:
    """Write a whole file that only its owner may read."""
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600, exist_ok=False)
    partial.write_text(text, encoding="utf-8")
    partial.replace(file)


class CloudFileError(RythmiqError):
    """No cloud runs in that directory, or its file cannot be read."""


class S3Access(BaseModel):
    """The store, and the keys to all of it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

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

    model_config = ConfigDict(frozen=True, defer_build=True)

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
