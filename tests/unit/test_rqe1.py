"""RQE1: what is sealed opens again, and nothing else does."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.crypto.rqe1 import (
    OVERHEAD_BYTES,
    DecryptionError,
    is_sealed,
    open_sealed,
    parse_header,
    seal,
)
from tests.vectors.make_rqe1 import DATA_KEY, ELSEWHERE, KEY, KID, NONCE, OTHER_KEY, SALT, VECTORS, text

FILE = json.loads(VECTORS.read_text(encoding="utf-8"))
WRAPPED = bytes(40)
SEALED = seal(b"hello", storage_key=KEY, data_key=DATA_KEY, kid=KID, wrapped_key=WRAPPED, salt=SALT, nonce=NONCE)


def test_the_committed_vectors_are_what_the_script_makes() -> None:
    assert VECTORS.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("vector", FILE["opens"], ids=lambda vector: vector["name"])
def test_python_opens_every_vector(vector: dict[str, Any]) -> None:
    opened = open_sealed(
        base64.b64decode(vector["object"]),
        storage_key=vector["storage_key"],
        data_key=DATA_KEY,
        service=vector["service"],
    )
    assert opened == base64.b64decode(vector["plaintext"])


@pytest.mark.parametrize("vector", FILE["refused"], ids=lambda vector: vector["name"])
def test_every_bad_vector_is_refused_for_its_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(DecryptionError) as refused:
        open_sealed(
            base64.b64decode(vector["object"]),
            storage_key=vector["storage_key"],
            data_key=base64.b64decode(vector["data_key"]),
            service=vector["service"],
        )
    assert refused.value.reason == vector["reason"]


def test_the_vectors_hold_every_reason_that_needs_no_key_ring() -> None:
    assert {vector["reason"] for vector in FILE["refused"]} == {"not_encrypted", "malformed", "wrong_key", "tampered"}


@given(plaintext=st.binary(max_size=4096), storage_key=st.text(min_size=1), service=st.booleans())
def test_what_is_sealed_opens_in_its_place(plaintext: bytes, storage_key: str, *, service: bool) -> None:
    try:
        storage_key.encode()
    except UnicodeEncodeError:
        storage_key = "surrogate"
    data = seal(plaintext, storage_key=storage_key, data_key=DATA_KEY, kid=KID, wrapped_key=WRAPPED, service=service)
    assert len(data) == len(plaintext) + OVERHEAD_BYTES
    assert open_sealed(data, storage_key=storage_key, data_key=DATA_KEY, service=service) == plaintext


@given(bit=st.integers(0, len(SEALED) * 8 - 1))
def test_any_changed_bit_outside_kid_and_wrapped_key_is_refused(bit: int) -> None:
    offset = bit // 8
    changed = bytearray(SEALED)
    changed[offset] ^= 1 << bit % 8
    if 6 <= offset < 48:
        # A rotation of the KEK rewrites these, so they are not authenticated; kid 0 alone is never legal.
        assert parse_header(bytes(changed)).kid != 0
        assert open_sealed(bytes(changed), storage_key=KEY, data_key=DATA_KEY) == b"hello"
        return
    with pytest.raises(DecryptionError):
        open_sealed(bytes(changed), storage_key=KEY, data_key=DATA_KEY)


@given(cut=st.integers(0, len(SEALED) - 1))
def test_any_truncation_is_refused(cut: int) -> None:
    with pytest.raises(DecryptionError):
        open_sealed(SEALED[:cut], storage_key=KEY, data_key=DATA_KEY)


@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecryptionError):
        open_sealed(data, storage_key=KEY, data_key=DATA_KEY)


@pytest.mark.parametrize(("storage_key", "data_key"), [(ELSEWHERE, DATA_KEY), (KEY, OTHER_KEY)])
def test_another_place_or_key_is_found_before_decryption(storage_key: str, data_key: bytes) -> None:
    with pytest.raises(DecryptionError) as refused:
        open_sealed(SEALED, storage_key=storage_key, data_key=data_key)
    assert refused.value.reason == "wrong_key"


def test_two_seals_of_the_same_differ() -> None:
    one, two = (seal(b"x", storage_key=KEY, data_key=DATA_KEY, kid=KID, wrapped_key=WRAPPED) for _ in range(2))
    assert one != two


@pytest.mark.parametrize(
    "wrong",
    [{"data_key": b"short"}, {"wrapped_key": b"short"}, {"kid": 0}, {"kid": 65_536}, {"salt": b"x"}, {"nonce": b"x"}],
)
def test_a_part_of_the_wrong_size_is_a_value_error(wrong: dict[str, Any]) -> None:
    parts: dict[str, Any] = {"storage_key": KEY, "data_key": DATA_KEY, "kid": KID, "wrapped_key": WRAPPED}
    with pytest.raises(ValueError, match="wrong size"):
        seal(b"x", **(parts | wrong))


def test_a_header_is_recognised_by_its_magic() -> None:
    assert is_sealed(SEALED)
    assert not is_sealed(b"\xff\xd8\xff")


def test_a_header_shows_no_key() -> None:
    assert WRAPPED.hex() not in repr(parse_header(SEALED))
    assert "wrapped_key" not in repr(parse_header(SEALED))
