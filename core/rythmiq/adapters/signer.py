"""botocore's SigV4 signers, and the least that they need of a request and of credentials.

botocore's own `AWSRequest` and `Credentials` bring urllib3's client and the search for credentials with them, a tenth
of a function's cold start; its signers read the attributes below and no others (a test signs with both).

Source: docs/decisions.md.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.compat import HTTPHeaders

from rythmiq.contracts.keys import parse_timestamp

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Whose signature it is."""

    access_key: str
    secret_key: str = field(repr=False)
    token: None = None


class SigningRequest:
    """A request that a signer completes: its URL (presigned), its headers, or the fields of a form."""

    def __init__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = HTTPHeaders()
        for name, value in (headers or {}).items():
            self.headers[name] = value
        self.params = dict(params or {})
        self.data = body or b""
        self.context: dict[str, Any] = {}

    @property
    def body(self) -> bytes:
        """What is hashed."""
        return self.data

    @property
    def signed_at(self) -> dt.datetime:
        """The instant that the signature names."""
        return parse_timestamp(str(self.context["timestamp"]))


class Signer:
    """Signs requests to one region's object store.

    Args:
        key: whose signature.
        region: the store's.
    """

    def __init__(self, key: AccessKey, region: str) -> None:
        self._credentials = cast("Credentials", key)
        self._region = region

    def sign(self, request: SigningRequest) -> None:
        """Add the headers of a signature that is used at once."""
        S3SigV4Auth(self._credentials, "s3", self._region).add_auth(cast("AWSRequest", request))

    def presign(self, request: SigningRequest, *, expires_s: int) -> None:
        """Put a signature into the URL."""
        S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=expires_s).add_auth(cast("AWSRequest", request))

    def sign_form(self, request: SigningRequest) -> None:
        """Add a policy and its signature to the fields of a form."""
        S3SigV4PostAuth(self._credentials, "s3", self._region).add_auth(cast("AWSRequest", request))
