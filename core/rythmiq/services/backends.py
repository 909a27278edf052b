"""The adapters behind the use cases, and how they open a row's data key.

Source: docs/specification/rqe1.md.
"""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import DataKey, KeyRing
from rythmiq.crypto.rqe1 import DecryptionError
from rythmiq.log import log

if TYPE_CHECKING:
    from rythmiq.clock import Clock
    from rythmiq.ports.database import Database
    from rythmiq.ports.store import SigningStore


@dataclass(frozen=True, slots=True)
class Backends:
    """The adapters behind every use case.

    Attributes:
        database: all state.
        store: uploads, dispatch objects, results and ZIPs.
        ring: wraps data keys and seals service objects; None where plaintext is allowed and no keys are set.
        clock: the time of day, and what deadlines are measured on.
    """

    database: "Database"
    store: "SigningStore"
    ring: KeyRing | None
    clock: "Clock"

    def open_key(self, kid: int | None, wrapped_key: str | None) -> DataKey | None:
        """Unwrap a row's data key; None of a job whose objects are plaintext.

        Raises:
            ProblemError: NOT_CONFIGURED: the ring no longer holds the key that wrapped it.
        """
        if kid is None or wrapped_key is None:
            return None
        wrapped = base64.b64decode(wrapped_key)
        try:
            data_key = self.ring.unwrap(kid, wrapped) if self.ring is not None else None
        except DecryptionError:
            data_key = None
        if data_key is None:
            log("not_configured", level="error", reason=f"ENCRYPTION_KEYS does not hold key {kid}")
            raise ProblemError(ProblemCode.NOT_CONFIGURED)
        return DataKey(kid, data_key, wrapped)
