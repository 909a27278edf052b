"""RQE1: what is sealed opens again, and nothing else does."""

import base64
import hmac
import json
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import assume, given
from hypothesis import strategies as st

from rythmiq import crypto
from rythmiq.crypto import (
    OVERHEAD_BYTES,
    DecryptionError,
    Reason,
    is_sealed,
    open_sealed,
    parse_header,
    seal,
)
from rythmiq.crypto.key_ring import KeyRing
from tests.vectors.make_rqe1 import (
    DATA_KEY,
    DISPATCH_KEYS,
    ELSEWHERE,
    KEKS,
    KEY,
    KID,
    NONCE,
    OTHER_KEY,
    SALT,
    VECTORS,
    text,
    users_kek,
)

FILE = json.loads(VECTORS.read_text(encoding="utf-8"))
RING, DISPATCH_RING = KeyRing(KEKS), KeyRing(DISPATCH_KEYS)
WRAPPED = bytes(range(40))
KEYS = st.binary(min_size=32, max_size=32)
STORAGE_KEYS = st.text(st.characters(codec="utf-8"))
RING_WRAPPED = aes_key_wrap(users_kek(KEKS[KID]), DATA_KEY)
SEALED = seal(b"hello", storage_key=KEY, data_key=DATA_KEY, kid=KID, wrapped_key=WRAPPED, salt=SALT, nonce=NONCE)


def _open(vector: dict[str, Any]) -> bytes:
    """Open with the data key as a client does, or by the header and the ring as the service does."""
    data, storage_key = base64.b64decode(vector["object"]), vector["storage_key"]
    if vector["data_key"] is not None:
        given = base64.b64decode(vector["data_key"])
        return open_sealed(data, storage_key=storage_key, data_key=given, service=vector["service"])
    if vector["service"]:
        return DISPATCH_RING.open_service(data, storage_key=storage_key)
    header = parse_header(data)
    unwrapped = RING.unwrap(header.kid, header.wrapped_key, storage_key.split("/")[1])
    return open_sealed(data, storage_key=storage_key, data_key=unwrapped)


def test_the_committed_vectors_are_what_the_script_makes() -> None:
    assert VECTORS.read_text(encoding="utf-8") == text()


@pytest.mark.parametrize("vector", FILE["opens"], ids=lambda vector: vector["name"])
def test_python_opens_every_vector(vector: dict[str, Any]) -> None:
    assert _open(vector) == base64.b64decode(vector["plaintext"])


@pytest.mark.parametrize("vector", FILE["refused"], ids=lambda vector: vector["name"])
def test_every_bad_vector_is_refused_for_its_reason(vector: dict[str, Any]) -> None:
    with pytest.raises(DecryptionError) as refused:
        _open(vector)
    assert refused.value.reason == vector["reason"]


def test_the_vectors_hold_every_reason() -> None:
    assert {vector["reason"] for vector in FILE["refused"]} == set(get_args(Reason))


def test_an_object_is_laid_out_as_specified() -> None:
    """HKDF is written out here: a second opinion on the layout and on the derivation."""
    assert SEALED[:4] == b"RQE1"
    assert (SEALED[4], SEALED[5]) == (2, 0)
    assert SEALED[6:8] == KID.to_bytes(2, "big")
    assert SEALED[8:48] == WRAPPED
    assert SEALED[48:64] == SALT
    assert SEALED[64:76] == NONCE
    prk = hmac.digest(SALT, DATA_KEY, "sha256")
    key = hmac.digest(prk, KEY.encode() + b"\x01", "sha256")
    commitment = hmac.digest(prk, key + KEY.encode() + b"\x02", "sha256")
    assert SEALED[76:108] == commitment
    associated_data = SEALED[:6] + SEALED[48:108] + KEY.encode()
    assert AESGCM(key).decrypt(NONCE, SEALED[108:], associated_data) == b"hello"
    assert len(SEALED) == len(b"hello") + 124 == len(b"hello") + OVERHEAD_BYTES


def test_the_commitment_is_compared_in_constant_time_and_before_decryption(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((left, right))
        return False

    def never(_key: bytes) -> None:
        pytest.fail("the cipher was reached")

    monkeypatch.setattr("rythmiq.crypto.hmac.compare_digest", compare)
    monkeypatch.setattr(crypto, "AESGCM", never)
    with pytest.raises(DecryptionError) as refused:
        open_sealed(SEALED, storage_key=KEY, data_key=DATA_KEY)
    assert refused.value.reason == "wrong_key"
    assert compared == [(SEALED[76:108], SEALED[76:108])]


@given(plaintext=st.binary(max_size=4096), storage_key=STORAGE_KEYS, data_key=KEYS, service=st.booleans())
def test_what_is_sealed_opens_in_its_place(
    plaintext: bytes, storage_key: str, data_key: bytes, *, service: bool
) -> None:
    data = seal(plaintext, storage_key=storage_key, data_key=data_key, kid=KID, wrapped_key=WRAPPED, service=service)
    assert len(data) == len(plaintext) + OVERHEAD_BYTES
    assert open_sealed(data, storage_key=storage_key, data_key=data_key, service=service) == plaintext
    with pytest.raises(DecryptionError) as refused:
        open_sealed(data, storage_key=storage_key, data_key=data_key, service=not service)
    assert refused.value.reason == "malformed"


RUNG = seal(b"hello", storage_key=KEY, data_key=DATA_KEY, kid=KID, wrapped_key=RING_WRAPPED, salt=SALT, nonce=NONCE)


def _reason_of_a_flip(offset: int, changed: bytes) -> Reason:
    """Why the service, which unwraps by the header, refuses an object of which one bit of this byte was flipped."""
    kid = int.from_bytes(changed[6:8], "big")
    if offset < 4:
        return "not_encrypted"
    if offset < 6 or kid == 0:
        return "malformed"
    if offset < 8:
        return "wrong_key" if kid in KEKS else "unknown_kid"
    return "tampered" if 64 <= offset < 76 or offset >= 108 else "wrong_key"


@pytest.mark.parametrize("offset", range(len(RUNG)))
def test_every_flipped_bit_is_refused_by_the_service_for_the_field_that_it_hit(offset: int) -> None:
    for bit in range(8):
        changed = RUNG[:offset] + bytes([RUNG[offset] ^ 1 << bit]) + RUNG[offset + 1 :]
        vector = {"object": base64.b64encode(changed), "storage_key": KEY, "data_key": None, "service": False}
        with pytest.raises(DecryptionError) as refused:
            _open(vector)
        assert refused.value.reason == _reason_of_a_flip(offset, changed), bit


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


@given(storage_key=STORAGE_KEYS)
def test_at_no_other_storage_key_does_it_open(storage_key: str) -> None:
    assume(storage_key != KEY)
    with pytest.raises(DecryptionError) as refused:
        open_sealed(SEALED, storage_key=storage_key, data_key=DATA_KEY)
    assert refused.value.reason == "wrong_key"


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
