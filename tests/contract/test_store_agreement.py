"""Where the local guard and a real Ceph RGW are meant to agree, and where they knowingly do not: one table of probes.

The guard earns its place in the other tests by answering as the real thing does. Most probes are requests that no
well-meaning client makes. The table holds what Ceph said; `make test` holds the guard to it, and `make test-rgw` Ceph.
"""

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from rythmiq.contracts.keys import raw_key
from tests.support.store_clients import TYPE, AdapterClient, Server

DATA = b"seventeen bytes!!"
Probe = Callable[[Server, str], httpx.Response]


def _credentials(server: Server) -> Credentials:
    return Credentials(server.config.access_key, server.config.secret_key)


def _query_signed(  # noqa: PLR0913  a request has this many parts
    server: Server,
    key: str,
    *,
    method: str = "GET",
    expires: int = 900,
    service: str = "s3",
    region: str | None = None,
    headers: dict[str, str] | None = None,
    params: dict[str, str] | None = None,
) -> str:
    request = AWSRequest(method=method, url=server.url(key), headers=dict(headers or {}), params=dict(params or {}))
    S3SigV4QueryAuth(
        _credentials(server), service, server.config.region if region is None else region, expires=expires
    ).add_auth(request)
    return str(request.url)


def _put(server: Server, key: str, data: bytes = DATA, **extra: str) -> httpx.Response:
    return server.put(AdapterClient(server.config).presign_put(key, len(DATA)), data, **extra)


def _get(server: Server, url: str, **headers: str) -> httpx.Response:
    return server.http.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def _get_changed(old: str, new: str) -> Probe:
    def probe(server: Server, key: str) -> httpx.Response:
        url = _query_signed(server, key)
        assert old in url
        return server.http.get(url.replace(old, new))

    return probe


def _without(parameter: str) -> Probe:
    def probe(server: Server, key: str) -> httpx.Response:
        url = httpx.URL(_query_signed(server, key))
        return server.http.get(url.copy_remove_param(parameter))

    return probe


def _header_signed(change: Callable[[dict[str, str]], object], data: bytes = DATA) -> Probe:
    def probe(server: Server, key: str) -> httpx.Response:
        request = AWSRequest(method="PUT", url=server.url(key), data=DATA, headers={"Content-Type": TYPE})
        S3SigV4Auth(_credentials(server), "s3", server.config.region).add_auth(request)
        headers = {str(name): str(value) for name, value in request.headers.items()}
        change(headers)
        return server.http.put(server.url(key), content=data, headers=headers)

    return probe


def _posted(
    *, conditions: list[object] | None = None, policy: bytes | None = None, has_file: bool = True, later_s: int = 900
) -> Probe:
    """A POST whose signature is right, whatever its policy says."""

    def probe(server: Server, key: str) -> httpx.Response:
        fields = {"key": key, "Content-Type": TYPE}
        ends_at = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=later_s)
        request = AWSRequest(method="POST", url=f"{server.config.endpoint}/{server.config.bucket}")
        request.context["s3-presign-post-fields"] = dict(fields)
        request.context["s3-presign-post-policy"] = {
            "expiration": ends_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "conditions": [
                {"bucket": server.config.bucket},
                *({name: value} for name, value in fields.items()),
                *(conditions or []),
            ],
        }
        signer = S3SigV4PostAuth(_credentials(server), "s3", server.config.region)
        signer.add_auth(request)
        sent = {str(name): str(value) for name, value in request.context["s3-presign-post-fields"].items()}
        if policy is not None:
            sent["policy"] = base64.b64encode(policy).decode()
            sent["x-amz-signature"] = str(signer.signature(sent["policy"], request))
        files = {"file": ("f", DATA, TYPE)} if has_file else {"other": ("f", DATA, TYPE)}
        return server.http.post(str(request.url), data=sent, files=files)

    return probe


def _later_policy(policy: dict[str, object]) -> bytes:
    return json.dumps({"expiration": "2099-01-01T00:00:00Z", **policy}).encode()


