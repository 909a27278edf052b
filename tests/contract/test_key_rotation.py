"""The objects of a rotation, on the local store and on a real Ceph RGW, which reads `If-Match` in its own way."""

import uuid
from dataclasses import replace

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import dispatch_key
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.commands.keys import Rotation
from rythmiq_cli.local.store.s3_server import make_bucket
from tests.support.store_clients import Server, operator

OLD, NEW = KeyRing.new_entry(1), KeyRing.new_entry(2)


@pytest.fixture
def stored(server: Server) -> tuple[SpacesStore, str]:
    """A bucket with one order, sealed under the old key."""
    store = SpacesStore(replace(server.config, bucket=f"rotated-{uuid.uuid4()}"))
    make_bucket(store.config)
    key = dispatch_key(str(uuid.uuid4()), str(uuid.uuid4()), 1)
    store.upload_object(key, KeyRing.parse(OLD).seal_service(b"an order", storage_key=key))
    return store, key


def test_an_object_opens_with_the_new_key_alone_afterwards(stored: tuple[SpacesStore, str]) -> None:
    store, key = stored
    rotation = Rotation(KeyRing.parse(f"{NEW},{OLD}"))
    rotation.rotate_objects(operator(store.config), store.config.bucket)
    assert rotation.objects == {"rewrapped": 1}
    sealed = store.fetch_object(key, max_bytes=1_000)
    assert KeyRing.parse(NEW).open_service(sealed, storage_key=key) == b"an order"


def test_an_object_that_is_deleted_meanwhile_stays_deleted(stored: tuple[SpacesStore, str]) -> None:
    store, key = stored
    s3 = operator(store.config)
    put = s3.put_object

    def late(**arguments: object) -> object:
        store.delete_object(key)
        return put(**arguments)  # type: ignore[arg-type]  # as they were given

    s3.put_object = late  # type: ignore[method-assign,assignment]  # somebody's DELETE comes in between
    rotation = Rotation(KeyRing.parse(f"{NEW},{OLD}"))
    rotation.rotate_objects(s3, store.config.bucket)
    assert store.object_exists(key) is None
