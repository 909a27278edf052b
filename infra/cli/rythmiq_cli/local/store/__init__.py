"""The store in Spaces' place: a guard in front of moto's S3 server that enforces what a real store enforces.

`s3_server` runs both. moto checks nothing on presigned requests: expired, tampered and anonymous ones succeed. The
guard verifies signatures (header and query), signed headers, expiry, clock skew, POST policies and Content-MD5, refuses
anonymous requests, and refuses every `x-amz-*` header that arrives unsigned, as patched stores do (CVE-2026-54330;
Debian's RGW 16.2 does not).

The string to sign and the signature are botocore's; the canonical request is made here from the request as it arrived,
so that a fault of our adapter and a fault of the guard cannot hide each other.

Source: docs/specification/storage-keys.md; status codes as measured on Ceph RGW 16.2.
"""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.formparser import parse_form_data
from werkzeug.test import Client, run_wsgi_app

from rythmiq_cli.local import Environ, StartResponse, WsgiApp

MAX_SKEW_S = 15 * 60
MAX_EXPIRES_S = 7 * 24 * 60 * 60
MAX_BODY_BYTES = 64 * 1024 * 1024
_REASONS = {400: "Bad Request", 403: "Forbidden", 411: "Length Required"}
_STREAMING = "STREAMING-"
_CORS = "access-control-"


class _DeniedError(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)


