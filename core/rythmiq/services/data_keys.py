"""Data keys between the database, which keeps them wrapped and as base64, and the ring.

Source: docs/specification/rqe1.md.
"""

import base64
from dataclasses import dataclass, field

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.crypto.rqe1 import DecryptionError


@dataclass(frozen=True, slots=True)
class JobDataKey:
    """The data key of one job: in the clear, and as it goes into every header."""

    kid: int
    data_key: bytes = field(repr=False)
    wrapped_key: bytes = field(repr=False)

    @property
    def data_key_text(self) -> str:
        """Base64 with padding."""
        return base64.b64encode(self.data_key).decode()

    @property
    def wrapped_key_text(self) -> str:
        """Base64 with padding."""
        return base64.b64encode(self.wrapped_key).decode()


def mint(ring: KeyRing) -> JobDataKey:
    """Make a data key."""
    minted = ring.mint()
    return JobDataKey(minted.kid, minted.data_key, minted.wrapped_key)


def unwrap(ring: KeyRing | None, kid: int | None, wrapped_key: str | None) -> JobDataKey | None:
    """Open a row's data key; None when the row says that its objects are plaintext.

    Raises:
        ProblemError: NOT_CONFIGURED: the ring no longer holds the key that wrapped it.
    """
    if kid is None or wrapped_key is None:
        return None
    wrapped = base64.b64decode(wrapped_key)
    try:
        data_key = ring.unwrap(kid, wrapped) if ring is not None else None
    except DecryptionError:
        data_key = None
    if data_key is None:
        raise ProblemError(
            ProblemCode.NOT_CONFIGURED, "ENCRYPTION_KEYS does not hold the key that this job was made under."
        )
    return JobDataKey(kid, data_key, wrapped)
