"""Keeps the local store's content on disk, so that a killed store comes back with nothing lost.

moto lives in memory. The journal sits between the guard and moto: after moto has accepted a change, and before the
client is answered, it writes the result to disk, one file for each object, bucket or bucket setting; at the start it
replays all of them into moto. It writes results, not requests: a PUT, a form, a copy and a finished multipart upload
leave the same file. ETag, type and metadata survive; an object's date becomes that of the start. Files are not synced:
they outlive the process, not a power cut.
"""

import hashlib
import io
import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from werkzeug.formparser import parse_form_data
from werkzeug.test import Client, run_wsgi_app
from werkzeug.wrappers import Response

from rythmiq_cli.local.http_server import Environ, StartResponse, WsgiApp

SETTINGS = frozenset({"cors", "lifecycle", "policy", "publicAccessBlock", "tagging", "versioning", "ownershipControls"})
_KEPT_HEADERS = re.compile(r"content-type|content-disposition|content-encoding|cache-control|x-amz-meta-.*")
# moto accepts any signature; the guard in front checks them.
_OURS = {"Authorization": "AWS4-HMAC-SHA256 Credential=LOCAL/20260101/us-east-1/s3/aws4_request"}
_PARTIAL = ".partial"


class Journal:
    """A WSGI middleware that records in `directory` what `app` has stored."""

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
