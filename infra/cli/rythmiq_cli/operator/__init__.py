"""An operator's access to a deployment: its variables, its database and its bucket.

The variables come from `--env FILE`, from a running cloud (`--cloud DIR`) or from the process. A file is what doctl
reads: one `NAME=VALUE` a line, `#` begins a comment line. Nothing of it is ever printed but names and line numbers.
"""

import contextlib
import getpass
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from rythmiq.contracts.errors import SettingsError
from rythmiq_cli.output import unreachable, usage

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from rythmiq.adapters.spaces import StoreConfig
    from rythmiq.adapters.supabase import SupabaseTransport
    from rythmiq.ports.database import Database
    from rythmiq.settings.api import DatabaseSettings


EnvFile = Annotated[
    Path | None,
    typer.Option("--env", help="The file that was filled in from infra/env/touch.env; default: the environment."),
]
AnyCloud = Annotated[Path | None, typer.Option("--cloud", help="Data directory of a running `rythmiq up`.")]

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def carried(*parts: str) -> Path:
    """A file or folder of `infra` that an installed distribution carries with it; in a checkout the tree's own."""
    installed, checkout = (Path(__file__).parents[up].joinpath(*parts) for up in (1, 3))
    return installed if installed.exists() else checkout


@dataclass(frozen=True, slots=True)
class EnvText:
    """The content of an env file.

    Attributes:
        values: by name; the last one when a name is repeated.
        problems: of lines, by number, without their content.
    """

    values: Mapping[str, str]
    problems: tuple[str, ...]


def parse_env(text: str) -> EnvText:
    """Read a file's text."""
    values: dict[str, str] = {}
    problems = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            problems.append(f"line {number} is not NAME=VALUE")
            continue
        if match[1] in values:
            problems.append(f"line {number} sets {match[1]} again")
        values[match[1]] = match[2]
    return EnvText(values, tuple(problems))


