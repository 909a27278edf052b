"""The key ring: the KEKs of `ENCRYPTION_KEYS`, the first of them current.

Only the API and the launcher hold one. The worker is handed the one data key of its job.

Source: docs/specification/rqe1.md.
"""

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from rythmiq.crypto.rqe1 import (
    KEY_BYTES,
    MAX_KID,
    DecryptionError,
    Header,
    open_sealed,
    parse_header,
    seal,
)

_SERVICE_INFO = b"rythmiq dispatch v1"
_ENTRY = re.compile(r"(?P<kid>[1-9][0-9]{0,4}):(?P<key>[A-Za-z0-9+/]{43}=)")


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the clear and as the ring wrapped it."""

    kid: int
    data_key: bytes = field(repr=False)
    wrapped_key: bytes = field(repr=False)

    @property
    def data_key_text(self) -> str:
        """The key in base64 with padding."""
        return base64.b64encode(self.data_key).decode()

    @property
    def wrapped_key_text(self) -> str:
        """The wrapped key in base64 with padding."""
        return base64.b64encode(self.wrapped_key).decode()


class KeyRing:
    """KEKs by kid; the first is current, the others still open what they sealed.

    Args:
        keys: 32 bytes each, by kid 1..65535, the current one first.

    Raises:
        ValueError: no key, or one of a wrong size or kid; no value is shown.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys:
            raise ValueError("the key ring is empty")
        for position, (kid, key) in enumerate(keys.items(), start=1):
            if not 1 <= kid <= MAX_KID or len(key) != KEY_BYTES:
                raise ValueError(f"entry {position} of the key ring is not kid:base64 of 32 bytes")
        self._keys = dict(keys)
        self.current_kid = next(iter(self._keys))

    def __repr__(self) -> str:
        """Kids only."""
        return f"KeyRing(kids={list(self._keys)})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2:base64,1:base64`.

        Raises:
            ValueError: an entry is not `kid:base64` of 32 bytes, or a kid is there twice; no value is shown.
        """
        keys: dict[int, bytes] = {}
        for position, entry in enumerate(text.split(","), start=1):
            match = _ENTRY.fullmatch(entry.strip())
            if match is None:
                raise ValueError(f"entry {position} of the key ring is not kid:base64 of 32 bytes")
            kid = int(match["kid"])
            if kid in keys:
                raise ValueError(f"entry {position} of the key ring repeats a kid")
            keys[kid] = base64.b64decode(match["key"])
        return cls(keys)

    @staticmethod
    def new_entry(kid: int) -> str:
        """Make a fresh `kid:base64` entry for `ENCRYPTION_KEYS`.

        Raises:
            ValueError: the kid is not 1..65535.
        """
        if not 1 <= kid <= MAX_KID:
            raise ValueError("a kid is 1..65535")
        return f"{kid}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"

    def mint(self) -> DataKey:
        """Make a data key and wrap it under the current KEK."""
        data_key = os.urandom(KEY_BYTES)
        return DataKey(self.current_kid, data_key, aes_key_wrap(self._keys[self.current_kid], data_key))

    def unwrap(self, kid: int, wrapped_key: bytes) -> bytes:
        """Unwrap a data key.

        Raises:
            DecryptionError: `unknown_kid`, or `wrong_key`.
        """
        return _unwrap(self._kek(kid), wrapped_key)

    def seal_service(self, plaintext: bytes, *, storage_key: str) -> bytes:
        """Seal a dispatch or result object under a data key of its own, which no client ever sees."""
        data_key = os.urandom(KEY_BYTES)
        wrapped_key = aes_key_wrap(_service_key(self._keys[self.current_kid]), data_key)
        return seal(
            plaintext,
            storage_key=storage_key,
            data_key=data_key,
            kid=self.current_kid,
            wrapped_key=wrapped_key,
            service=True,
        )

    def open_service(self, data: bytes, *, storage_key: str) -> bytes:
        """Open a dispatch or result object.

        Raises:
            DecryptionError: with the reason; a user's object is `malformed` here.
        """
        header = parse_header(data)
        if not header.service:
            raise DecryptionError("malformed", "a service object is due here")
        data_key = _unwrap(_service_key(self._kek(header.kid)), header.wrapped_key)
        return open_sealed(data, storage_key=storage_key, data_key=data_key, service=True)

    def rewrap_key(self, kid: int, wrapped_key: bytes) -> DataKey:
        """Wrap a data key under the current KEK.

        Raises:
            DecryptionError: `unknown_kid`, or `wrong_key`.
        """
        data_key = self.unwrap(kid, wrapped_key)
        return DataKey(self.current_kid, data_key, aes_key_wrap(self._keys[self.current_kid], data_key))

    def rewrap(self, data: bytes) -> bytes:
        """Wrap the object's data key under the current KEK; only the header changes.

        Raises:
            DecryptionError: with the reason.
        """
        header = parse_header(data)
        old, new = self._kek(header.kid), self._keys[self.current_kid]
        if header.service:
            old, new = _service_key(old), _service_key(new)
        wrapped_key = aes_key_wrap(new, _unwrap(old, header.wrapped_key))
        renewed = Header(
            header.flags, self.current_kid, wrapped_key, header.salt, header.nonce, header.commitment
        ).pack()
        return renewed + data[len(renewed) :]

    def _kek(self, kid: int) -> bytes:
        try:
            return self._keys[kid]
        except KeyError:
            raise DecryptionError("unknown_kid", f"the key ring has no key {kid}") from None


def _unwrap(kek: bytes, wrapped_key: bytes) -> bytes:
    try:
        return aes_key_unwrap(kek, wrapped_key)
    except (InvalidUnwrap, ValueError):
        raise DecryptionError("wrong_key", "the data key was wrapped under another key") from None


def _service_key(kek: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, b"", _SERVICE_INFO).derive(kek)
