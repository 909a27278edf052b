"""The store: presigned requests that were changed, objects that were moved, forged or rolled back, calls without a key.

The signatures are tried on the local store, which checks them as a real one does; the objects as they are opened.
"""

import base64
import re
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.keys import dispatch_key, result_key
from rythmiq.crypto import DecryptionError, open_sealed
from rythmiq.crypto.key_ring import KeyRing
from tests.attacks.arena import Arena, Attack, rows_of
from tests.support import loopback

DATA = b"seventeen bytes!!"
STAMP = "20260102T030405Z"


def keys_of(user: str) -> dict[str, str]:
    """One storage key of every kind."""
    job, document = str(uuid.uuid4()), str(uuid.uuid4())
    return {
        "an upload": f"raw/{user}/{job}/{STAMP}_me.jpg.enc",
        "an order": dispatch_key(user, job, 1),
        "a master": f"master/{user}/{document}/{document}.enc",
        "a document": f"output/{user}/{job}/{STAMP}_document.jpg.enc",
        "a text": f"output/{user}/{job}/{STAMP}_text.txt.enc",
        "a preview": f"output/{user}/{job}/preview.jpg.enc",
        "a small picture of the upload": f"output/{user}/{job}/before.jpg.enc",
        "a ZIP": f"output/{user}/{job}/{STAMP}_output.zip.enc",
        "a result": result_key(user, job, 1),
    }


KINDS = tuple(keys_of("5f2b7c1e-9d34-4a6b-8c1d-0e2f3a4b5c6d"))
Change = Callable[[str], str]


def altered(**changes: str | None) -> Change:
    """A signed URL with other parameters; None takes one out."""

    def change(url: str) -> str:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query)) | {name.replace("_", "-"): value for name, value in changes.items()}
        return urlunsplit(parts._replace(query=urlencode({k: v for k, v in query.items() if v is not None})))

    return change


def _elsewhere(url: str) -> str:
    """The same signature at another user's key."""
    parts = urlsplit(url)
    steps = parts.path.split("/")
    steps[3] = str(uuid.uuid4())
    return urlunsplit(parts._replace(path="/".join(steps)))


URLS: dict[str, Change] = {
    "without its query": lambda url: url.partition("?")[0],
    "at another's key": _elsewhere,
    "at another bucket": lambda url: re.sub(r"(://[^/]+)/[^/]+/", r"\1/another-bucket/", url),
    "without a signature": altered(X_Amz_Signature=None),
    "with an empty signature": altered(X_Amz_Signature=""),
    "with a signature of zeros": altered(X_Amz_Signature="0" * 64),
    "for a year": altered(X_Amz_Expires="31536000"),
    "for a second less": altered(X_Amz_Expires="899"),
    "for a time before now": altered(X_Amz_Expires="-1"),
    "of another day": altered(X_Amz_Date="20200101T000000Z"),
    "by another key": altered(X_Amz_Credential="EVIL/20260101/x/s3/aws4_request"),
    "by another algorithm": altered(X_Amz_Algorithm="none"),
    "of other headers": altered(X_Amz_SignedHeaders="host;x-amz-acl"),
    "with a parameter more": altered(response_content_type="text/html"),
    "as a list": lambda url: url + "&list-type=2",
    "as an ACL": lambda url: url + "&acl",
    "as a policy": lambda url: url + "&policy",
}


def _got(kind: str, change: Change) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        key = keys_of(arena.victim.user_id)[kind]
        arena.store.upload_object(key, DATA)
        changed = change(arena.store.generate_download_url(key, expires_s=900))
        answer = loopback.get(changed)
        assert answer.status_code in {400, 403, 404}, answer.status_code
        assert DATA not in answer.content

    return run


def _with_another_method(kind: str, method: str) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        key = keys_of(arena.victim.user_id)[kind]
        arena.store.upload_object(key, DATA)
        answer = loopback.request(method, arena.store.generate_download_url(key, expires_s=900), content=b"evil")
        assert answer.status_code in {400, 403, 405, 411}, answer.status_code
        assert arena.store.fetch_object(key, max_bytes=100) == DATA

    return run


