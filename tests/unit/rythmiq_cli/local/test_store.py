"""The local store as a process: ready at once, quiet, quick to stop, and back with everything after a kill."""

import contextlib
import dataclasses
import datetime as dt
import json
import signal
import stat
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from werkzeug.wrappers import Response

from rythmiq.adapters.spaces import SpacesStore, StoreConfig
from rythmiq.contracts.errors import AccessDeniedError
from rythmiq.contracts.keys import output_key, raw_key
from rythmiq_cli.local.store import MAX_BODY_BYTES, SigV4Guard
from rythmiq_cli.local.store.s3_server import local_store
from tests.support import loopback
from tests.support.store_clients import operator

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CORSRuleTypeDef

USER = str(uuid.UUID(int=1, version=4))


def keys(count: int) -> list[str]:
    """Output keys that nobody else uses."""
    return [output_key(USER, str(uuid.uuid4()), "preview.jpg") for _ in range(count)]


@dataclasses.dataclass
class Running:
    """A store process and how to reach it."""

    process: subprocess.Popen[str]
    config: StoreConfig

    @property
    def store(self) -> SpacesStore:
        """The adapter on it."""
        return SpacesStore(self.config, attempts=1)

    def kill(self) -> None:
        """SIGKILL, as the out-of-memory killer would."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[Running]:
    """Run `python -m rythmiq_cli.local.store.s3_server` until the context ends."""
    command = [sys.executable, "-m", "rythmiq_cli.local.store.s3_server", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Running(process, StoreConfig(**ready))
        finally:
            process.kill()


def test_it_says_where_it_is_in_one_line_and_ends_on_sigterm() -> None:
    """One JSON line on STDOUT, nothing on STDERR, exit code 0."""
    with started("--bucket", "things", "--region", "nyc3") as running:
        assert (running.config.bucket, running.config.region) == ("things", "nyc3")
        (key,) = keys(1)
        running.store.upload_object(key, b"data")
        assert running.store.object_exists(key) == 4
        running.process.send_signal(signal.SIGTERM)
        out, err = running.process.communicate(timeout=20)
        assert (out, err, running.process.returncode) == ("", "", 0)


def test_a_killed_store_comes_back_with_everything(tmp_path: Path) -> None:
    """Objects by PUT and by form, deletions, CORS rules and the keys; on the same port."""
    data_dir = tmp_path / "s3"
    put, posted, deleted, replaced = keys(4)
    raw = raw_key(USER, str(uuid.uuid4()), dt.datetime(2026, 11, 23, tzinfo=dt.UTC), "photo.jpg")
    with started("--data-dir", str(data_dir)) as first:
        first.store.upload_object(put, b"\x00\n\xff" * 1000, content_type="image/jpeg")
        first.store.upload_object(deleted, b"x")
        first.store.delete_object(deleted)
        first.store.upload_object(replaced, b"old")
        first.store.upload_object(replaced, b"newer")
        upload = first.store.generate_upload_url(raw, size_bytes=3)
        assert loopback.put(upload.url, content=b"raw", headers=upload.headers).status_code == 200
        form = first.store.generate_upload_url(posted, size_bytes=6, method="post")
        assert loopback.post(form.url, data=form.fields, files={"file": b"posted"}).status_code == 204
        allow_origin(first.config, "https://page.test")
        first.kill()
    with started("--data-dir", str(data_dir), "--port", first.config.endpoint.rpartition(":")[2]) as second:
        assert second.config == first.config
        answer = loopback.get(second.store.generate_download_url(put))
        assert answer.content == b"\x00\n\xff" * 1000
        assert answer.headers["content-type"] == "image/jpeg"
        assert second.store.fetch_object(posted, max_bytes=10) == b"posted"
        assert second.store.fetch_object(raw, max_bytes=10) == b"raw"
        assert second.store.fetch_object(replaced, max_bytes=10) == b"newer"
        assert second.store.object_exists(deleted) is None
        assert loopback.put(upload.url, content=b"two", headers=upload.headers).status_code == 412
        assert preflight(second.config, "https://page.test").headers["access-control-allow-origin"]


def test_a_page_may_read_why_it_was_refused() -> None:
    """An object that is there already, and an address that has expired; a stranger's page reads neither."""
    raw = raw_key(USER, str(uuid.uuid4()), dt.datetime(2026, 11, 23, tzinfo=dt.UTC), "photo.jpg")
    with local_store(bucket="refusals") as local:
        allow_origin(local.config, "https://page.test")
        upload = SpacesStore(local.config, attempts=1).generate_upload_url(raw, size_bytes=3)
        assert loopback.put(upload.url, content=b"raw", headers=upload.headers).status_code == 200
        for status in (412, 403):
            for origin, read in (("https://page.test", "https://page.test"), ("https://other.test", None)):
                headers = {**upload.headers, "Origin": origin}
                answer = loopback.put(upload.url, content=b"raw", headers=headers)
                assert answer.status_code == status
                assert answer.headers.get("access-control-allow-origin") == read
            local.guard.now = lambda: dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)


