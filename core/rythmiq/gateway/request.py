"""A request as the handlers see it, whatever the platform's event looked like.

Source: docs/specification/http-api.md; the event's fields: docs/digitalocean-functions.md.
"""

import base64
import binascii
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from rythmiq.contracts.problems import ProblemCode, ProblemError

MAX_BODY_BYTES = 1024 * 1024
_BASE64_OVERHEAD = 4 / 3


@dataclass(frozen=True, slots=True)
class Request:
    """One call.

    Attributes:
        method: in capitals.
        path: what follows the function's name: empty, or with a slash in front and none at its end.
        query: names and values as they came, decoded.
        headers: by lower-case name.
        raw_body: as the event holds it; base64 when `is_base64`.
        request_id: of the caller when it gave a sane one, else the platform's, else ours.
        ends_at_s: on the monotonic clock, when the platform ends the call; None when it does not say.
        is_trigger: no HTTP at all: the platform's own scheduler calls.
    """

    method: str = "GET"
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    raw_body: str | bytes = field(default=b"", repr=False)
    is_base64: bool = False
    request_id: str = ""
    ends_at_s: float | None = None
    is_trigger: bool = False

    def header(self, name: str) -> str | None:
        """A header's value, by name in any case."""
        return self.headers.get(name.lower())

    def body(self) -> bytes:
        """The body's bytes.

        Raises:
            ProblemError: BODY_TOO_LARGE; MALFORMED_JSON when it is announced as base64 and is not.
        """
        most = int(MAX_BODY_BYTES * _BASE64_OVERHEAD) + 4 if self.is_base64 else MAX_BODY_BYTES
        if len(self.raw_body) > most:
            raise ProblemError(ProblemCode.BODY_TOO_LARGE)
        if self.is_base64:
            try:
                data = base64.b64decode(self.raw_body, validate=True)
            except (binascii.Error, ValueError):
                raise ProblemError(ProblemCode.MALFORMED_JSON, "The body is not the base64 it is said to be.") from None
        else:
            # A lone surrogate is no text; it becomes bytes that are no UTF-8 either.
            data = self.raw_body.encode(errors="surrogatepass") if isinstance(self.raw_body, str) else self.raw_body
        if len(data) > MAX_BODY_BYTES:
            raise ProblemError(ProblemCode.BODY_TOO_LARGE)
        return data

    def remaining_s(self, default: float) -> float:
        """Seconds until the platform ends the call; `default` when it does not say."""
        return default if self.ends_at_s is None else max(0.0, self.ends_at_s - time.monotonic())
