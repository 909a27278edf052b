"""RQE1: one sealed object, authenticated, bound to its storage key.

::

    magic RQE1 (4) | suite 2 (1) | flags (1) | kid (2) | wrapped data key (40) | salt (16) | nonce (12)
    | commitment (32) | ciphertext | tag (16)

The kid and the wrapped key stand outside the authenticated data, so that a rotation of the KEK rewrites the header and
nothing else. The commitment is compared before decryption, so that no ciphertext opens under two keys.

Source: docs/specification/rqe1.md.
"""

import hmac
import os
import struct
from dataclasses import dataclass, field
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rythmiq.contracts.hkdf import hkdf_sha256

MAGIC = b"RQE1"
SUITE = 2
"""Data keys are wrapped for their owner (`key_ring`). Suite 1, which was never released, is refused."""
FLAG_SERVICE = 1
KEY_BYTES = 32
WRAPPED_KEY_BYTES = 40
SALT_BYTES = 16
NONCE_BYTES = 12
COMMITMENT_BYTES = 32
TAG_BYTES = 16
HEADER_BYTES = 108
OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES
MAX_KID = 65_535

_HEADER = struct.Struct(">4sBBH40s16s12s32s")

Reason = Literal["not_encrypted", "wrong_key", "tampered", "unknown_kid", "malformed"]


class DecryptionError(Exception):
    """An object does not open.

    Args:
        reason: `not_encrypted` (no RQE1 object), `malformed` (a header we do not take), `unknown_kid`, `wrong_key`
            (the commitment differs: another key or another storage key) or `tampered` (the tag differs).
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class Header:
    """The 108 bytes before the ciphertext."""

    flags: int
    kid: int
    wrapped_key: bytes = field(repr=False)
    salt: bytes
    nonce: bytes
    commitment: bytes

    @property
    def service(self) -> bool:
        """Return whether the service sealed it under a key that no client has seen."""
        return self.flags == FLAG_SERVICE

    def pack(self) -> bytes:
        """The header's bytes."""
        return _HEADER.pack(
            MAGIC, SUITE, self.flags, self.kid, self.wrapped_key, self.salt, self.nonce, self.commitment
        )


def is_sealed(data: bytes) -> bool:
    """Return whether the bytes begin as an RQE1 object."""
    return data[:4] == MAGIC


def parse_header(data: bytes) -> Header:
    """Read the header of a sealed object.

    Raises:
        DecryptionError: `not_encrypted`, or `malformed`.
    """
    if not is_sealed(data):
        raise DecryptionError("not_encrypted", "this is not an RQE1 object")
    if len(data) < OVERHEAD_BYTES:
        raise DecryptionError("malformed", "the RQE1 object is cut short")
    _, suite, flags, kid, wrapped_key, salt, nonce, commitment = _HEADER.unpack_from(data)
    if suite != SUITE or flags not in {0, FLAG_SERVICE} or kid == 0:
        raise DecryptionError("malformed", "the RQE1 header has a suite, flag or kid that we do not take")
    return Header(flags, kid, wrapped_key, salt, nonce, commitment)


def seal(  # noqa: PLR0913  a sealed object has this many parts
    plaintext: bytes,
    *,
    storage_key: str,
    data_key: bytes,
    kid: int,
    wrapped_key: bytes,
    service: bool = False,
    salt: bytes | None = None,
    nonce: bytes | None = None,
) -> bytes:
    """Seal `plaintext` for one storage key.

    Args:
        plaintext: the content.
        storage_key: where the object will be stored; it opens nowhere else.
        data_key: 32 bytes.
        kid: which key of the ring wrapped the data key, 1..65535.
        wrapped_key: the data key under that key, 40 bytes; goes into the header as it is.
        service: whether it is a dispatch or result object (flags 1).
        salt: 16 bytes; random unless a test vector gives them.
        nonce: 12 bytes; random unless a test vector gives them.

    Raises:
        ValueError: a key, kid, salt or nonce of the wrong size.
    """
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    nonce = os.urandom(NONCE_BYTES) if nonce is None else nonce
    sizes = (len(data_key), len(wrapped_key), len(salt), len(nonce))
    if sizes != (KEY_BYTES, WRAPPED_KEY_BYTES, SALT_BYTES, NONCE_BYTES) or not 1 <= kid <= MAX_KID:
        raise ValueError("a key, kid, salt or nonce has the wrong size")
    key, commitment = _derive(data_key, salt, storage_key)
    header = Header(FLAG_SERVICE if service else 0, kid, wrapped_key, salt, nonce, commitment).pack()
    return header + AESGCM(key).encrypt(nonce, plaintext, _associated_data(header, storage_key))


def open_sealed(data: bytes, *, storage_key: str, data_key: bytes, service: bool = False) -> bytes:
    """Open a sealed object that is stored at `storage_key`.

    Raises:
        DecryptionError: with the reason.
    """
    header = parse_header(data)
    if header.service != service:
        raise DecryptionError("malformed", "a service object is where a user's is due, or the other way round")
    key, commitment = _derive(data_key, header.salt, storage_key)
    if not hmac.compare_digest(commitment, header.commitment):
        raise DecryptionError("wrong_key", "the object was sealed under another key, or for another place")
    try:
        return AESGCM(key).decrypt(header.nonce, memoryview(data)[HEADER_BYTES:], _associated_data(data, storage_key))
    except InvalidTag:
        raise DecryptionError("tampered", "the object was changed after it was sealed") from None


def _derive(data_key: bytes, salt: bytes, storage_key: str) -> tuple[bytes, bytes]:
    okm = hkdf_sha256(data_key, salt=salt, info=storage_key.encode(), length=KEY_BYTES + COMMITMENT_BYTES)
    return okm[:KEY_BYTES], okm[KEY_BYTES:]


def _associated_data(header: bytes, storage_key: str) -> bytes:
    return header[:6] + header[48:HEADER_BYTES] + storage_key.encode()
