"""From a sealed dispatch object to the worker's payload: who may tell the launcher what to run.

With a key ring only a service object is taken, which no client can make. Without one the dispatch object is plain JSON,
and taken only where the worker takes plaintext.

Source: docs/specification/launcher.md, docs/specification/rqe1.md.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from rythmiq.contracts.dispatch import Dispatch
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.crypto.rqe1 import DecryptionError

MAX_DISPATCH_BYTES = 1024 * 1024
"""As much as the worker reads, with what RQE1 adds."""


class DispatchRefusedError(Exception):
    """What stands at the dispatch object's key is not one that we run.

    Args:
        reason: a word for the log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class KeysRefusedError(Exception):
    """The job's data keys do not unwrap; the job can be told so.

    Args:
        reason: `unknown_kid`, `wrong_key` or `malformed`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Launch:
    """What the command line names: one attempt of one job."""

    user_id: str
    job_id: str
    attempt: int


def opened(data: bytes, *, storage_key: str, launch: Launch, ring: KeyRing | None) -> Dispatch:
    """Open a dispatch object.

    Args:
        data: the object's bytes.
        storage_key: where it stood; it opens nowhere else.
        launch: what it must be about.
        ring: None where jobs are plaintext.

    Raises:
        DispatchRefusedError: it is forged, damaged, sealed under a key that the ring does not have, or about another
            attempt.
    """
    try:
        document = data if ring is None else ring.open_service(data, storage_key=storage_key)
    except DecryptionError as error:
        raise DispatchRefusedError(error.reason) from None
    try:
        dispatch = Dispatch.model_validate_json(document)
    except ValidationError:
        raise DispatchRefusedError("malformed") from None
    if (dispatch.user_id, dispatch.job_id, dispatch.attempt) != (launch.user_id, launch.job_id, launch.attempt):
        raise DispatchRefusedError("another_attempt")
    return dispatch


def payload_of(dispatch: Dispatch, ring: KeyRing | None) -> dict[str, Any]:
    """The worker's payload: the dispatch object without the callback, its data keys unwrapped.

    Raises:
        KeysRefusedError: a data key does not unwrap.
    """
    payload = dispatch.model_dump(mode="json", exclude={"callback", "encryption"})
    wrapped = dispatch.encryption
    if wrapped is None:
        return payload
    payload["encryption"] = {
        "kid": wrapped.kid,
        "wrapped_key": wrapped.wrapped_key,
        "data_key": _unwrapped(ring, wrapped.kid, wrapped.wrapped_key),
    }
    if wrapped.input_kid is not None and wrapped.input_wrapped_key is not None:
        payload["encryption"]["input_data_key"] = _unwrapped(ring, wrapped.input_kid, wrapped.input_wrapped_key)
    if wrapped.inputs is not None:
        payload["encryption"]["input_data_keys"] = [
            _unwrapped(ring, entry.kid, entry.wrapped_key) for entry in wrapped.inputs
        ]
    return payload


def _unwrapped(ring: KeyRing | None, kid: int, wrapped_key: str) -> str:
    if ring is None:
        raise KeysRefusedError("unknown_kid")
    try:
        return base64.b64encode(ring.unwrap(kid, base64.b64decode(wrapped_key, validate=True))).decode()
    except binascii.Error:
        raise KeysRefusedError("malformed") from None
    except DecryptionError as error:
        raise KeysRefusedError(error.reason) from None
