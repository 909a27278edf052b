"""`rythmiq up` and `rythmiq token`: run the whole cloud on this machine, and sign in to it."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rythmiq.contracts.errors import RythmiqError
from rythmiq_cli.output import stop_by_signal, unreachable, usage
from rythmiq_cli.service import checked_id

if TYPE_CHECKING:
    from rythmiq_cli.service import CloudFile


_DEFAULT_DATA_DIR = Path(".rythmiq-cloud")
_DEFAULT_PORT = 8640


def up(  # noqa: PLR0913, PLR0917  typer reads an option off a parameter
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Of the gateway; 0 picks free ones.")] = (
        _DEFAULT_PORT
    ),
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Keeps data and secrets.")] = _DEFAULT_DATA_DIR,
    s3_endpoint: Annotated[str | None, typer.Option("--s3-endpoint", help="A store that runs elsewhere.")] = None,
    s3_access_key: Annotated[str | None, typer.Option("--s3-access-key", help="Its access key.")] = None,
    s3_secret_key: Annotated[str | None, typer.Option("--s3-secret-key", help="Its secret key.")] = None,
    s3_bucket: Annotated[str | None, typer.Option("--s3-bucket", help="Its bucket; made if missing.")] = None,
    bundles: Annotated[
        bool, typer.Option("--bundles", help="Build the functions' bundles and run those; needs Python 3.11.")
    ] = False,
    reconcile_every_s: Annotated[
        float, typer.Option("--reconcile-every-s", min=0, help="How often the reconciler is triggered; 0 never.")
    ] = 60.0,
    executor_faults: Annotated[Path | None, typer.Option("--executor-faults", hidden=True)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print cloud.json as one line when ready.")] = False,
) -> None:
    """Run the cloud on this machine: Postgres, an S3 store, the functions, the executor. Ctrl-C stops it.

    When ready it writes DATA_DIR/cloud.json, which has everything that is needed to use it. Environment variables
    (see infra/env/touch.env) override what it generates. It listens on loopback only; logs are JSON lines
    on STDERR, or in DATA_DIR/cloud.log when STDERR is a terminal.
    """
    environ = _environ(s3_endpoint, s3_access_key, s3_secret_key, s3_bucket)
    try:
        from rythmiq_cli.local import CloudLog, CloudUsageError, cloud  # noqa: PLC0415  heavy, and `--help` needs none
    except ImportError as error:
        usage(f"{error.name} is missing: install rythmiq-one[cli,local]")
    is_ready = False
    stop_by_signal()
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        options = cloud.CloudOptions(data_dir, port, bundles, reconcile_every_s, executor_faults)
        with CloudLog(data_dir) as log, cloud.running_cloud(options, environ, log) as file:
            _announce(file, data_dir, as_json=as_json)
            is_ready = True
            while True:
                signal.pause()
    except CloudUsageError as error:
        usage(str(error))
    except RythmiqError as error:
        unreachable(str(error))
    except KeyboardInterrupt:
        if not is_ready:
            raise


def _environ(
    endpoint: str | None, access_key: str | None, secret_key: str | None, bucket: str | None
) -> dict[str, str]:
    """The environment, overridden by the options for the store."""
    if endpoint is None and (access_key or secret_key or bucket):
        usage("--s3-access-key, --s3-secret-key and --s3-bucket belong to --s3-endpoint")
    options = {"ENDPOINT": endpoint, "ACCESS_KEY": access_key, "SECRET_KEY": secret_key, "BUCKET": bucket}
    environ = {**os.environ, **{f"DO_SPACES_{name}": value for name, value in options.items() if value}}
    if endpoint is not None and {environ.get(f"DO_SPACES_{key}", "-") for key in ("ACCESS_KEY", "SECRET_KEY")} & {
        "",
        "-",
    }:
        usage("--s3-endpoint needs --s3-access-key and --s3-secret-key")
    return environ


def _announce(file: "CloudFile", data_dir: Path, *, as_json: bool) -> None:
    if as_json:
        print(file.model_dump_json(), flush=True)
        return
    print(
        f"The cloud is up: {file.base_url}\n"
        f"  page     {file.page_url}\n"
        f"  submit   rythmiq submit photo.jpg --portal neet-2026 --slot photo --cloud {data_dir}\n"
        f"  token    rythmiq token --user $(uuidgen | tr A-Z a-z) --cloud {data_dir}\n"
        f"  all else {data_dir}/cloud.json\n"
        "Ctrl-C stops it; its data is kept.",
        flush=True,
    )
    sys.stdout.flush()


MAX_TTL_S = 30 * 24 * 60 * 60


def token(
    user: Annotated[str, typer.Option("--user", help="The user: a UUID of version 4.")],
    ttl_s: Annotated[int, typer.Option("--ttl-s", min=1, max=MAX_TTL_S, help="How long it lasts, in seconds.")] = 3_600,
    cloud: Annotated[Path | None, typer.Option("--cloud", help="Data directory of a running `rythmiq up`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Print a JWT for a cloud on this machine; refused with any SERVICE_ENV but dev, and off loopback.

    Without --cloud the issuer and its secret are SUPABASE_URL and SUPABASE_JWT_SECRET, or else what runs here.
    """
    who = checked_id(user, "--user")
    from rythmiq_cli.service import Issuer, found_cloud, mint_token  # noqa: PLC0415  heavy for `--help`

    issuer = Issuer.of_environment(os.environ) if cloud is None else None
    if issuer is None:
        found = found_cloud(cloud)
        if found is None:
            usage("give --cloud DIR of a running `rythmiq up`, or set SUPABASE_URL and SUPABASE_JWT_SECRET")
        issuer = Issuer.of_cloud(found)
    minted = mint_token(issuer, who, ttl_s)
    print(json.dumps({"token": minted, "user_id": who, "expires_in_s": ttl_s}) if as_json else minted)
