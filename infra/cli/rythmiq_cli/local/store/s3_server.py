"""An S3 store on this machine: moto's server behind the guard, on loopback.

As a context manager it serves from a thread of this process; `python -m rythmiq_cli.local.store.s3_server` serves until
it is told to stop, and prints one JSON line when it is ready. With a data directory its objects and keys outlive
restarts and kills.
"""

import argparse
import contextlib
import json
import secrets
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from moto.moto_server import werkzeug_app as moto_server
from werkzeug.test import Client

from rythmiq.adapters.spaces import StoreConfig
from rythmiq_cli.cloud_access import made_store_keys
from rythmiq_cli.local.http_server import WsgiApp, serving
from rythmiq_cli.local.store.guard import SigV4Guard
from rythmiq_cli.local.store.journal import Journal

# moto would allow every origin everywhere; a browser is to meet the bucket's own CORS rules, as on a real store.
vars(moto_server)["DISABLE_GLOBAL_CORS"] = True


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A running store, and how to reach it."""

    config: StoreConfig
    guard: SigV4Guard = field(repr=False)


@contextlib.contextmanager
def local_store(
    *, port: int = 0, bucket: str = "rythmiq", region: str = "sgp1", data_dir: Path | None = None
) -> Iterator[LocalStore]:
    """Serve a bucket on 127.0.0.1 while the context lasts.

    Args:
        port: 0 picks a free one.
        bucket: made if it is missing.
        region: for clients' configuration; the guard accepts any, as Ceph does.
        data_dir: where objects and keys outlive the process; without it both are new and lost again.
    """
    app: WsgiApp = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
    if data_dir is not None:
        app = Journal(app, data_dir / "objects")
        app.replay()
    if data_dir is None:
        access_key, secret_key = "LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    else:
        access_key, secret_key = made_store_keys(data_dir)
    guard = SigV4Guard(app, {access_key: secret_key})
    Client(app).put(f"/{bucket}")  # behind the guard, in this process: no boto3 client to pay for
    with serving(port, guard) as server:
        yield LocalStore(StoreConfig(server.url, region, bucket, access_key, secret_key), guard)


def make_bucket(config: StoreConfig) -> None:
    """Make the bucket if it is missing, with boto3: buckets are the operator's business, not the adapter's."""
    import boto3  # noqa: PLC0415  half a second that a reader of objects need not pay
    from botocore.config import Config  # noqa: PLC0415  ditto
    from botocore.exceptions import ClientError  # noqa: PLC0415  ditto

    client = boto3.client(
        "s3",
        endpoint_url=config.endpoint,
        region_name="us-east-1",
        aws_access_key_id=config.access_key,
        aws_secret_access_key=config.secret_key,
        verify=config.authorities,
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    try:
        client.create_bucket(Bucket=config.bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="An S3 store on this machine that checks signatures.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--bucket", default="rythmiq")
    parser.add_argument("--region", default="sgp1")
    parser.add_argument("--data-dir", type=Path, help="keep objects and keys there over restarts")
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with local_store(
        port=arguments.port, bucket=arguments.bucket, region=arguments.region, data_dir=arguments.data_dir
    ) as store:
        ready = {
            "endpoint": store.config.endpoint,
            "region": store.config.region,
            "bucket": store.config.bucket,
            "access_key": store.config.access_key,
            "secret_key": store.config.secret_key,
        }
        print(json.dumps(ready), flush=True)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