class SigV4Guard:
    """Let through to `app` only what a real S3 store would take.

    Args:
        app: the store behind.
        keys: secret keys by access key.
        now: the clock; tests turn it.
    """

    def __init__(self, app: WsgiApp, keys: Mapping[str, str], now: Callable[[], dt.datetime] = _now) -> None:
        self._app = app
        self._keys = dict(keys)
        self.now = now

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, or pass it on."""
        try:
            if environ["REQUEST_METHOD"] != "OPTIONS":
                self._check(environ)
        except _DeniedError as denied:
            body = (
                f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{denied.code}</Code>'
                f"<Message>{escape(denied.message)}</Message></Error>"
            ).encode()
            headers = [
                ("Content-Type", "application/xml"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ]
            start_response(f"{denied.status} {_REASONS[denied.status]}", headers)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        return self._app(environ, start_response)

    def _check(self, environ: Environ) -> None:
        path, query = _target(environ)
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if "X-Amz-Signature" in query:
            self._check_query(environ, path, query)
        elif authorization.startswith("AWS4-HMAC-SHA256 "):
            self._check_header(environ, path, query, authorization)
        elif environ["REQUEST_METHOD"] == "POST" and environ.get("CONTENT_TYPE", "").startswith("multipart/form-data"):
            self._check_post(environ, path)
        elif authorization:
            raise _DeniedError(400, "InvalidArgument", "not a SigV4 authorization")
        else:
            raise _DeniedError(403, "AccessDenied", "anonymous")
        _check_md5(environ)

    def _check_query(self, environ: Environ, path: str, query: dict[str, str]) -> None:
        signed_at = _instant(query.get("X-Amz-Date", ""))
        expires = query.get("X-Amz-Expires", "")
        if not expires.isascii() or not expires.isdigit() or not 0 < int(expires) <= MAX_EXPIRES_S:
            raise _DeniedError(403, "AccessDenied", "X-Amz-Expires")
        skew = dt.timedelta(seconds=MAX_SKEW_S)
        if not signed_at - skew <= self.now() <= signed_at + dt.timedelta(seconds=int(expires)):
            raise _DeniedError(403, "AccessDenied", "Request has expired")
        unsigned = {name: value for name, value in query.items() if name != "X-Amz-Signature"}
        self._check_signature(
            environ,
            path,
            unsigned,
            credential=query.get("X-Amz-Credential", ""),
            timestamp=query["X-Amz-Date"],
            signed_headers=query.get("X-Amz-SignedHeaders", ""),
            signature=query["X-Amz-Signature"],
            payload="UNSIGNED-PAYLOAD",
        )

    def _check_header(self, environ: Environ, path: str, query: dict[str, str], authorization: str) -> None:
        fields = dict(part.strip().partition("=")[::2] for part in authorization[17:].split(","))
        if not fields.keys() >= {"Credential", "SignedHeaders", "Signature"}:
            raise _DeniedError(400, "InvalidArgument", "half an authorization")
        timestamp = environ.get("HTTP_X_AMZ_DATE", "")
        if abs((self.now() - _instant(timestamp)).total_seconds()) > MAX_SKEW_S:
            raise _DeniedError(403, "RequestTimeTooSkewed")
        payload = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "UNSIGNED-PAYLOAD")
        if payload.startswith(_STREAMING):
            raise _DeniedError(400, "NotImplemented", "chunked signatures are not taken here")
        self._check_signature(
            environ,
            path,
            query,
            credential=fields.get("Credential", ""),
            timestamp=timestamp,
            signed_headers=fields.get("SignedHeaders", ""),
            signature=fields.get("Signature", ""),
            payload=payload,
        )
        if re.fullmatch(r"[0-9a-f]{64}", payload) and hashlib.sha256(_body(environ)).hexdigest() != payload:
            raise _DeniedError(400, "XAmzContentSHA256Mismatch")

    def _check_signature(  # noqa: PLR0913  the parts of a SigV4 signature
        self,
        environ: Environ,
        path: str,
        query: dict[str, str],
        *,
        credential: str,
        timestamp: str,
        signed_headers: str,
        signature: str,
        payload: str,
    ) -> None:
        signer, date = self._signer(credential)
        if timestamp[:8] != date:
            raise _DeniedError(403, "SignatureDoesNotMatch", "the scope has another date")
        signed = signed_headers.split(";")
        if "host" not in signed:
            raise _DeniedError(403, "AccessDenied", "host is not signed")
        arrived = [name[5:].replace("_", "-").lower() for name in environ if name.startswith("HTTP_X_AMZ_")]
        if set(arrived) - set(signed) - {"x-amz-content-sha256"}:
            raise _DeniedError(403, "AccessDenied", "There were headers present in the request which were not signed")
        headers = {name: _header(environ, name) for name in signed}
        pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query.items())
        canonical = "\n".join(
            [
                environ["REQUEST_METHOD"],
                quote(unquote(path), safe="/-_.~"),
                "&".join(f"{name}={value}" for name, value in pairs),
                "".join(f"{name}:{' '.join(value.split())}\n" for name, value in headers.items()),
                signed_headers,
                payload,
            ]
        )
        request = AWSRequest(method=environ["REQUEST_METHOD"], url="http://store/")
        request.context["timestamp"] = timestamp
        expected = signer.signature(signer.string_to_sign(request, canonical), request)
        if not hmac.compare_digest(expected, signature):
            raise _DeniedError(403, "SignatureDoesNotMatch")

    def _signer(self, credential: str) -> tuple[S3SigV4Auth, str]:
        if not credential:
            raise _DeniedError(403, "AccessDenied", "no credential")
        parts = credential.split("/")
        if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:  # noqa: PLR2004  key/date/region/s3/aws4_request
            raise _DeniedError(400, "AuthorizationQueryParametersError", "malformed credential")
        access_key, date, region = parts[:3]
        if access_key not in self._keys:
            raise _DeniedError(403, "InvalidAccessKeyId")
        return S3SigV4Auth(Credentials(access_key, self._keys[access_key]), "s3", region), date

    def _check_post(self, environ: Environ, path: str) -> None:
        body = _body(environ)
        _, form, files = parse_form_data({**environ, "wsgi.input": io.BytesIO(body)})
        environ["wsgi.input"] = io.BytesIO(body)
        fields = {name.lower(): value for name, value in form.items()}
        sizes = {name: len(part.read()) for name, part in files.items()}
        for part in files.values():
            part.close()
        if "file" not in sizes or "policy" not in fields:
            raise _DeniedError(403, "AccessDenied", "no file or no policy")
        signer, date = self._signer(fields.get("x-amz-credential", ""))
        request = AWSRequest(method="POST", url="http://store/")
        request.context["timestamp"] = f"{date}T000000Z"
        expected = signer.signature(fields["policy"], request)
        if not hmac.compare_digest(expected, fields.get("x-amz-signature", "")):
            raise _DeniedError(403, "SignatureDoesNotMatch")
        fields["bucket"] = path.strip("/").split("/")[0]
        try:
            policy = json.loads(base64.b64decode(fields["policy"]))
            expires_at = dt.datetime.fromisoformat(policy["expiration"])
            conditions = [_condition(item) for item in policy["conditions"]]
        except (ValueError, KeyError, TypeError):
            raise _DeniedError(400, "InvalidPolicyDocument") from None
        if self.now() > expires_at:
            raise _DeniedError(403, "AccessDenied", "the policy has expired")
        _check_conditions(fields, conditions, sizes["file"])


def _target(environ: Environ) -> tuple[str, dict[str, str]]:
    raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or quote(environ.get("PATH_INFO", "/")))
    path, _, query = re.sub(r"^https?://[^/]+", "", raw).partition("?")
    return path or "/", dict(parse_qsl(query or environ.get("QUERY_STRING", ""), keep_blank_values=True))


def _header(environ: Environ, name: str) -> str:
    variable = name.upper().replace("-", "_")
    value = environ.get(variable if name in {"content-type", "content-length"} else f"HTTP_{variable}")
    if value is None:
        raise _DeniedError(403, "SignatureDoesNotMatch", f"signed header {name} is missing")
    return str(value)


def _instant(text: str) -> dt.datetime:
    try:
        return dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError:
        raise _DeniedError(403, "AccessDenied", "bad date") from None


def _body(environ: Environ) -> bytes:
    """Read the body once and put it back for the next reader."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length and not (length.isascii() and length.isdigit()):
        raise _DeniedError(400, "InvalidArgument", "Content-Length")
    if length and int(length) > MAX_BODY_BYTES:
        raise _DeniedError(400, "EntityTooLarge")
    if not length and not environ.get("HTTP_TRANSFER_ENCODING"):
        if environ["REQUEST_METHOD"] in {"PUT", "POST"}:
            raise _DeniedError(411, "MissingContentLength")
        length = "0"
    data: bytes = environ["wsgi.input"].read(int(length) if length else MAX_BODY_BYTES + 1)
    if len(data) > MAX_BODY_BYTES:
        raise _DeniedError(400, "EntityTooLarge")
    environ["wsgi.input"] = io.BytesIO(data)
    environ["CONTENT_LENGTH"] = str(len(data))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return data


