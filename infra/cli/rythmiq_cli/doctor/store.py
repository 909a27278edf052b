"""Probes of the object store: does it refuse what a presigned upload does not allow, and is its bucket set up?

Everything is written under `raw/` of two random users and jobs that do not exist, and is deleted at the end. The probes
of the bucket's settings write nothing: a preflight is answered before any object is looked up.
"""

import datetime as dt
import email.utils
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Literal

import httpx

from rythmiq.adapters.spaces import PresignedUpload, SpacesStore, StoreConfig
from rythmiq.contracts.errors import AccessDeniedError, ObjectMissingError, StoreError
from rythmiq.contracts.keys import raw_key
from rythmiq_cli.doctor import Finding, Reporter
from rythmiq_cli.operator import bucket_settings as spaces_rules

_REPORT = Reporter("store")
_DATA = b"rythmiq doctor: seventy-two bytes that are nobody's, deleted at the end.."
_TYPE = "application/octet-stream"
_AS_SIGNED: Mapping[str, str] = MappingProxyType({})
_EVERYBODY = "http://acs.amazonaws.com/groups/global/AllUsers"
_MAX_WAIT_S = 20.0
_SKEW_S, _MAX_SKEW_S = 60.0, 15 * 60.0
_APPLY = "run `rythmiq spaces apply`"
_NOT_S3 = "this store cannot be used as it is; ask its operator, or take another"


