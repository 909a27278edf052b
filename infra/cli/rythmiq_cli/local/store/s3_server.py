"""An S3 store on this machine: moto's server behind the guard, on loopback.

As a context manager it serves from a thread of this process; `python -m rythmiq_cli.local.store.s3_server` serves until
it is told to stop, and prints one JSON line when it is ready. With a data directory its objects and keys outlive
restarts and kills: moto itself lives in memory.
"""

import argparse
import contextlib
import hashlib
import io
import json
import re
import secrets
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from moto.moto_server import werkzeug_app as moto_server
from werkzeug.formparser import parse_form_data
from werkzeug.test import Client, run_wsgi_app
from werkzeug.wrappers import Response

from rythmiq.adapters.spaces import StoreConfig
from rythmiq_cli.local import Environ, StartResponse, WsgiApp, made_store_keys, serving
from rythmiq_cli.local.store import ReadableRefusals, SigV4Guard

# moto would allow every origin everywhere; a browser is to meet the bucket's own CORS rules, as on a real store.
vars(moto_server)["DISABLE_GLOBAL_CORS"] = True
SETTINGS = frozenset({"cors", "lifecycle", "policy", "publicAccessBlock", "tagging", "versioning", "ownershipControls"})
_KEPT_HEADERS = re.compile(r"content-type|content-disposition|content-encoding|cache-control|x-amz-meta-.*")
# moto accepts any signature; the guard in front checks them.
_OURS = {"Authorization": "AWS4-HMAC-SHA256 Credential=LOCAL/20260101/us-east-1/s3/aws4_request"}
_PARTIAL = ".partial"


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
    # Its application for every service of Amazon's looks for the right one at each request, in moto's folders.
    app: WsgiApp = moto_server.create_backend_app("s3")
    if data_dir is not None:
        app = Journal(app, data_dir / "objects")
        app.replay()
    if data_dir is None:
        access_key, secret_key = "LOCAL" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30)
    else:
        access_key, secret_key = made_store_keys(data_dir)
    guard = SigV4Guard(app, {access_key: secret_key})
    Client(app).put(f"/{bucket}")  # behind the guard, in this process: no boto3 client to pay for
    with serving(port, ReadableRefusals(guard, app)) as server:
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


class Journal:
    """A WSGI middleware that records in `directory` what `app` has stored, so that a killed store loses nothing.

    It stands between the guard and moto. After moto has accepted a change, and before the client is answered, it writes
    the result to disk, one file for each object, bucket or bucket setting: a PUT, a form, a copy and a finished
    multipart upload leave the same file. ETag, type and metadata survive; an object's date becomes that of the start.
    Files are not synced: they outlive the process, not a power cut.
    """

    def __init__(self, app: WsgiApp, directory: Path) -> None:
        self._app = app
        self._directory = directory
        self._client = Client(app, Response)
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)

    def replay(self) -> None:
        """Replay every record into the store: buckets, then their settings, then objects."""
        for leftover in self._directory.glob(f"*{_PARTIAL}"):
            leftover.unlink()
        records = [self._read(path) for path in self._directory.glob("*.put")]
        for head, body in sorted(records, key=lambda record: (record[0]["path"].count("/") > 1, record[0]["query"])):
            answer = self._client.put(
                head["path"], query_string=head["query"], headers={**head["headers"], **_OURS}, data=body
            )
            if answer.status_code >= 400:  # noqa: PLR2004  the class of failures
                raise RuntimeError(f"the local store does not take back {head['path']}: {answer.status}")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass one request on; record what it changed."""
        if environ["REQUEST_METHOD"] not in {"PUT", "POST", "DELETE"}:
            return self._app(environ, start_response)
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body: bytes = environ["wsgi.input"].read(length)
        environ["wsgi.input"] = io.BytesIO(body)
        with self._lock:
            answer, status, headers = run_wsgi_app(self._app, environ, buffered=True)
            if status.startswith("2"):
                self._record(environ, body)
        start_response(status, headers.to_wsgi_list())
        return answer

    def _record(self, environ: Environ, body: bytes) -> None:
        path = str(environ["PATH_INFO"]).rstrip("/")
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        bucket = path.split("/")[1]
        if SETTINGS & query.keys():
            setting = urlencode(dict.fromkeys(sorted(SETTINGS & query.keys()), ""))
            headers = {"Content-Type": str(environ.get("CONTENT_TYPE") or "")}
            self._keep(path, setting, headers, body if environ["REQUEST_METHOD"] == "PUT" else None)
        elif "delete" in query:
            for key in re.findall(r"<Key>([^<]*)</Key>", body.decode()):
                self._keep_object(f"/{bucket}/{key}")
        elif str(environ.get("CONTENT_TYPE") or "").startswith("multipart/form-data"):
            _, form, files = parse_form_data({**environ, "wsgi.input": io.BytesIO(body)})
            for part in files.values():
                part.close()
            self._keep_object(f"/{bucket}/{form['key']}")
        elif path == f"/{bucket}":
            if environ["REQUEST_METHOD"] == "PUT":
                self._keep(path, "", {}, body)
            else:
                self._forget_bucket(path)
        else:
            self._keep_object(path)

    def _keep_object(self, path: str) -> None:
        answer = self._client.get(path, headers=_OURS)
        headers = {name: value for name, value in answer.headers.items() if _KEPT_HEADERS.fullmatch(name.lower())}
        self._keep(path, "", headers, answer.data if answer.status_code == 200 else None)  # noqa: PLR2004  it is there

    def _forget_bucket(self, path: str) -> None:
        for file in self._directory.glob("*.put"):
            if self._read(file)[0]["path"] == path:
                file.unlink()

    def _keep(self, path: str, query: str, headers: dict[str, str], body: bytes | None) -> None:
        """Write one record, or delete it when there is no body."""
        file = self._directory / f"{hashlib.sha256(f'{path}?{query}'.encode()).hexdigest()}.put"
        if body is None:
            file.unlink(missing_ok=True)
            return
        head = json.dumps({"path": path, "query": query, "headers": headers}).encode()
        partial = file.with_suffix(_PARTIAL)
        partial.write_bytes(head + b"\n" + body)
        partial.replace(file)

    @staticmethod
    def _read(path: Path) -> tuple[dict[str, Any], bytes]:
        head, _, body = path.read_bytes().partition(b"\n")
        return json.loads(head), body


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