def _check_md5(environ: Environ) -> None:
    announced = environ.get("HTTP_CONTENT_MD5")
    if announced is None:
        return
    try:
        digest = base64.b64decode(announced, validate=True)
    except binascii.Error:
        raise _DeniedError(400, "InvalidDigest") from None
    if hashlib.md5(_body(environ), usedforsecurity=False).digest() != digest:
        raise _DeniedError(400, "BadDigest")


def _condition(item: object) -> tuple[str, str, object, object]:
    """One condition as (operator, name, first, second).

    Raises:
        ValueError: it has another shape.
    """
    if isinstance(item, dict) and len(item) == 1:
        name, value = next(iter(item.items()))
        return "eq", str(name).lower(), str(value), None
    if isinstance(item, list) and len(item) == 3:  # noqa: PLR2004  operator and two operands
        operator, first, second = item
        if operator == "content-length-range":
            return operator, "", int(first), int(second)
        if operator in {"eq", "starts-with"}:
            return operator, str(first).removeprefix("$").lower(), str(second), None
    raise ValueError("not a condition")


def _check_conditions(
    fields: Mapping[str, str], conditions: list[tuple[str, str, object, object]], size_bytes: int
) -> None:
    covered = {"policy", "x-amz-signature", "file", "bucket"}
    for operator, name, first, second in conditions:
        if operator == "content-length-range":
            if isinstance(first, int) and size_bytes < first:
                raise _DeniedError(400, "EntityTooSmall")
            if isinstance(second, int) and size_bytes > second:
                raise _DeniedError(400, "EntityTooLarge")
            continue
        covered.add(name)
        value = fields.get(name, "")
        if not (value == first if operator == "eq" else value.startswith(str(first))):
            raise _DeniedError(403, "AccessDenied", f"policy condition {name}")
    extra = [name for name in fields if name not in covered and not name.startswith("x-ignore-")]
    if extra:
        raise _DeniedError(403, "AccessDenied", f"field {extra[0]} is not in the policy")


class ReadableRefusals:
    """A WSGI middleware that adds the headers of the bucket's CORS rules to what `guarded` refuses.

    moto applies the rules to its successes alone, and the guard knows of none: a browser would take a 412 or 403 for a
    network that fails.

    Source: Amazon S3, "Using cross-origin resource sharing": rules hold for every answer to a request with an Origin.

    Args:
        guarded: the store as its clients meet it.
        store: the store itself, which is asked what the rules allow.
    """

    def __init__(self, guarded: WsgiApp, store: WsgiApp) -> None:
        self._app = guarded
        self._store = Client(store)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Pass one request on."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or environ["REQUEST_METHOD"] == "OPTIONS":
            return self._app(environ, start_response)

        method, bucket, host = environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/")[1], environ["HTTP_HOST"]
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        if status[0] in "45" and "Access-Control-Allow-Origin" not in headers:
            asked = {"Origin": origin, "Access-Control-Request-Method": method}
            rules = self._store.options(f"/{bucket}/any", base_url=f"http://{host}", headers=asked).headers
            if rules.get("Access-Control-Allow-Origin") in {origin, "*"}:
                headers.extend((name, value) for name, value in rules if name.lower().startswith(_CORS))
        start_response(status, headers.to_wsgi_list())
        return body
