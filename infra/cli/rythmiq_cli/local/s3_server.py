"""An S3 store on this machine: moto's server behind the guard, on loopback.

As a context manager it serves from a thread of this process; `python -m rythmiq_cli.local.s3_server` serves until it is
told to stop, and prints one JSON line when it is ready.
"""

import argparse
import contextlib
import json
import secrets
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from rythmiq.adapters.spaces import StoreConfig
from rythmiq_cli.local.s3_guard import SigV4Guard


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002  werkzeug's own name
        """Keep the terminal for the person."""


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A running store, and how to reach it."""

    config: StoreConfig
    guard: SigV4Guard = field(repr=False)
    server: BaseWSGIServer = field(repr=False)


@contextlib.contextmanager
def local_store(*, port: int = 0, bucket: str = "rythmiq", region: str = "sgp1") -> Iterator[LocalStore]:
    """Serve an empty bucket on 127.0.0.1 while the context lasts; port 0 picks a free one."""
    access_key, secret_key = "LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    guard = SigV4Guard(DomainDispatcherApplication(create_backend_app), {access_key: secret_key})
    server = make_server("127.0.0.1", port, guard, threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="s3", daemon=True)
    thread.start()
    config = StoreConfig(f"http://127.0.0.1:{server.server_port}", region, bucket, access_key, secret_key)
    try:
        make_bucket(config)
        yield LocalStore(config, guard, server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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
    arguments = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    with local_store(port=arguments.port, bucket=arguments.bucket, region=arguments.region) as store:
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