def read_env(path: Path) -> EnvText:
    """Read a file; one that cannot be read ends the command."""
    try:
        return parse_env(path.read_bytes().decode("utf-8"))  # as it is: a CR at a line's end is the value's
    except (OSError, UnicodeDecodeError) as error:
        usage(f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8'}")


def is_set(environ: Mapping[str, str], name: str) -> bool:
    """Whether a variable has a value; `-` is none."""
    return environ.get(name, "-") not in {"", "-"}


def operator_environ(env_file: Path | None, cloud: Path | None) -> Mapping[str, str]:
    """The variables that a command works with; without either option, those of this process."""
    if env_file is not None and cloud is not None:
        usage("give --env or --cloud, not both")
    if env_file is not None:
        found = read_env(env_file)
        if found.problems:
            usage(f"{env_file}: {'; '.join(found.problems)}")
        return found.values
    return os.environ if cloud is None else _of_cloud(cloud)


def owners_database_url(environ: Mapping[str, str], env_file: Path | None) -> str | None:
    """DATABASE_URL of an operator's variables; where a file leaves it unset, that of this process.

    The role that owns the tables is not for the functions, so its address has no place in the file that they get.
    """
    for place in (environ, os.environ if env_file is not None else {}):
        if is_set(place, "DATABASE_URL"):
            return place["DATABASE_URL"]
    return None


def _of_cloud(data_dir: Path) -> Mapping[str, str]:
    from rythmiq_cli.service import CloudFile, CloudFileError  # noqa: PLC0415  `--help` needs none of it

    try:
        cloud = CloudFile.read(data_dir)
    except CloudFileError as error:
        usage(str(error))
    return {
        "SERVICE_ENV": "dev",
        "PUBLIC_URL": cloud.base_url,
        "DATABASE_URL": cloud.database_url,
        "SUPABASE_URL": cloud.supabase_url,
        "AUTH_MODE": cloud.auth_mode,
        "DO_SPACES_ENDPOINT": cloud.s3.endpoint,
        "DO_SPACES_REGION": cloud.s3.region,
        "DO_SPACES_BUCKET": cloud.s3.bucket,
        "DO_SPACES_ACCESS_KEY": cloud.s3.access_key,
        "DO_SPACES_SECRET_KEY": cloud.s3.secret_key,
        "UPLOAD_METHOD": cloud.upload_method,
        "ENCRYPTION_KEYS": cloud.encryption_keys,
        "DISPATCH_KEYS": cloud.dispatch_keys,
        "WEBHOOK_SECRET": cloud.webhook_secret,
        "RECONCILE_SECRET": cloud.reconcile_secret,
        "METRICS_TOKEN": cloud.metrics_token,
        **({} if cloud.jwt_secret is None else {"SUPABASE_JWT_SECRET": cloud.jwt_secret}),
    }


def page_origins(environ: Mapping[str, str], given: Sequence[str] = ()) -> frozenset[str]:
    """The origins of the pages whose browsers use the bucket: ALLOWED_ORIGINS, that of PUBLIC_URL, and those given.

    Returns:
        `*` alone when it is among them.

    Raises:
        SettingsError: one is not scheme://host[:port].
    """
    from rythmiq.settings.api import CorsSettings  # noqa: PLC0415  `--help` needs none of it

    text = ",".join((*given, environ["ALLOWED_ORIGINS"] if is_set(environ, "ALLOWED_ORIGINS") else ""))
    try:
        listed = set(CorsSettings.from_environ({"ALLOWED_ORIGINS": text.strip(",")}).allowed_origins)
    except SettingsError as error:
        raise SettingsError(str(error).replace("ALLOWED_ORIGINS", "an origin")) from None
    if is_set(environ, "PUBLIC_URL"):
        parts = urlsplit(environ["PUBLIC_URL"])
        listed.add(f"{parts.scheme}://{parts.netloc}".lower())
    return frozenset({"*"}) if "*" in listed else frozenset(listed)


DatabaseCloud = Annotated[
    Path | None,
    typer.Option("--cloud", help="Data directory of a running `rythmiq up`; default: DATABASE_URL or SUPABASE_*."),
]


def operator_actor() -> str:
    """Who types this command, for `operator_events`: the login and the machine, as far as they are known."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        login = str(os.getuid())
    return f"{login}@{socket.gethostname()}"


@contextlib.contextmanager
def operator_database(cloud: Path | None, env_file: Path | None = None) -> Iterator["Database"]:
    """The database of one command; what is missing, refused or away ends it with a sentence."""
    if cloud is not None and env_file is not None:
        usage("give --env or --cloud, not both")
    from rythmiq.ports import (  # noqa: PLC0415  `--help` needs none of it
        AccountErasedError,
        DatabaseFaultError,
        UnavailableError,
    )

    try:
        yield _open(cloud, env_file)
    except SettingsError as error:
        usage(str(error))
    except UnavailableError as error:
        unreachable(str(error))
    except AccountErasedError:
        usage("the account has been erased: nothing of it is left, and it gets no credits")
    except DatabaseFaultError as error:
        usage(f"the database refuses this: {error}")


def _open(cloud: Path | None, env_file: Path | None) -> "Database":
    from rythmiq.adapters.database import SqlDatabase  # noqa: PLC0415  see above
    from rythmiq.settings.api import DatabaseSettings  # noqa: PLC0415  ditto

    environ = operator_environ(env_file, None)
    named = env_file is not None or any(is_set(environ, name) for name in ("DATABASE_URL", "SUPABASE_URL"))
    found = None
    if cloud is not None or not named:
        from rythmiq_cli.service import found_cloud  # noqa: PLC0415  ditto

        found = found_cloud(cloud)
    url = None if found is None else found.database_url
    if url is None:
        settings = DatabaseSettings.from_environ(environ)
        if settings.database_url is None:
            return SqlDatabase(data_api(settings))
        url = settings.database_url.get_secret_value()
    from rythmiq.adapters.postgres import PostgresTransport  # noqa: PLC0415  ditto

    return SqlDatabase(PostgresTransport(url))


def data_api(settings: "DatabaseSettings") -> "SupabaseTransport":
    """Supabase's Data API with the deployment's two keys."""
    from rythmiq.adapters.supabase import SupabaseTransport  # noqa: PLC0415  see above

    anon, service, url = settings.supabase_anon_key, settings.supabase_service_role_key, settings.supabase_url
    if anon is None or service is None or url is None:
        raise AssertionError("the settings have one database or the other")
    return SupabaseTransport(url, anon.get_secret_value(), service.get_secret_value())


def store_config(environ: Mapping[str, str]) -> "StoreConfig":
    """The store that `DO_SPACES_*` name.

    Raises:
        SettingsError: they are missing or cannot be used.
    """
    from rythmiq.adapters.spaces import StoreConfig  # noqa: PLC0415  see above
    from rythmiq.settings.api import StoreSettings  # noqa: PLC0415  ditto

    settings = StoreSettings.from_environ(environ)
    return StoreConfig(
        endpoint=settings.do_spaces_endpoint,
        region=settings.do_spaces_region,
        bucket=settings.do_spaces_bucket,
        access_key=settings.do_spaces_access_key,
        secret_key=settings.do_spaces_secret_key.get_secret_value(),
        authorities=os.environ.get("AWS_CA_BUNDLE") or None,  # boto3's own name, for a store with its own certificate
    )


def operator_client(config: "StoreConfig") -> "S3Client":
    """A boto3 client for the bucket's settings, which the service itself does without.

    Checksums are `when_required`: with boto3's defaults a Ceph RGW over TLS answers 411 to uploads.
    """
    import boto3  # noqa: PLC0415  half a second that only these commands pay
    from botocore.config import Config  # noqa: PLC0415  ditto

    return boto3.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name=config.region,
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        verify=config.authorities,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=10,
            read_timeout=30,
            retries={"total_max_attempts": 2},
        ),
    )