PROBES: dict[str, Probe] = {
    "get: right": lambda server, key: _get(server, _query_signed(server, key)),
    "get: another region in the scope, signed": lambda server, key: _get(
        server, _query_signed(server, key, region="mars-1")
    ),
    "get: another region written in": lambda server, key: _get(
        server, _query_signed(server, key).replace(quote(f"/{server.config.region}/", safe=""), "%2Fmars-1%2F")
    ),
    "get: another service, signed": lambda server, key: _get(server, _query_signed(server, key, service="sqs")),
    "get: expires in 7 days": lambda server, key: _get(server, _query_signed(server, key, expires=604_800)),
    "get: expires in 7 days and 1 s": lambda server, key: _get(server, _query_signed(server, key, expires=604_801)),
    "get: expires in 0 s": lambda server, key: _get(server, _query_signed(server, key, expires=0)),
    "get: expires in -5 s": lambda server, key: _get(server, _query_signed(server, key, expires=-5)),
    "get: expires in words": _get_changed("X-Amz-Expires=900", "X-Amz-Expires=soon"),
    "get: no expiry": _without("X-Amz-Expires"),
    "get: no date": _without("X-Amz-Date"),
    "get: no credential": _without("X-Amz-Credential"),
    "get: no signature": _without("X-Amz-Signature"),
    "get: no signed headers": _without("X-Amz-SignedHeaders"),
    "get: garbage date": _get_changed("X-Amz-Date=20", "X-Amz-Date=xx"),
    "get: garbage credential": _get_changed("aws4_request", "aws5_request"),
    "get: a query parameter more": lambda server, key: _get(server, _query_signed(server, key) + "&versionId=null"),
    "get: an encoded key": lambda server, key: _get(server, _query_signed(server, key).replace("photo", "%70hoto")),
    "get: a signed header that is missing": lambda server, key: _get(
        server, _query_signed(server, key, headers={"x-amz-meta-a": "1"})
    ),
    "get: a signed header with more spaces": lambda server, key: _get(
        server, _query_signed(server, key, headers={"x-amz-meta-a": "a b"}), x_amz_meta_a="a   b"
    ),
    "get: a part": lambda server, key: _get(server, _query_signed(server, key), range="bytes=0-3"),
    "get: missing object": lambda server, key: _get(server, _query_signed(server, key + "x")),
    "put: right": _put,
    "put: chunked, without a length": lambda server, key: server.http.put(
        AdapterClient(server.config).presign_put(key, len(DATA)).url,
        content=iter([DATA]),
        headers={"Content-Type": TYPE, "x-amz-acl": "private", "If-None-Match": "*"},
    ),
    "put: md5 that is not base64": lambda server, key: _put(server, key, content_md5="!!!"),
    "put: unsigned x-amz-meta": lambda server, key: _put(server, key, x_amz_meta_note="n"),
    "put: unsigned x-amz-tagging": lambda server, key: _put(server, key, x_amz_tagging="a=b"),
    "put: unsigned x-amz-copy-source": lambda server, key: _put(
        server, key, x_amz_copy_source=f"/{server.config.bucket}/{key.replace('photo', 'victim')}"
    ),
    "direct: right": _header_signed(lambda _: None),
    "direct: no date": _header_signed(lambda headers: headers.pop("X-Amz-Date")),
    "direct: garbage date": _header_signed(lambda headers: headers.update({"X-Amz-Date": "yesterday"})),
    "direct: other body": _header_signed(lambda _: None, DATA[::-1]),
    "direct: no payload digest": _header_signed(lambda headers: headers.pop("X-Amz-Content-SHA256")),
    "direct: half an authorization": _header_signed(
        lambda headers: headers.update({"Authorization": headers["Authorization"].partition(",")[0]})
    ),
    "direct: basic authorization": _header_signed(
        lambda headers: headers.update({"Authorization": "Basic Zm9vOmJhcg=="})
    ),
    "post: right": _posted(),
    "post: range": _posted(conditions=[["content-length-range", 1, 100]]),
    "post: starts-with": _posted(conditions=[["starts-with", "$key", "raw/"]]),
    "post: starts-with another": _posted(conditions=[["starts-with", "$key", "master/"]]),
    "post: eq": _posted(conditions=[["eq", "$Content-Type", TYPE]]),
    "post: a condition without its field": _posted(conditions=[{"x-amz-meta-a": "1"}]),
    "post: another bucket in the policy": _posted(conditions=[{"bucket": "somebody-elses"}]),
    "post: expired": _posted(later_s=-60),
    "post: a policy that is not JSON": _posted(policy=b"{"),
    "post: a policy without conditions": _posted(policy=_later_policy({})),
    "post: a policy with an empty list": _posted(policy=_later_policy({"conditions": []})),
    "post: a policy without an expiration": _posted(policy=b'{"conditions": []}'),
    "post: an unknown operator": _posted(conditions=[["ends-with", "$key", ".enc"]]),
    "post: no file": _posted(has_file=False),
    "post: anonymous": lambda server, key: server.http.post(
        f"{server.config.endpoint}/{server.config.bucket}", data={"key": key}, files={"file": ("f", DATA, TYPE)}
    ),
    "options: no CORS rules": lambda server, key: server.http.options(
        server.url(key), headers={"Origin": "https://elsewhere.test", "Access-Control-Request-Method": "PUT"}
    ),
}

