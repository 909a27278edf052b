"""What can go wrong outside, in our own words; cheap to import, so that a caller that only signs can name them.

::

    StoreError                    transient: whether the same call may succeed soon
    ├── ObjectMissingError        404
    ├── AccessDeniedError         401, 403
    ├── PreconditionFailedError   412
    ├── ObjectTooLargeError       announced or counted above the bound
    ├── TruncatedObjectError      the body ended before its announced length: transient
    ├── AddressRefusedError       the policy refuses the resolved address
    ├── StoreTimeoutError         the deadline passed: transient
    ├── StoreUnavailableError     5xx, 429, reset: transient; refused, unknown host, untrusted certificate: not
    └── UnexpectedAnswerError     any other status, redirects among them; what is not HTTP
"""


class StoreError(Exception):
    """Something outside did not give what was asked; the message holds no URL, key or credential."""

    transient = False


class ObjectMissingError(StoreError):
    """There is no such object."""


class AccessDeniedError(StoreError):
    """The signature, the expiry or the policy does not allow it."""


class PreconditionFailedError(StoreError):
    """A condition of the request does not hold: the object is there already."""


class ObjectTooLargeError(StoreError):
    """The object is larger than the caller takes."""


class TruncatedObjectError(StoreError):
    """The connection ended before the whole body came."""

    transient = True


class AddressRefusedError(StoreError):
    """The host resolves to an address that must not be reached."""


class StoreTimeoutError(StoreError):
    """The whole call took longer than its deadline."""

    transient = True


class StoreUnavailableError(StoreError):
    """The server is down, overloaded or cut the connection."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


class UnexpectedAnswerError(StoreError):
    """The server answered what the call does not allow for."""