@dataclass
class StoreProbes:
    """The probes of one bucket.

    Attributes:
        config: where it is.
        http: sends what clients would send.
        method: UPLOAD_METHOD, by which clients upload here.
        sleep: waits for an expiry.
    """

    config: StoreConfig
    http: httpx.Client
    method: Literal["put", "post"] = "put"
    sleep: Callable[[float], None] = time.sleep
    _keys: list[str] = field(default_factory=list)
    _skew_s: float = 0.0

    def run(self) -> Iterator[Finding]:
        """Run all of them."""
        self._store = SpacesStore(self.config, attempts=2)
        self._users = [(str(uuid.uuid4()), str(uuid.uuid4())) for _ in range(2)]
        first = self._reached()
        yield first
        if first.state != "ok":
            return
        expiring = [("get-expiry", self._expiring_get()), (f"{self.method}-expiry", self._expiring_upload())]
        probes = (
            ("clock", self._clock),
            ("anonymous", self._anonymous),
            ("signatures", self._tampered),
            ("put", self._put),
            ("put-length", self._put_length),
            ("put-type", self._put_type),
            ("public-objects", self._put_acl),
            ("copy-source", self._copy_source),
            ("put-once", self._put_once),
            ("post", self._post),
            ("post-range", self._post_range),
            ("post-fields", self._post_fields),
            ("checksums", self._md5),
        )
        try:
            for name, probe in probes:
                yield self._guarded(name, probe)
            yield from self._expired(expiring)
        finally:
            left = self._cleaned()
        yield left

    # --- reading and writing -----------------------------------------------------------------------------------------

    def _key(self, name: str, *, user: int = 0) -> str:
        key = raw_key(*self._users[user], dt.datetime.now(tz=dt.UTC), f"doctor-{name}-{len(self._keys)}.bin")
        self._keys.append(key)
        return key

    def _reached(self) -> Finding:
        key = self._key("first")
        where = f"bucket {self.config.bucket} at {self.config.endpoint}"
        try:
            self._store.upload_object(key, _DATA)
            read = self._store.fetch_object(key, max_bytes=1_000)
            self._store.delete_object(key)
        except AccessDeniedError:
            fix = "correct DO_SPACES_ACCESS_KEY and DO_SPACES_SECRET_KEY: a key with full access to this bucket"
            return _REPORT.broken("access", f"{where} refuses the key", fix)
        except ObjectMissingError:
            return _REPORT.broken("access", f"there is no {where}", "create it, or correct DO_SPACES_BUCKET")
        except StoreError as error:
            fix = "check DO_SPACES_ENDPOINT (https://REGION.digitaloceanspaces.com) and the network"
            return _REPORT.unreachable("access", f"{where}: {error}", fix)
        if read != _DATA:
            return _REPORT.broken("access", f"{where} returns other bytes than were written", _NOT_S3)
        return _REPORT.ok("access", f"{where} is written, read and deleted")

    def _guarded(self, name: str, probe: Callable[[], Finding]) -> Finding:
        try:
            return probe()
        except (httpx.HTTPError, StoreError) as error:
            return _REPORT.unreachable(name, f"no answer: {type(error).__name__}", "run it again; check the network")

    def _send_put(
        self, upload: PresignedUpload, data: bytes = _DATA, changed: Mapping[str, str] = _AS_SIGNED
    ) -> httpx.Response:
        headers = {name: value for name, value in upload.headers.items() if name.lower() != "content-length"}
        return self.http.put(upload.url, content=data, headers={**headers, **changed})

    def _send_post(
        self, upload: PresignedUpload, data: bytes = _DATA, changed: Mapping[str, str] = _AS_SIGNED
    ) -> httpx.Response:
        return self.http.post(upload.url, data={**upload.fields, **changed}, files={"file": ("f", data, _TYPE)})

    def _signed(self, name: str, *, method: Literal["put", "post"] = "put", expires_s: int = 300) -> PresignedUpload:
        least = 10 if method == "post" else None
        return self._store.generate_upload_url(
            self._key(name), size_bytes=len(_DATA), min_bytes=least, method=method, expires_s=expires_s
        )

    # --- probes ------------------------------------------------------------------------------------------------------

    def _clock(self) -> Finding:
        said = self.http.get(self.config.endpoint).headers.get("date")
        if said is None:
            return _REPORT.ok("clock", "the store sends no Date header")
        there = email.utils.parsedate_to_datetime(said).replace(tzinfo=dt.UTC)  # RFC 9110: always GMT
        self._skew_s = (dt.datetime.now(tz=dt.UTC) - there).total_seconds()
        off = f"this clock and the store's are {abs(self._skew_s):.0f} s apart"
        if abs(self._skew_s) > _MAX_SKEW_S:
            return _REPORT.broken("clock", off, "set this machine's clock: signatures are refused")
        if abs(self._skew_s) > _SKEW_S:
            return _REPORT.warning("clock", off, "set this machine's clock (NTP)")
        return _REPORT.ok("clock", off)

    def _anonymous(self) -> Finding:
        key = self._key("anonymous")
        self._store.upload_object(key, _DATA)
        bucket = f"{self.config.endpoint}/{self.config.bucket}"
        open_to = [what for what, url in (("read", f"{bucket}/{key}"), ("list", bucket)) if self._is_open(url)]
        if open_to:
            fix = "make the bucket private: no file listing, no public objects, no allowing policy"
            return _REPORT.broken("anonymous", f"anyone may {' and '.join(open_to)} the bucket", fix)
        return _REPORT.ok("anonymous", "reading and listing need a signature")

    def _is_open(self, url: str) -> bool:
        return self.http.get(url).status_code == HTTPStatus.OK

    def _tampered(self) -> Finding:
        key, other = self._key("tampered"), self._key("tampered", user=1)
        self._store.upload_object(other, _DATA)
        url = self._store.generate_download_url(key).replace(key, other)
        if self._is_open(url):
            return _REPORT.broken("signatures", "a URL that was signed for one object reads another", _NOT_S3)
        return _REPORT.ok("signatures", "a URL opens the one object that it was signed for")

    def _put(self) -> Finding:
        upload = self._signed("put")
        answer = self._send_put(upload)
        if answer.is_success:
            return _REPORT.ok("put", "a presigned PUT is taken")
        fix = "the store does not take what the API signs; try UPLOAD_METHOD=post"
        said = f"a presigned PUT as clients send it is refused: {_told(answer)}"
        return _REPORT.broken("put", said, fix) if self.method == "put" else _REPORT.warning("put", said, "none needed")

    def _put_length(self) -> Finding:
        longer, shorter = _DATA + b"!", _DATA[:-1]
        taken = [data for data in (longer, shorter) if self._send_put(self._signed("length"), data).is_success]
        if taken:
            return self._of_put("put-length", "a PUT of another size than was signed is taken", "any size is stored")
        return _REPORT.ok("put-length", "a PUT of another size than was signed is refused")

    def _put_type(self) -> Finding:
        if self._send_put(self._signed("type"), changed={"Content-Type": "text/html"}).is_success:
            return self._of_put("put-type", "a PUT of another type than was signed is taken", "types can be forged")
        return _REPORT.ok("put-type", "a PUT of another type than was signed is refused")

    def _put_acl(self) -> Finding:
        for changed in (
            {"x-amz-acl": "public-read"},
            {"x-amz-grant-read": "uri=http://acs.amazonaws.com/groups/global/AllUsers"},
        ):
            key_at = len(self._keys)
            upload = self._signed("acl")
            self._send_put(upload, changed=changed)
            if self._is_open(f"{self.config.endpoint}/{self.config.bucket}/{self._keys[key_at]}"):
                said = "an uploader can make the object public with a header that was not signed"
                return _REPORT.broken("public-objects", said, f"{_APPLY}; or set UPLOAD_METHOD=post")
        return _REPORT.ok("public-objects", "an uploader cannot make an object public")

    def _copy_source(self) -> Finding:
        victim = self._key("victim", user=1)
        self._store.upload_object(victim, b"another user's bytes")
        at = len(self._keys)
        upload = self._signed("copy")
        self._send_put(upload, changed={"x-amz-copy-source": f"/{self.config.bucket}/{victim}"})
        try:
            copied = self._store.fetch_object(self._keys[at], max_bytes=1_000) != _DATA
        except ObjectMissingError:
            copied = False
        if copied:
            said = "an uploader can copy another user's object with an unsigned x-amz-copy-source (CVE-2026-54330)"
            return _REPORT.broken("copy-source", said, f"{_APPLY}; or set UPLOAD_METHOD=post")
        return _REPORT.ok("copy-source", "an uploader cannot copy another's object")

    def _put_once(self) -> Finding:
        upload = self._signed("once")
        first, second = self._send_put(upload), self._send_put(upload)
        if not first.is_success:
            return _REPORT.warning("put-once", f"not seen: the first PUT was refused ({_told(first)})", "see `put`")
        if second.status_code == HTTPStatus.PRECONDITION_FAILED:
            return _REPORT.ok("put-once", "a second PUT to the same URL is refused (If-None-Match)")
        said = "If-None-Match is not honoured: until its URL expires, an uploader may replace the object"
        return _REPORT.warning("put-once", said, "none is needed: a job's input is the uploader's own")

    def _post(self) -> Finding:
        answer = self._send_post(self._signed("post", method="post"))
        if answer.is_success:
            return _REPORT.ok("post", "a presigned POST is taken")
        said = f"a presigned POST is refused: {_told(answer)}"
        if self.method == "post":
            return _REPORT.broken("post", said, "set UPLOAD_METHOD=put, and run `rythmiq spaces apply`")
        return _REPORT.warning("post", said, "keep UPLOAD_METHOD=put")

    def _post_range(self) -> Finding:
        for data in (_DATA + b"!", b"short"):
            if self._send_post(self._signed("range", method="post"), data).is_success:
                said = "a POST outside the signed range of sizes is taken"
                return self._of_post("post-range", said, "any size is stored")
        return _REPORT.ok("post-range", "a POST outside the signed range of sizes is refused")

    def _post_fields(self) -> Finding:
        if self._send_post(self._signed("field", method="post"), changed={"x-amz-meta-more": "1"}).is_success:
            return self._of_post("post-fields", "a POST with a field that was not signed is taken", "policies are void")
        return _REPORT.ok("post-fields", "a POST with a field that was not signed is refused")

    def _md5(self) -> Finding:
        answer = self._send_put(self._signed("md5"), changed={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="})
        if answer.is_success:
            said = "an upload that arrives damaged is stored: Content-MD5 is not checked"
            return _REPORT.warning(
                "checksums", said, "none is needed for sealed objects: they do not open when damaged"
            )
        return _REPORT.ok("checksums", "an upload that does not match its Content-MD5 is refused")

    # --- expiry ------------------------------------------------------------------------------------------------------

    def _expiring_get(self) -> Callable[[], bool]:
        key = self._key("expiry")
        self._store.upload_object(key, _DATA)
        url = self._store.generate_download_url(key, expires_s=1)
        return lambda: self.http.get(url).is_success

    def _expiring_upload(self) -> Callable[[], bool]:
        upload = self._signed("expiry", method=self.method, expires_s=1)
        send = self._send_put if self.method == "put" else self._send_post
        return lambda: send(upload).is_success

    def _expired(self, expiring: list[tuple[str, Callable[[], bool]]]) -> Iterator[Finding]:
        # a second for the expiry, one for what dates are rounded by, and what the store's clock is behind
        self.sleep(min(2.0 + max(0.0, self._skew_s), _MAX_WAIT_S))
        for name, works in expiring:
            if self._skew_s > _MAX_WAIT_S:
                yield _REPORT.warning(name, "not seen: the clocks are too far apart", "see `clock`")
            elif works():
                yield _REPORT.broken(name, "a URL is good after it has expired", _NOT_S3)
            else:
                yield _REPORT.ok(name, "a URL is refused once it has expired")

    # --- the end -----------------------------------------------------------------------------------------------------

    def _cleaned(self) -> Finding:
        left = 0
        for key in self._keys:
            try:
                self._store.delete_object(key)
            except StoreError:
                left += 1
        if left:
            return _REPORT.warning("cleanup", f"{left} probe objects are left under raw/", "the lifecycle deletes them")
        return _REPORT.ok("cleanup", "every probe object is deleted again")

    def _of_put(self, probe: str, said: str, harm: str) -> Finding:
        return self._of("put", probe, said, harm)

    def _of_post(self, probe: str, said: str, harm: str) -> Finding:
        return self._of("post", probe, said, harm)

    def _of(self, method: str, probe: str, said: str, harm: str) -> Finding:
        """A fault of the method that is not in use is a warning only."""
        if method == self.method:
            return _REPORT.broken(probe, f"{said}: {harm}", _NOT_S3)
        return _REPORT.warning(probe, f"{said}: {harm}", f"none while UPLOAD_METHOD={self.method}")


def _told(answer: httpx.Response) -> str:
    code = (
        answer.text.partition("<Code>")[2].partition("</Code>")[0]
        if "xml" in answer.headers.get("content-type", "")
        else ""
    )
    return f"{answer.status_code} {code}".strip()


_STRANGER = "https://stranger.invalid"


def bucket_findings(config: StoreConfig, client: httpx.Client, origins: Collection[str]) -> Iterator[Finding]:
    """Run all of them.

    Args:
        config: the bucket, and a key that may read its settings.
        client: sends preflights.
        origins: of our pages, see `page_origins`.
    """
    changes: Mapping[spaces_rules.Part, spaces_rules.Change] = {}
    unread = ""
    try:
        changes = {change.part: change for change in spaces_rules.plan(config, origins)}
        origins = {*origins, *spaces_rules.kept_origins(changes["cors"].now)}
    except spaces_rules.SpacesError as error:
        unread = str(error)
    if not origins:
        said = "no page's origin is known here (ALLOWED_ORIGINS, PUBLIC_URL)"
        yield _REPORT.warning("cors", said, "give --origin to both `rythmiq doctor` and `rythmiq spaces apply`")
    try:
        yield from (_cors_of(config, client, origin) for origin in sorted(origins) if origin != "*")
        if "*" not in origins:
            yield _strangers(config, client)
    except httpx.HTTPError as error:
        yield _REPORT.unreachable("cors", f"no answer: {type(error).__name__}", "run it again; check the network")
    if unread:
        fix = "run it once with a key that has full access to the bucket"
        yield _REPORT.warning("settings", f"the bucket's settings cannot be read: {unread}", fix)
    else:
        yield from _settings(changes)


def _preflight(config: StoreConfig, client: httpx.Client, origin: str) -> bool:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,x-amz-acl,if-none-match",
    }
    answer = client.options(f"{config.endpoint.rstrip('/')}/{config.bucket}/raw/preflight", headers=asked)
    allowed = answer.headers.get("access-control-allow-origin") in {origin, "*"}
    return answer.status_code in {HTTPStatus.OK, HTTPStatus.NO_CONTENT} and allowed


def _cors_of(config: StoreConfig, client: httpx.Client, origin: str) -> Finding:
    if _preflight(config, client, origin):
        return _REPORT.ok("cors", f"the page at {origin} may upload from a browser")
    return _REPORT.broken("cors", f"the page at {origin} may not upload from a browser", _APPLY)


def _strangers(config: StoreConfig, client: httpx.Client) -> Finding:
    if _preflight(config, client, _STRANGER):
        return _REPORT.warning("cors-strangers", "any page may use the bucket from a browser", _APPLY)
    return _REPORT.ok("cors-strangers", "a page elsewhere may not use the bucket from a browser")


def _settings(changes: Mapping[spaces_rules.Part, spaces_rules.Change]) -> Iterator[Finding]:
    if changes["lifecycle"].is_needed:
        yield _REPORT.warning("lifecycle", "nothing is deleted when its time is over", _APPLY)
    else:
        yield _REPORT.ok("lifecycle", "raw objects go after 2 days, outputs after 7, masters after 90")
    if changes["policy"].lacks_a_statement and changes["policy"].refused:
        yield _REPORT.ok("policy", changes["policy"].refused)
    elif changes["policy"].lacks_a_statement:
        fix = f"{_APPLY}; where the store takes no such policy: not needed while `copy-source` is ok"
        yield _REPORT.warning("policy", "the policy of infra/spaces is not installed", fix)
    else:
        yield _REPORT.ok("policy", "copies and public objects are refused by policy")
