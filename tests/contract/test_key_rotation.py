"""The objects of a rotation, on the local store and on a real Ceph RGW, which reads `If-Match` in its own way."""

import datetime as dt
import uuid
from dataclasses import replace

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import raw_key
from rythmiq.crypto import open_sealed, parse_header, seal
from rythmiq.crypto.key_ring import KeyRing
from rythmiq_cli.local.store.s3_server import make_bucket
from rythmiq_cli.operator.key_rotation import Rotation
from tests.support.store_clients import Server, operator

USER = str(uuid.uuid4())
OLD, NEW = KeyRing.new_entry(1), KeyRing.new_entry(2)


@pytest.fixture
def stored(server: Server) -> tuple[SpacesStore, str]:
    """A bucket with one upload, sealed under the old key."""
    store = SpacesStore(replace(server.config, bucket=f"rotated-{uuid.uuid4()}"))
    make_bucket(store.config)
    key = raw_key(USER, str(uuid.uuid4()), dt.datetime.now(tz=dt.UTC), "a.jpg")
    minted = KeyRing.parse(OLD).mint(USER)
    sealed = seal(b"a photo", storage_key=key, data_key=minted.data_key, kid=1, wrapped_key=minted.wrapped_key)
    store.upload_object(key, sealed)
    return store, key


def test_an_object_opens_with_the_new_key_alone_afterwards(stored: tuple[SpacesStore, str]) -> None:
    store, key = stored
    rotation = Rotation(KeyRing.parse(f"{NEW},{OLD}"))
    rotation.rotate_objects(operator(store.config), store.config.bucket)
    assert rotation.objects == {"rewrapped": 1}
    sealed = store.fetch_object(key, max_bytes=1_000)
    header = parse_header(sealed)
    data_key = KeyRing.parse(NEW).unwrap(header.kid, header.wrapped_key, USER)
    assert open_sealed(sealed, storage_key=key, data_key=data_key) == b"a photo"


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
