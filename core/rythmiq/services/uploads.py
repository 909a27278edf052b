"""POST /uploads: a place to upload to and a key to seal under, or both of them again.

Source: SPEC 3, 4, 6, 16.
"""

from dataclasses import dataclass
from typing import Literal

from rythmiq.contracts.api import UploadAnswer, UploadRequest
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports import Clock, Database, SigningStore


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """What the operator allows.

    Attributes:
        max_upload_bytes: of the plaintext.
        initial_credits: what a user has at the first call.
        plaintext_allowed: whether `encrypted: false` is taken.
        method: how clients upload.
        url_ttl_s: how long a signature holds.
    """

    max_upload_bytes: int
    initial_credits: int
    plaintext_allowed: bool
    method: Literal["put", "post"] = "put"
    url_ttl_s: int = 900


class Uploads:
    """The use case.

    Args:
        database: of uploads.
        store: where objects go.
        ring: what wraps data keys; None where the service has no keys.
        clock: for the instant in a key.
        terms: what the operator allows.
    """

    def __init__(
        self, *, database: Database, store: SigningStore, ring: KeyRing | None, clock: Clock, terms: UploadTerms
    ) -> None:
        self._database = database
        self._store = store
        self._ring = ring
        self._clock = clock
        self._terms = terms

    def create(self, user_id: str, request: UploadRequest) -> UploadAnswer:
        """Sign a new upload, or one's own unclaimed one again (same key, same data key).

        Raises:
            ProblemError: UPLOAD_TOO_LARGE, INVALID_FIELD, NOT_FOUND, UPLOAD_CLAIMED, NOT_CONFIGURED.
            DatabaseUnavailableError: the database does not answer.
        """
        raise NotImplementedError
