"""The one adapter to DigitalOcean Spaces, or any store that speaks S3, for the API and the worker.

Signatures are botocore's (`botocore.auth`), never our own. Its signers get the few attributes that they read instead of
its own `AWSRequest` and `Credentials`, which import urllib3's client and the search for credentials: a tenth of a cold
start (a test signs with both). The direct calls import `bounded_http` at the first of them, so that a function
that only signs does not pay for it. No boto3 client: that costs about 0.4 s and 27 MB.

URLs are path style (`{endpoint}/{bucket}/{key}`), which Spaces, Ceph RGW and loopback servers all take. Every
`x-amz-*` header that is sent is signed. A key outside the grammar of `contracts.keys` is refused before signing.

Source: docs/specification/storage-keys.md. The errors are drawn in `contracts.errors`.
"""

import base64
import datetime as dt
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import quote

from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.compat import HTTPHeaders

from rythmiq.clock import Deadline, backoff_s
from rythmiq.contracts.errors import ObjectMissingError, StoreError, UnexpectedAnswerError
from rythmiq.contracts.keys import CONTROLS, MOST_DELETED, SEALED_TYPE, parse_key, parse_timestamp

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    from rythmiq.adapters.bounded_http import Answer, HttpClient

UPLOAD_EXPIRES_S = 15 * 60
MAX_UPLOAD_EXPIRES_S = 60 * 60
DOWNLOAD_EXPIRES_S = 60 * 60
OUTPUT_EXPIRES_S = 24 * 60 * 60
MAX_EXPIRES_S = 7 * 24 * 60 * 60
_S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
_MAX_ANSWER_BYTES = 1024 * 1024
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,128}", re.IGNORECASE)
_HIDDEN = rf"[{CONTROLS}\ud800-\udfff/\\]"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Endpoint, bucket and credentials.

    Attributes:
        endpoint: scheme, host and port, e.g. `https://sgp1.digitaloceanspaces.com`.
        conditional_writes: whether the store honours `If-None-Match: *` on a PUT.
        authorities: a file of certificate authorities, for a store with a certificate of its own.
    """

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    conditional_writes: bool = True
    authorities: str | None = None


@dataclass(frozen=True, slots=True)
class PresignedUpload:
    """A signed upload of one object: send `headers` with a PUT, `fields` before the file with a POST."""

    method: Literal["PUT", "POST"]
    url: str = field(repr=False)
    headers: dict[str, str]
    fields: dict[str, str] = field(repr=False)
    expires_at: dt.datetime


class SpacesStore:
    """Objects of one bucket.

    Args:
        config: where and who.
        attempts: how often a direct call is tried while its failure is transient; the worker's once.
        timeout_s: bounds one try of a direct call as a whole; a call's own `timeout_s` bounds all of its tries.
        sleep: waits between tries; tests inject their own.
        keep_alive: keep connections between calls; for a process that ends soon after its last one.
    """

    def __init__(
        self,
        config: StoreConfig,
        *,
        attempts: int = 3,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        keep_alive: bool = False,
    ) -> None:
        if attempts < 1:
            raise ValueError("a call is tried at least once")
        self.config = config
        self._attempts = attempts
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._keep_alive = keep_alive
        self._http: HttpClient | None = None
        self._signer = Signer(AccessKey(config.access_key, config.secret_key), config.region)

    def generate_upload_url(  # noqa: PLR0913  the terms of an upload are this many
        self,
        key: str,
        *,
        size_bytes: int,
        content_type: str = SEALED_TYPE,
        method: Literal["put", "post"] = "put",
        expires_s: int = UPLOAD_EXPIRES_S,
        min_bytes: int | None = None,
    ) -> PresignedUpload:
        """Sign the upload of one object.

        A PUT signs the type, the exact length, `x-amz-acl: private` and, where the store honours it, `If-None-Match`.
        A POST signs the exact key, type and a range of sizes.

        Args:
            key: the object's storage key.
            size_bytes: exact for a PUT, the most for a POST.
            content_type: what the client will send.
            method: PUT or POST.
            expires_s: 1 s to 1 h.
            min_bytes: the least for a POST; default `size_bytes`.

        Raises:
            ValueError: the expiry, a size or the type is out of range; InvalidKeyError: the key is outside the grammar.
        """
        _check_expiry(expires_s, MAX_UPLOAD_EXPIRES_S)
        parse_key(key)
        least_bytes = size_bytes if min_bytes is None else min_bytes
        if not 1 <= least_bytes <= size_bytes:
            raise ValueError("an upload has at least one byte, and no more than its most")
        if not _MEDIA_TYPE.fullmatch(content_type):
            raise ValueError("not a media type")
        if method == "post":
            return self._presigned_post(key, content_type, (least_bytes, size_bytes), expires_s)
        headers = {"Content-Type": content_type, "Content-Length": str(size_bytes), "x-amz-acl": "private"}
        if self.config.conditional_writes:
            headers["If-None-Match"] = "*"
        request = SigningRequest("PUT", f"{self._bucket_url}/{key}", headers=headers)
        self._signer.presign(request, expires_s=expires_s)
        return PresignedUpload("PUT", request.url, headers, {}, request.signed_at + dt.timedelta(seconds=expires_s))

    def _presigned_post(
        self, key: str, content_type: str, range_bytes: tuple[int, int], expires_s: int
    ) -> PresignedUpload:
        fields = {"key": key, "Content-Type": content_type, "acl": "private", "success_action_status": "204"}
        expires_at = _now().replace(microsecond=0) + dt.timedelta(seconds=expires_s)
        request = SigningRequest("POST", self._bucket_url)
        request.context["s3-presign-post-fields"] = dict(fields)
        request.context["s3-presign-post-policy"] = {
            "expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [
                {"bucket": self.config.bucket},
                *({name: value} for name, value in fields.items()),
                ["content-length-range", *range_bytes],
            ],
        }
        self._signer.sign_form(request)
        signed = {str(name): str(value) for name, value in request.context["s3-presign-post-fields"].items()}
        return PresignedUpload("POST", request.url, {}, signed, expires_at)

    def generate_download_url(self, key: str, *, expires_s: int = DOWNLOAD_EXPIRES_S) -> str:
        """Sign the download of one object.

        Raises:
            ValueError: the expiry is out of range; InvalidKeyError: the key is outside the grammar.
        """
        return self._presigned_get(key, expires_s, {})

    def generate_output_download_url(self, key: str, *, filename: str, expires_s: int = OUTPUT_EXPIRES_S) -> str:
        """Sign the download of a ZIP that a browser saves as `filename`.

        Raises:
            ValueError: the expiry is out of range; InvalidKeyError: the key is outside the grammar.
        """
        return self._presigned_get(key, expires_s, {"response-content-disposition": content_disposition(filename)})

    def _presigned_get(self, key: str, expires_s: int, params: dict[str, str]) -> str:
        _check_expiry(expires_s, MAX_EXPIRES_S)
        request = SigningRequest("GET", self._url(key), params=params)
        self._signer.presign(request, expires_s=expires_s)
        return request.url

    def fetch_object(self, key: str, *, max_bytes: int, timeout_s: float | None = None) -> bytes:
        """Read one object.

        Raises:
            StoreError: one of its kinds.
        """
        return self._call("GET", self._url(key), max_bytes=max_bytes, timeout_s=timeout_s).body

    def upload_object(
        self, key: str, data: bytes, *, content_type: str = SEALED_TYPE, timeout_s: float | None = None
    ) -> None:
        """Write one object, replacing what is there.

        Raises:
            StoreError: one of its kinds.
        """
        self._call("PUT", self._url(key), content=data, headers={"Content-Type": content_type}, timeout_s=timeout_s)

    def object_exists(self, key: str, *, timeout_s: float | None = None) -> int | None:
        """Return an object's size in bytes, or None when there is none.

        Raises:
            StoreError: one of its kinds.
        """
        try:
            answer = self._call("HEAD", self._url(key), timeout_s=timeout_s)
        except ObjectMissingError:
            return None
        size = answer.headers.get("content-length", "")
        if not size.isdigit():
            raise UnexpectedAnswerError("the store does not say how large the object is")
        return int(size)

    def delete_object(self, key: str, *, timeout_s: float | None = None) -> None:
        """Delete one object; one that is not there is deleted already.

        Raises:
            StoreError: one of its kinds.
        """
        try:
            self._call("DELETE", self._url(key), timeout_s=timeout_s)
        except ObjectMissingError:
            return

    def delete_objects(self, keys: Sequence[str], *, timeout_s: float | None = None) -> None:
        """Delete objects, a thousand a call; those that are not there are deleted already.

        Raises:
            StoreError: one of its kinds; some may be deleted then.
        """
        deadline = None if timeout_s is None else Deadline.after(timeout_s)
        for start in range(0, len(keys), MOST_DELETED):
            some = keys[start : start + MOST_DELETED]
            for key in some:
                parse_key(key)  # which leaves nothing that XML would have to escape
            named = "".join(f"<Object><Key>{key}</Key></Object>" for key in some)
            body = f'<Delete xmlns="{_S3}"><Quiet>true</Quiet>{named}</Delete>'.encode()
            digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
            headers = {"Content-Type": "application/xml", "Content-MD5": digest}
            left_s = None if deadline is None else deadline.left_s
            answer = self._call("POST", f"{self._bucket_url}?delete", content=body, headers=headers, timeout_s=left_s)
            if b"<Error>" in answer.body:
                raise UnexpectedAnswerError("the store did not delete all of what it was told to")

    def _call(  # noqa: PLR0913  a request has this many parts
        self,
        method: str,
        url: str,
        *,
        max_bytes: int = _MAX_ANSWER_BYTES,
        timeout_s: float | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> "Answer":
        from rythmiq.adapters.bounded_http import HttpClient  # noqa: PLC0415  see the module docstring

        if self._http is None:
            self._http = HttpClient(authorities=self.config.authorities, keep_alive=self._keep_alive)
        deadline = None if timeout_s is None else Deadline.after(timeout_s)
        for attempt in range(1, self._attempts + 1):
            request = SigningRequest(method, url, headers=headers, body=content)
            self._signer.sign(request)
            try:
                return self._http.call(
                    method,
                    request.url,
                    timeout_s=self._timeout_s if deadline is None else deadline.left_s,
                    max_bytes=max_bytes,
                    headers={str(name): str(value) for name, value in request.headers.items()},
                    content=content,
                )
            except StoreError as error:
                pause_s = backoff_s(attempt, first_s=0.1)
                no_time_left = deadline is not None and pause_s >= deadline.left_s
                if not error.transient or attempt == self._attempts or no_time_left:
                    raise
                self._sleep(pause_s)
        raise AssertionError("attempts is at least 1")

    @property
    def _bucket_url(self) -> str:
        return f"{self.config.endpoint.rstrip('/')}/{self.config.bucket}"

    def _url(self, key: str) -> str:
        parse_key(key)
        return f"{self._bucket_url}/{key}"


def content_disposition(filename: str) -> str:
    """An `attachment` header for any file name (RFC 6266): an ASCII fallback, and the name itself in UTF-8.

    Separators, control characters and those that turn the direction of text become `_`: a name shows what it is.
    """
    filename = re.sub(_HIDDEN, "_", filename) or "file"
    fallback = re.sub(r"[^A-Za-z0-9._ -]", "_", filename)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


def _check_expiry(expires_s: int, most_s: int) -> None:
    if not 1 <= expires_s <= most_s:
        raise ValueError(f"an expiry here is 1 to {most_s} s")


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
        """The bytes that are hashed."""
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