# What Ceph RGW 16.2.15 answers; the guard answers the same, but for GUARD_DIFFERS.
ANSWERS = {
    "get: right": 200,
    "get: another region in the scope, signed": 200,
    "get: another region written in": 403,
    "get: another service, signed": 200,
    "get: expires in 7 days": 200,
    "get: expires in 7 days and 1 s": 403,
    "get: expires in 0 s": 403,
    "get: expires in -5 s": 403,
    "get: expires in words": 403,
    "get: no expiry": 403,
    "get: no date": 403,
    "get: no credential": 403,
    "get: no signature": 403,
    "get: no signed headers": 403,
    "get: garbage date": 403,
    "get: garbage credential": 400,
    "get: a query parameter more": 403,
    "get: an encoded key": 200,
    "get: a signed header that is missing": 403,
    "get: a signed header with more spaces": 200,
    "get: a part": 206,
    "get: missing object": 404,
    "put: right": 200,
    "put: chunked, without a length": 403,
    "put: md5 that is not base64": 400,
    "put: unsigned x-amz-meta": 200,
    "put: unsigned x-amz-tagging": 200,
    "put: unsigned x-amz-copy-source": 200,
    "direct: right": 200,
    "direct: no date": 403,
    "direct: garbage date": 403,
    "direct: other body": 400,
    "direct: no payload digest": 403,
    "direct: half an authorization": 400,
    "direct: basic authorization": 400,
    "post: right": 204,
    "post: range": 204,
    "post: starts-with": 204,
    "post: starts-with another": 403,
    "post: eq": 204,
    "post: a condition without its field": 403,
    "post: another bucket in the policy": 403,
    "post: expired": 403,
    "post: a policy that is not JSON": 400,
    "post: a policy without conditions": 400,
    "post: a policy with an empty list": 403,
    "post: a policy without an expiration": 400,
    "post: an unknown operator": 400,
    "post: no file": 403,
    "post: anonymous": 403,
    "options: no CORS rules": 403,
}

GUARD_DIFFERS = {
    # AWS and patched stores bind the service, and every x-amz-* header that arrives (CVE-2026-54330): Debian's RGW does
    # neither. On such a store the bucket policy of infra/spaces is what stops the copy.
    "get: another service, signed": 400,
    "put: unsigned x-amz-meta": 403,
    "put: unsigned x-amz-tagging": 403,
    "put: unsigned x-amz-copy-source": 403,
    # Without rules neither names an origin, which is what a browser obeys; moto only says so with 200.
    "options: no CORS rules": 200,
}


@pytest.mark.parametrize("name", PROBES)
def test_every_store_answers_a_probe_as_ceph_does(server: Server, name: str) -> None:
    """The same request, the same status; or the difference that is written down, with its reason."""
    key = raw_key(str(uuid.uuid4()), str(uuid.uuid4()), dt.datetime(2026, 11, 23, tzinfo=dt.UTC), "photo.jpg")
    client = AdapterClient(server.config)
    client.put(key.replace("photo", "victim"), b"the victim's bytes")
    if name.startswith("get"):
        client.put(key, DATA)
    expected = ANSWERS if server.is_rgw else ANSWERS | GUARD_DIFFERS
    assert PROBES[name](server, key).status_code == expected[name]


def test_no_probe_is_without_its_answer() -> None:
    """And the differences are probes too."""
    assert PROBES.keys() == ANSWERS.keys() >= GUARD_DIFFERS.keys()
