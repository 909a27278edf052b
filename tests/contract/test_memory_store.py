"""The store suite's direct calls on the shipped fake, and the terms of its signatures."""

import datetime as dt

import pytest

from rythmiq.contracts.errors import AccessDeniedError, PreconditionFailedError
from rythmiq.contracts.keys import InvalidKeyError
from tests.contract.test_store import (  # noqa: F401  the suite runs here too, on this module's client
    test_a_missing_object_is_missing,
    test_a_second_put_replaces_the_first,
    test_an_empty_object_has_size_zero_and_is_not_missing,
    test_an_object_is_read_as_it_was_written,
    test_an_object_of_a_megabyte_survives,
    test_delete_may_be_repeated,
)
from tests.support.memory import FixedClock, MemoryStore
from tests.support.store_clients import Client, StoreClient


@pytest.fixture
def client() -> Client:
    """The fake alone."""
    return StoreClient(MemoryStore())


def test_an_upload_keeps_to_what_was_signed(key: str) -> None:
    """The exact size of a PUT, once; a range for a POST; nothing after its expiry."""
    clock = FixedClock()
    store = MemoryStore(clock)
    put = store.generate_upload_url(key, size_bytes=5)
    with pytest.raises(AccessDeniedError):
        store.receive(put, b"four")
    store.receive(put, b"fives")
    with pytest.raises(PreconditionFailedError):
        store.receive(put, b"other")
    post = store.generate_upload_url(key, size_bytes=5, min_bytes=1, method="post")
    store.receive(post, b"four")
    assert post.expires_at - clock.now() == dt.timedelta(minutes=15)
    clock.sleep(900)
    with pytest.raises(AccessDeniedError):
        store.receive(post, b"late")


def test_nothing_outside_the_grammar_is_signed_or_called() -> None:
    """As in the real adapter."""
    store = MemoryStore()
    with pytest.raises(InvalidKeyError):
        store.generate_download_url("elsewhere/x")
    with pytest.raises(InvalidKeyError):
        store.upload_object("elsewhere/x", b"")
