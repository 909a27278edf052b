"""HKDF-SHA256 (RFC 5869), written out: it imports nothing that a function does not have anyway."""

import hmac


def hkdf_sha256(key: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """Derive `length` bytes, at most 8,160, from a key.

    Args:
        key: the input keying material.
        salt: may be empty.
        info: what the derived bytes are for.
        length: how many bytes.
    """
    pseudorandom = hmac.digest(salt, key, "sha256")  # HMAC pads an empty salt to the zeros that the RFC asks for
    derived = block = b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([number]), "sha256")
        derived += block
    return derived[:length]
