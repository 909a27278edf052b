"""Where an operator's command finds the deployment's variables: `--env FILE`, `--cloud DIR`, or its own environment.

A file is what doctl reads: one `NAME=VALUE` a line, `#` begins a comment line. Nothing of it is ever shown but names
and line numbers.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rythmiq_cli.exits import usage

EnvFile = Annotated[
    Path | None,
    typer.Option("--env", help="The file that was filled in from infra/env/touch.env; default: the environment."),
]
AnyCloud = Annotated[Path | None, typer.Option("--cloud", help="Data directory of a running `rythmiq up`.")]

_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EnvText:
    """What a file holds.

    Attributes:
        values: by name; of a name that stands twice, the last.
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
    from rythmiq_cli.local.cloud_file import CloudFile, CloudFileError  # noqa: PLC0415  `--help` needs none of it

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
        "WEBHOOK_SECRET": cloud.webhook_secret,
        "METRICS_TOKEN": cloud.metrics_token,
        **({} if cloud.jwt_secret is None else {"SUPABASE_JWT_SECRET": cloud.jwt_secret}),
    }
