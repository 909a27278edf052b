"""Key rings: `ENCRYPTION_KEYS` wraps data keys for their owner, `DISPATCH_KEYS` seals service objects.

Each ring is used for one of the two, and its first key is current. Only the API holds the first; the launcher holds the
second, and gets the data keys of its one job from the dispatch object.

Source: docs/specification/rqe1.md.
"""

import base64
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from rythmiq.contracts.hkdf import hkdf_sha256
from rythmiq.crypto import (
    KEY_BYTES,
    MAX_KID,
    DecryptionError,
    Header,
    open_sealed,
    parse_header,
    seal,
)

_SERVICE_INFO = b"rythmiq dispatch v1"
_WRAP_INFO = b"rythmiq wrap v2"
_REQUEST_INFO = b"rythmiq request hash v1"
_FINGERPRINT_INFO = b"rythmiq key fingerprint v1"
_FINGERPRINT_BYTES = 8
_USER_ID_CHARS = 36
_ENTRY = re.compile(r"(?P<kid>[1-9][0-9]{0,4}):(?P<key>[A-Za-z0-9+/]{43}=)")


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key in the clear and as the ring wrapped it for its owner."""

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
    """Keys by kid; the first is current, the others still open what they sealed.

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

    @property
    def kids(self) -> tuple[int, ...]:
        """The kids, the current one first."""
        return tuple(self._keys)

    @property
    def fingerprints(self) -> dict[int, str]:
        """16 hexadecimal digits of each key by its kid, the current one first; they tell nothing of the keys."""
        return {
            kid: hkdf_sha256(key, salt=b"", info=_FINGERPRINT_INFO, length=_FINGERPRINT_BYTES).hex()
            for kid, key in self._keys.items()
        }

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
        """Make a fresh `kid:base64` entry for `ENCRYPTION_KEYS` or `DISPATCH_KEYS`.

        Raises:
            ValueError: the kid is not 1..65535.
        """
        if not 1 <= kid <= MAX_KID:
            raise ValueError("a kid is 1..65535")
        return f"{kid}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"

    def mint(self, user_id: str) -> DataKey:
        """Make a data key and wrap it for its owner under the current KEK."""
        return self._wrapped(os.urandom(KEY_BYTES), user_id)

    def unwrap(self, kid: int, wrapped_key: bytes, user_id: str) -> bytes:
        """Unwrap a data key of this user.

        Raises:
            DecryptionError: `unknown_kid`, or `wrong_key`: it was wrapped under another key, or for another user.
        """
        return _unwrap(_users_key(self._kek(kid), user_id), wrapped_key)

    def seal_service(self, plaintext: bytes, *, storage_key: str, kid: int | None = None) -> bytes:
        """Seal a dispatch or result object under a data key of its own, which no client ever sees.

        Args:
            plaintext: the content.
            storage_key: where the object will be stored.
            kid: of the key to use, by default the current one's.

        Raises:
            DecryptionError: `unknown_kid`.
        """
        kid, data_key = kid or self.current_kid, os.urandom(KEY_BYTES)
        wrapped_key = aes_key_wrap(_service_key(self._kek(kid)), data_key)
        return seal(
            plaintext,
            storage_key=storage_key,
            data_key=data_key,
            kid=kid,
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

    def rewrap_key(self, kid: int, wrapped_key: bytes, user_id: str) -> DataKey:
        """Wrap a data key of this user under the current KEK.

        Raises:
            DecryptionError: `unknown_kid`, or `wrong_key`.
        """
        return self._wrapped(self.unwrap(kid, wrapped_key, user_id), user_id)

    def rewrap(self, data: bytes, user_id: str) -> bytes:
        """Wrap the data key of a user's object under the current KEK; only the header changes.

        Raises:
            DecryptionError: with the reason; a service object is `malformed` here.
        """
        header = parse_header(data)
        if header.service:
            raise DecryptionError("malformed", "a service object is not rewrapped")
        key = self.rewrap_key(header.kid, header.wrapped_key, user_id)
        renewed = Header(header.flags, key.kid, key.wrapped_key, header.salt, header.nonce, header.commitment).pack()
        return renewed + data[len(renewed) :]

    def request_macs(self, message: bytes) -> tuple[str, ...]:
        """HMAC-SHA256 in hex of a request under a key derived from each KEK, the current one's first."""
        keys = (hkdf_sha256(key, salt=b"", info=_REQUEST_INFO, length=KEY_BYTES) for key in self._keys.values())
        return tuple(hmac.digest(key, message, "sha256").hex() for key in keys)

    def _wrapped(self, data_key: bytes, user_id: str) -> DataKey:
        kek = self._keys[self.current_kid]
        return DataKey(self.current_kid, data_key, aes_key_wrap(_users_key(kek, user_id), data_key))

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


def _service_key(dispatch_key: bytes) -> bytes:
    return hkdf_sha256(dispatch_key, salt=b"", info=_SERVICE_INFO, length=KEY_BYTES)


def _users_key(kek: bytes, user_id: str) -> bytes:
    """What wraps the data keys of one user: a wrapped key that is moved to another's row does not unwrap."""
    if len(user_id) != _USER_ID_CHARS:
        raise ValueError("a user's id has 36 characters")
    return hkdf_sha256(kek, salt=b"", info=_WRAP_INFO + user_id.encode("ascii"), length=KEY_BYTES)
