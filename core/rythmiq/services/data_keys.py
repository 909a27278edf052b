"""Opens data keys as the database keeps them: wrapped, in base64.

Source: docs/specification/rqe1.md.
"""

import base64

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import DataKey, KeyRing
from rythmiq.crypto.rqe1 import DecryptionError


def unwrap(ring: KeyRing | None, kid: int | None, wrapped_key: str | None) -> DataKey | None:
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
    return DataKey(kid, data_key, wrapped)