def _put(change: Change, content: bytes = DATA, **headers: str) -> Callable[[Arena], None]:
    """A presigned upload that is sent otherwise than it was signed: nothing is stored."""

    def run(arena: Arena) -> None:
        key = keys_of(arena.attacker.user_id)["an upload"]
        upload = arena.store.generate_upload_url(key, size_bytes=len(DATA), expires_s=900)
        sent = {**upload.headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
        sent = {name: text for name, text in sent.items() if name.lower() != "content-length"}
        answer = loopback.put(change(upload.url), content=content, headers=sent)
        assert answer.status_code in {400, 403, 404, 412}, answer.status_code
        assert arena.store.object_exists(key) is None

    return run


PUTS = {
    **{name: _put(change) for name, change in URLS.items()},
    "a byte more": _put(str, DATA + b"x"),
    "nothing": _put(str, b""),
    "another's object copied": _put(str, x_amz_copy_source="/rythmiq/raw/somebody/else"),
    "for everybody to read": _put(str, x_amz_acl="public-read"),
    "with a grant": _put(str, x_amz_grant_read='uri="http://acs.amazonaws.com/groups/global/AllUsers"'),
    "with a redirect": _put(str, x_amz_website_redirect_location="https://evil.example"),
    "as a page": _put(str, content_type="text/html"),
    "with a note": _put(str, x_amz_meta_note="evil"),
}


def _anonymous(method: str, path: Callable[[SpacesStore, str], str]) -> Callable[[Arena], None]:
    def run(arena: Arena) -> None:
        key = keys_of(arena.victim.user_id)["an upload"]
        arena.store.upload_object(key, DATA)
        url = f"{arena.store.config.endpoint}{path(arena.store, key)}"
        answer = loopback.request(method, url, content=b"x" if method in {"PUT", "POST"} else None)
        assert answer.status_code in {400, 403, 405, 411}, answer.status_code
        assert arena.store.fetch_object(key, max_bytes=100) == DATA

    return run


def _in_bucket(store: SpacesStore, key: str) -> str:
    return f"/{store.config.bucket}/{key}"


def _of_bucket(query: str) -> Callable[[SpacesStore, str], str]:
    return lambda store, _: f"/{store.config.bucket}{query}"


ANONYMOUS = {
    "an object is read": _anonymous("GET", _in_bucket),
    "an object is looked for": _anonymous("HEAD", _in_bucket),
    "an object is written": _anonymous("PUT", _in_bucket),
    "an object is deleted": _anonymous("DELETE", _in_bucket),
    "the bucket is listed": _anonymous("GET", _of_bucket("")),
    "the bucket's objects are listed": _anonymous("GET", _of_bucket("?list-type=2")),
    "the bucket's policy is read": _anonymous("GET", _of_bucket("?policy")),
    "the bucket's policy is written": _anonymous("PUT", _of_bucket("?policy")),
    "the bucket is deleted": _anonymous("DELETE", _of_bucket("")),
    "many objects are deleted": _anonymous("POST", _of_bucket("?delete")),
    "the buckets are listed": _anonymous("GET", lambda _, __: "/"),
}


def _moved(change: Callable[[str], str]) -> Callable[[Arena], None]:
    """The victim's sealed upload, copied by whoever writes the store to another key: it opens nowhere else."""

    def run(arena: Arena) -> None:
        signed = arena.waiting
        key = base64.b64decode(signed.encryption.data_key) if signed.encryption else b""
        data = arena.rig.store.objects[signed.raw_path]
        assert open_sealed(data, storage_key=signed.raw_path, data_key=key)
        try:
            open_sealed(data, storage_key=change(signed.raw_path), data_key=key)
        except DecryptionError:
            return
        raise AssertionError("it opened")

    return run


def _bitten(position: int) -> Callable[[Arena], None]:
    """One bit of the victim's sealed upload is another."""

    def run(arena: Arena) -> None:
        signed = arena.waiting
        data = bytearray(arena.rig.store.objects[signed.raw_path])
        data[position] ^= 1
        key = base64.b64decode(signed.encryption.data_key) if signed.encryption else b""
        try:
            open_sealed(bytes(data), storage_key=signed.raw_path, data_key=key)
        except DecryptionError:
            return
        raise AssertionError("it opened")

    return run


def _unwrapped(ring: Callable[[Arena], KeyRing], user: Callable[[Arena], str]) -> Callable[[Arena], None]:
    """A wrapped key that is taken from the victim's row or object is nothing elsewhere."""

    def run(arena: Arena) -> None:
        key = arena.waiting.encryption
        if key is None:
            raise AssertionError("uploads are sealed here")
        wrapped = base64.b64decode(key.wrapped_key)
        assert arena.rig.ring is not None
        assert arena.rig.ring.unwrap(key.kid, wrapped, arena.victim.user_id) == base64.b64decode(key.data_key)
        try:
            ring(arena).unwrap(key.kid, wrapped, user(arena))
        except (DecryptionError, ValueError):
            return
        raise AssertionError("it unwrapped")

    return run


def _ours(arena: Arena) -> KeyRing:
    if arena.rig.ring is None:
        raise AssertionError("there are keys here")
    return arena.rig.ring


def _another_ring(arena: Arena) -> KeyRing:
    return KeyRing.parse(KeyRing.new_entry(_ours(arena).current_kid))


WRAPPED = {
    "under another ring": _unwrapped(_another_ring, lambda a: a.victim.user_id),
    "under the ring of orders": _unwrapped(lambda a: a.rig.dispatch_ring, lambda a: a.victim.user_id),
    "in another user's row": _unwrapped(_ours, lambda a: a.attacker.user_id),
    "in nobody's row": _unwrapped(_ours, lambda _: ""),
    "in the row of somebody whose id begins so": _unwrapped(_ours, lambda a: a.victim.user_id[:-1]),
}


def _forged_service_object(make: Callable[[Arena, bytes, str], bytes]) -> Callable[[Arena], None]:
    """What a client can write at the place of an order is no order."""

    def run(arena: Arena) -> None:
        key = dispatch_key(arena.attacker.user_id, arena.own, 1)
        genuine = arena.rig.store.objects[key]
        forged = make(arena, genuine, key)
        try:
            arena.rig.dispatch_ring.open_service(forged, storage_key=key)
        except DecryptionError:
            return
        raise AssertionError("it was taken")

    return run


SERVICE = {
    "an upload at an order's place": _forged_service_object(lambda a, _, __: a.rig.store.objects[a.waiting.raw_path]),
    "an order in clear": _forged_service_object(lambda _, __, ___: b"{}"),
    "nothing": _forged_service_object(lambda _, __, ___: b""),
    "another attempt's order": _forged_service_object(
        lambda a, _, __: a.rig.store.objects[dispatch_key(a.victim.user_id, a.running, 1)]
    ),
    "an order of another ring": _forged_service_object(
        lambda _, __, key: KeyRing.parse(KeyRing.new_entry(1)).seal_service(b"{}", storage_key=key)
    ),
    "an order cut off": _forged_service_object(lambda _, data, __: data[:-1]),
    "an order with more": _forged_service_object(lambda _, data, __: data + b"x"),
    "an order with another head": _forged_service_object(lambda _, data, __: data[:5] + b"\x00" + data[6:]),
}


def rows() -> Iterator[Attack]:
    """Every kind of object, and every way to ask for it that was not signed."""
    for kind in KINDS:
        for name, change in URLS.items():
            yield Attack("storage", kind, f"a download {name}", _got(kind, change))
        for method in ("PUT", "DELETE", "POST"):
            yield Attack("storage", kind, f"a download's signature for {method}", _with_another_method(kind, method))
    for name, run in PUTS.items():
        yield Attack("storage", "an upload", f"sent {name}", run)
    yield from rows_of("storage", "the bucket", ANONYMOUS)
    moves: dict[str, Callable[[str], str]] = {
        "to another user": lambda key: key.replace(key.split("/")[1], str(uuid.uuid4())),
        "to another job": lambda key: key.replace(key.split("/")[2], str(uuid.uuid4())),
        "to another name": lambda key: key.replace("_", "_x", 1),
        "to nowhere": lambda _: "",
    }
    for name, move in moves.items():
        yield Attack("storage", "a sealed upload", f"copied {name}", _moved(move))
    for position in (0, 4, 5, 48, 60, 100, 108, -1, -17):  # kid and wrapped key, 6 to 47, are rewritten by rotations
        yield Attack("storage", "a sealed upload", f"a bit of byte {position}", _bitten(position))
    yield from rows_of("storage", "a wrapped key", WRAPPED)
    yield from rows_of("storage", "an order", SERVICE)
