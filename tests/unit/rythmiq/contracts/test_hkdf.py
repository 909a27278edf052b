"""HKDF-SHA256, written out, is what the library makes of the same arguments."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.contracts.hkdf import hkdf_sha256


@given(
    key=st.binary(min_size=1, max_size=100),
    salt=st.binary(max_size=100),
    info=st.binary(max_size=100),
    length=st.integers(1, 300),
)
def test_our_hkdf_is_the_librarys(key: bytes, salt: bytes, info: bytes, length: int) -> None:
    assert hkdf_sha256(key, salt=salt, info=info, length=length) == HKDF(SHA256(), length, salt, info).derive(key)
