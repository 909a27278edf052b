"""Use cases over ports; here the adapters behind them, and how they open a row's data key.

Accounts need no key, so nothing of `crypto` is imported before it is used.

Source: docs/specification/rqe1.md.
"""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rythmiq.clock import Deadline
from rythmiq.contracts.errors import StoreError
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.log import log

if TYPE_CHECKING:
    from rythmiq.clock import Clock
    from rythmiq.crypto.key_ring import DataKey, KeyRing
    from rythmiq.ports import SigningStore
    from rythmiq.ports.database import Database
    from rythmiq.ports.jobs import Ended


CLEAR_UP_S = 3.0
"""Time limit of removing what an attempt leaves for the service."""


@dataclass(frozen=True, slots=True)
class Backends:
    """The adapters behind every use case.

    Attributes:
        database: all state.
        store: uploads, dispatch objects, results and ZIPs.
        ring: wraps users' data keys; None where plaintext is allowed and no keys are set.
        dispatch_ring: seals service objects; None where there are none, or where no keys are set.
        clock: the time of day, and what deadlines are measured on.
    """

    database: "Database"
    store: "SigningStore"
    ring: "KeyRing | None"
    dispatch_ring: "KeyRing | None"
    clock: "Clock"

    def open_key(self, kid: int | None, wrapped_key: str | None, user_id: str) -> "DataKey | None":
        """Unwrap the data key of this user's row; None of a job whose objects are plaintext.

        Raises:
            ProblemError: NOT_CONFIGURED: the ring no longer holds the key that wrapped it, or it was wrapped for
                another user.
        """
        if kid is None or wrapped_key is None:
            return None
        from rythmiq.crypto import DecryptionError  # noqa: PLC0415  see above

        try:
            return self.unwrap(kid, wrapped_key, user_id)
        except DecryptionError as error:
            words = "does not hold" if error.reason == "unknown_kid" else "opens another's or nothing with"
            log("not_configured", level="error", reason=f"ENCRYPTION_KEYS {words} key {kid}")
            raise ProblemError(ProblemCode.NOT_CONFIGURED) from None

    def clear_up(self, job_id: str, ended: "Ended") -> None:
        """Remove the dispatch and result object of an attempt that has settled; trouble is left to `removals`."""
        if ended.user_id is None or ended.attempt is None:
            return
        deadline = Deadline.after(CLEAR_UP_S, self.clock.monotonic_s)
        try:
            for key in (dispatch_key, result_key):
                path = key(ended.user_id, job_id, ended.attempt)
                self.store.delete_object(path, timeout_s=max(0.0, deadline.left_s))
        except StoreError as error:
            log("clear_up_trouble", level="warning", job_id=job_id, attempt=ended.attempt, reason=str(error))

    def unwrap(self, kid: int, wrapped_key: str, user_id: str) -> "DataKey":
        """Unwrap a data key of this user.

        Raises:
            DecryptionError: `unknown_kid`, `wrong_key`, or `malformed`.
        """
        from rythmiq.crypto import DecryptionError  # noqa: PLC0415  see above
        from rythmiq.crypto.key_ring import DataKey  # noqa: PLC0415  ditto

        if self.ring is None:
            raise DecryptionError("unknown_kid", "there is no key ring")
        try:
            wrapped = base64.b64decode(wrapped_key, validate=True)
        except ValueError:
            raise DecryptionError("malformed", "the wrapped key is not base64") from None
        return DataKey(kid, self.ring.unwrap(kid, wrapped, user_id), wrapped)