def test_the_keys_on_disk_are_for_the_owner_only(tmp_path: Path) -> None:
    """Mode 0600."""
    with local_store(data_dir=tmp_path / "s3", bucket="owner-only"):
        pass
    assert stat.S_IMODE((tmp_path / "s3" / "keys.json").stat().st_mode) == 0o600


def test_a_half_written_file_of_a_kill_is_left_out(tmp_path: Path) -> None:
    """What was never answered was never promised."""
    objects = tmp_path / "s3" / "objects"
    objects.mkdir(parents=True)
    (objects / "abc.partial").write_bytes(b'{"path": "/b')
    with local_store(data_dir=tmp_path / "s3", bucket="half-written"):
        assert not list(objects.glob("*.partial"))


def test_what_is_deleted_in_bulk_stays_deleted(tmp_path: Path) -> None:
    """boto3's DeleteObjects, and a bucket deleted with its settings, leave nothing to come back."""
    (key,) = keys(1)
    with local_store(data_dir=tmp_path / "s3", bucket="emptied") as local:
        SpacesStore(local.config).upload_object(key, b"x")
        allow_origin(local.config, "https://page.test")
        client = operator(local.config)
        client.delete_objects(Bucket="emptied", Delete={"Objects": [{"Key": key}]})
        client.delete_bucket(Bucket="emptied")
    assert not list((tmp_path / "s3" / "objects").iterdir())


def test_two_stores_have_two_secrets() -> None:
    """The keys of one do not open the other."""
    (key,) = keys(1)
    with local_store(bucket="one") as one, local_store(bucket="two") as two:
        stranger = dataclasses.replace(two.config, access_key=one.config.access_key, secret_key=one.config.secret_key)
        with pytest.raises(AccessDeniedError):
            SpacesStore(stranger).object_exists(key)


def test_a_body_beyond_what_the_store_takes_is_refused_unread() -> None:
    """An announced length, however large, costs nothing."""

    def app(_: object, __: object) -> list[bytes]:
        raise AssertionError("nothing passes")

    guard = SigV4Guard(app, {"AK": "SK"})
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/bucket",
        "CONTENT_TYPE": "multipart/form-data; boundary=x",
        "CONTENT_LENGTH": str(MAX_BODY_BYTES + 1),
    }
    body = Response(b"".join(guard(environ, lambda status, _: statuses.append(status)))).get_data(as_text=True)
    assert statuses == ["400 Bad Request"]
    assert "EntityTooLarge" in body


def allow_origin(config: StoreConfig, origin: str) -> None:
    """Set the bucket's CORS rules."""
    rule: CORSRuleTypeDef = {"AllowedOrigins": [origin], "AllowedMethods": ["PUT"], "AllowedHeaders": ["*"]}
    operator(config).put_bucket_cors(Bucket=config.bucket, CORSConfiguration={"CORSRules": [rule]})


def preflight(config: StoreConfig, origin: str) -> httpx.Response:
    """What a browser asks before a PUT."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    return loopback.options(f"{config.endpoint}/{config.bucket}/{keys(1)[0]}", headers=headers)
