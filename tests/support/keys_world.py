"""A database and a store of a service that has run under one key, for the tests of operators' work with keys."""

import base64
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import dispatch_key
from rythmiq.crypto import seal
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.commands import app
from rythmiq_cli.local.store.s3_server import local_store
from tests.support.database_calls import Calls

OLD, NEW = KeyRing.new_entry(1), KeyRing.new_entry(2)
BEFORE, DURING, AFTER = KeyRing.parse(OLD), KeyRing.parse(f"{NEW},{OLD}"), KeyRing.parse(NEW)
TEXT = b"a document"
ORDER = b"an order, which no rotation of these keys touches"


@dataclass
class World:
    """A service that has run with the old key: an ended job, a waiting one, an upload, and their objects."""

    url: str
    store: SpacesStore
    jobs: dict[str, dict[str, Any]]
    data_keys: dict[str, bytes]

    def rotate(self, *arguments: str, keys: str = f"{NEW},{OLD}") -> Result:
        """`rythmiq keys rotate` with this ring."""
        return self.keys("rotate", *arguments, keys=keys)

    def keys(self, *arguments: str, keys: str, **more: str) -> Result:
        """`rythmiq keys` with this ring."""
        return CliRunner().invoke(app, ["keys", *arguments], env={**self.environ(keys), **more})

    def environ(self, keys: str) -> dict[str, str]:
        """The variables of this deployment."""
        config = self.store.config
        return {
            "DATABASE_URL": self.url,
            "ENCRYPTION_KEYS": keys,
            "DO_SPACES_ENDPOINT": config.endpoint,
            "DO_SPACES_REGION": config.region,
            "DO_SPACES_BUCKET": config.bucket,
            "DO_SPACES_ACCESS_KEY": config.access_key,
            "DO_SPACES_SECRET_KEY": config.secret_key,
        }

    def rows(self) -> dict[str, tuple[int, bytes]]:
        """Each job's and upload's kid and wrapped key."""
        with psycopg.connect(self.url) as connection:
            connection.execute("set local role service_role")
            jobs = connection.execute("select id::text, kid, wrapped_key from public.jobs").fetchall()
            uploads = connection.execute("select 'u' || job_id, kid, wrapped_key from public.uploads").fetchall()
        return {name: (kid, base64.b64decode(wrapped)) for name, kid, wrapped in [*jobs, *uploads]}

    @property
    def user_id(self) -> str:
        """Whose they all are."""
        return str(self.jobs["ended"]["user_id"])

    def object(self, key: str) -> bytes:
        """An object's bytes."""
        return self.store.fetch_object(key, max_bytes=10_000)


@pytest.fixture
def world(fresh_database_url: str) -> Iterator[World]:
    """It, fresh."""
    jobs, data_keys = {}, {}
    with local_store(bucket=f"rotate-{uuid.uuid4()}") as running, psycopg.connect(fresh_database_url) as connection:
        store = SpacesStore(running.config)
        calls = Calls(connection, capacity={"max_inflight": 1, "lease_s": 300, "max_attempts": 3})
        user = calls.user(10)
        for name in ("ended", "waiting", "uploaded"):
            minted = BEFORE.mint(user)
            wrapped = base64.b64encode(minted.wrapped_key).decode()
            upload = calls.upload(user, kid=1, wrapped_key=wrapped)
            sealed = seal(
                TEXT, storage_key=upload["raw_path"], data_key=minted.data_key, kid=1, wrapped_key=minted.wrapped_key
            )
            store.upload_object(upload["raw_path"], sealed)
            jobs[name], data_keys[name] = upload, minted.data_key
            if name != "uploaded":
                calls.create(user, upload)
            if name == "ended":
                calls.complete(calls.row(upload["job_id"]))
        order = dispatch_key(user, jobs["ended"]["job_id"], 1)
        store.upload_object(order, ORDER)
        connection.commit()
        yield World(fresh_database_url, store, jobs, data_keys)
