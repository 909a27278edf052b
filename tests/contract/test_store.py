"""One suite for every store and every client: what holds on the local guard holds on a real Ceph RGW."""

import base64
import datetime as dt
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote

import pytest

from rythmiq.adapters.spaces import SpacesStore
from rythmiq.contracts.errors import AccessDeniedError, ObjectMissingError
from rythmiq.contracts.keys import MOST_DELETED, dispatch_key, master_key, output_key, raw_key
from tests.support.store_clients import Client, Server

DATA = b"seventeen bytes!!"
HOUR_AGO = dt.timedelta(hours=-1)
USER, JOB = str(uuid.UUID(int=1, version=4)), str(uuid.UUID(int=2, version=4))
AT = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
Shift = Callable[[dt.timedelta], None]
MakeClient = Callable[..., Client]


# --- direct calls --------------------------------------------------------------


def test_an_object_is_read_as_it_was_written(client: Client, key: str) -> None:
    """PUT, then GET and HEAD."""
    client.put(key, DATA)
    assert client.get(key) == DATA
    assert client.size(key) == len(DATA)


def test_an_object_of_a_megabyte_survives(client: Client, key: str) -> None:
    """More than one socket buffer each way."""
    data = bytes(range(256)) * 4096
    client.put(key, data)
    assert client.get(key) == data


def test_an_empty_object_has_size_zero_and_is_not_missing(client: Client, key: str) -> None:
    """Zero bytes is not None."""
    client.put(key, b"")
    assert client.size(key) == 0
    assert client.get(key) == b""


def test_a_second_put_replaces_the_first(client: Client, key: str) -> None:
    """The service's own writes repeat to the same key."""
    client.put(key, b"first")
    client.put(key, b"second!")
    assert client.get(key) == b"second!"


def test_a_missing_object_is_missing(client: Client, key: str) -> None:
    """HEAD says None, GET raises."""
    assert client.size(key) is None
    with pytest.raises(ObjectMissingError):
        client.get(key)


def test_delete_may_be_repeated(client: Client, key: str) -> None:
    """A deleted object is gone, and deleting it again is no error."""
    client.put(key, DATA)
    client.delete(key)
    assert client.size(key) is None
    client.delete(key)


def test_many_are_deleted_in_one_call_and_no_other(client: Client, server: Server, key: str) -> None:
    """Those that are not there are deleted already."""
    keys = [key, key.replace("photo", "sign"), key.replace("photo", "thumb")]
    store = SpacesStore(server.config, attempts=1, timeout_s=20)
    for each in (keys[0], keys[2]):
        client.put(each, DATA)
    store.delete_objects(keys[:2])
    assert [client.size(each) for each in keys] == [None, None, len(DATA)]
    store.delete_objects(keys)
    assert client.size(keys[2]) is None


def test_more_than_a_call_takes_are_deleted_in_two(client: Client, server: Server, key: str) -> None:
    """A call with as many keys as the store takes, and another with the rest."""
    first, last = key, key.replace("photo", "sign")
    for each in (first, last):
        client.put(each, DATA)
    between = [key.replace("photo", f"photo-{number}") for number in range(MOST_DELETED - 1)]
    SpacesStore(server.config, attempts=1, timeout_s=60).delete_objects([first, *between, last])
    assert [client.size(each) for each in (first, last)] == [None, None]


@pytest.mark.parametrize("changed", [{"secret_key": "not-the-secret"}, {"access_key": "NOBODY"}])
def test_wrong_credentials_are_denied(
    make_client: MakeClient, server: Server, key: str, changed: dict[str, str]
) -> None:
    """For every direct call."""
    stranger = make_client(server, **changed)
    config = replace(server.config, **changed)  # type: ignore[arg-type]  # the fields named here are strings
    store = SpacesStore(config, attempts=1, timeout_s=20)
    with pytest.raises(AccessDeniedError):
        stranger.put(key, DATA)
    with pytest.raises(AccessDeniedError):
        stranger.get(key)
    with pytest.raises(AccessDeniedError):
        stranger.size(key)
    with pytest.raises(AccessDeniedError):
        stranger.delete(key)
    with pytest.raises(AccessDeniedError):
        store.delete_objects([key])


def test_a_clock_an_hour_off_is_denied(client: Client, key: str, signing_clock: Shift) -> None:
    """RequestTimeTooSkewed."""
    signing_clock(HOUR_AGO)
    with pytest.raises(AccessDeniedError):
        client.get(key)


@pytest.mark.parametrize(
    "awkward",
    [
        raw_key(USER, JOB, AT, "-"),
        raw_key(USER, JOB, AT, "_._-_"),
        raw_key(USER, JOB, AT, "photo.enc.enc"),
        raw_key(USER, JOB, AT, "a" * 124 + ".jpg"),
        raw_key(USER, JOB, AT, "CamelCase-2026.JPG"),
        dispatch_key(USER, JOB, 3),
        master_key(USER, JOB),
        output_key(USER, JOB, "20261123T000000Z_output.zip"),
        output_key(USER, JOB, "result-a1.json.enc"),
    ],
)
def test_every_legal_key_makes_the_round_trip(client: Client, server: Server, awkward: str) -> None:
    """Written directly, read by URL, deleted again so that the next client finds nothing."""
    client.put(awkward, DATA)
    assert server.http.get(client.presign_get(awkward)).content == DATA
    client.delete(awkward)


# --- presigned GET -------------------------------------------------------------


def test_a_presigned_get_reads_the_object(client: Client, server: Server, key: str) -> None:
    """Without any header."""
    client.put(key, DATA)
    answer = server.http.get(client.presign_get(key))
    assert (answer.status_code, answer.content) == (200, DATA)


def test_an_expired_get_is_forbidden(client: Client, server: Server, key: str, signing_clock: Shift) -> None:
    """Signed an hour ago for 15 minutes."""
    client.put(key, DATA)
    signing_clock(HOUR_AGO)
    assert server.http.get(client.presign_get(key)).status_code == 403


def test_a_get_with_another_signature_is_forbidden(client: Client, server: Server, key: str) -> None:
    """The last digit of the signature turned."""
    client.put(key, DATA)
    url = client.presign_get(key)
    assert server.http.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403


def test_a_get_of_another_key_is_forbidden(client: Client, server: Server, key: str) -> None:
    """A URL opens the one object that it was signed for."""
    other = key.replace("photo.jpg", "other.jpg")
    client.put(other, DATA)
    assert server.http.get(client.presign_get(key).replace("photo.jpg", "other.jpg")).status_code == 403


def test_a_get_with_a_longer_expiry_written_in_is_forbidden(client: Client, server: Server, key: str) -> None:
    """The expiry is signed."""
    client.put(key, DATA)
    url = client.presign_get(key)
    assert "X-Amz-Expires=900" in url
    assert server.http.get(url.replace("X-Amz-Expires=900", "X-Amz-Expires=9000")).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_a_get_url_does_not_write_or_delete(client: Client, server: Server, key: str, method: str) -> None:
    """The method is signed."""
    client.put(key, DATA)
    assert server.http.request(method, client.presign_get(key), content=b"x").status_code == 403
    assert client.get(key) == DATA


def test_a_get_signed_with_another_secret_is_forbidden(
    make_client: MakeClient, client: Client, server: Server, key: str
) -> None:
    """The store knows the access key, but not this secret."""
    client.put(key, DATA)
    stranger = make_client(server, secret_key="not-the-secret")
    assert server.http.get(stranger.presign_get(key)).status_code == 403


@pytest.mark.parametrize("filename", ["NEET photo.zip", 'quote".zip', "आधार कार्ड.zip", "a;b=c&d+e%20.zip"])
def test_the_output_is_saved_under_its_name(client: Client, server: Server, filename: str) -> None:
    """The store repeats the signed Content-Disposition, and a browser reads the name from `filename*`."""
    name = output_key(str(uuid.uuid4()), JOB, "20261123T000000Z_output.zip")
    client.put(name, DATA)
    answer = server.http.get(client.presign_output(name, filename))
    assert answer.status_code == 200
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment; ")
    assert unquote(disposition.partition("filename*=UTF-8''")[2]) == filename


def test_the_name_of_the_output_cannot_be_changed(client: Client, server: Server) -> None:
    """`response-content-disposition` is signed."""
    name = output_key(str(uuid.uuid4()), JOB, "20261123T000000Z_output.zip")
    client.put(name, DATA)
    url = client.presign_output(name, "right.zip")
    assert server.http.get(url.replace("right.zip", "wrong.exe")).status_code == 403


# --- presigned PUT -------------------------------------------------------------


def test_a_presigned_put_stores_the_bytes(client: Client, server: Server, key: str) -> None:
    """With exactly the headers that were handed out."""
    assert server.put(client.presign_put(key, len(DATA)), DATA).status_code == 200
    assert client.get(key) == DATA


def test_an_expired_put_is_forbidden(client: Client, server: Server, key: str, signing_clock: Shift) -> None:
    """And stores nothing."""
    signing_clock(HOUR_AGO)
    upload = client.presign_put(key, len(DATA))
    signing_clock(dt.timedelta())
    assert server.put(upload, DATA).status_code == 403
    assert client.size(key) is None


@pytest.mark.parametrize("content_type", ["text/html", None])
def test_a_put_of_another_type_is_forbidden(client: Client, server: Server, key: str, content_type: str | None) -> None:
    """Content-Type is signed, and so is its presence."""
    upload = client.presign_put(key, len(DATA))
    assert server.put(upload, DATA, content_type=content_type).status_code == 403
    assert client.size(key) is None


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"!", b""])
def test_a_put_of_another_length_is_forbidden(client: Client, server: Server, key: str, data: bytes) -> None:
    """Content-Length is signed to the byte."""
    assert server.put(client.presign_put(key, len(DATA)), data).status_code == 403
    assert client.size(key) is None


@pytest.mark.parametrize("acl", ["public-read", None])
def test_a_put_with_another_acl_is_forbidden(client: Client, server: Server, key: str, acl: str | None) -> None:
    """`x-amz-acl: private` is signed."""
    assert server.put(client.presign_put(key, len(DATA)), DATA, x_amz_acl=acl).status_code == 403
    assert client.size(key) is None


def test_a_second_put_is_refused_and_the_first_stays(client: Client, server: Server, key: str) -> None:
    """An upload URL is good for one object: `If-None-Match: *` answers 412."""
    upload = client.presign_put(key, len(DATA))
    assert server.put(upload, DATA).status_code == 200
    assert server.put(upload, DATA[::-1]).status_code == 412
    assert client.get(key) == DATA


def test_a_put_without_its_condition_is_forbidden(client: Client, server: Server, key: str) -> None:
    """`If-None-Match` is signed, so that nobody can leave it out."""
    client.put(key, b"first")
    assert server.put(client.presign_put(key, len(DATA)), DATA, if_none_match=None).status_code == 403
    assert client.get(key) == b"first"


def test_a_put_to_another_key_is_forbidden(client: Client, server: Server, key: str) -> None:
    """A URL writes the one object that it was signed for."""
    upload = client.presign_put(key, len(DATA))
    moved = type(upload)(upload.url.replace("photo.jpg", "other.jpg"), upload.headers, {})
    assert server.put(moved, DATA).status_code == 403


def test_a_put_signed_with_another_secret_is_forbidden(make_client: MakeClient, server: Server, key: str) -> None:
    """The store knows the access key, but not this secret."""
    stranger = make_client(server, secret_key="not-the-secret")
    assert server.put(stranger.presign_put(key, len(DATA)), DATA).status_code == 403


def test_a_put_whose_md5_is_another_is_refused(client: Client, server: Server, key: str) -> None:
    """BadDigest, 400; the right digest passes."""
    upload = client.presign_put(key, len(DATA))
    wrong = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    right = base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()
    assert server.put(upload, DATA, content_md5=wrong).status_code == 400
    assert client.size(key) is None
    assert server.put(upload, DATA, content_md5=right).status_code == 200


# --- presigned POST ------------------------------------------------------------


@pytest.mark.parametrize("size_bytes", [10, 17, 20])
def test_a_presigned_post_stores_what_is_in_range(client: Client, server: Server, key: str, size_bytes: int) -> None:
    """Both ends included."""
    data = bytes(size_bytes)
    assert server.post(client.presign_post(key, 10, 20), data).status_code == 204
    assert client.get(key) == data


@pytest.mark.parametrize("size_bytes", [0, 9, 21, 1000])
def test_a_post_out_of_range_is_refused(client: Client, server: Server, key: str, size_bytes: int) -> None:
    """EntityTooSmall and EntityTooLarge are 400.

    RGW 16.2 streams the body first and so keeps a too small object; what is too large it never keeps, and that is what
    the range is for.
    """
    assert server.post(client.presign_post(key, 10, 20), bytes(size_bytes)).status_code == 400
    if size_bytes > 20:
        assert client.size(key) is None


def test_an_expired_post_is_forbidden(client: Client, server: Server, key: str, signing_clock: Shift) -> None:
    """The policy's expiration."""
    signing_clock(HOUR_AGO)
    upload = client.presign_post(key, 1, 100)
    signing_clock(dt.timedelta())
    assert server.post(upload, DATA).status_code == 403
    assert client.size(key) is None


def test_a_post_with_a_field_that_the_policy_does_not_name_is_forbidden(
    client: Client, server: Server, key: str
) -> None:
    """Conditions are exact, and there are no others."""
    upload = client.presign_post(key, 1, 100)
    assert server.post(upload, DATA, **{"x-amz-meta-extra": "1"}).status_code == 403


@pytest.mark.parametrize(
    "changed", [{"acl": "public-read"}, {"Content-Type": "text/html"}, {"success_action_status": "200"}]
)
def test_a_post_with_another_value_is_forbidden(
    client: Client, server: Server, key: str, changed: dict[str, str]
) -> None:
    """Every field is a condition of the policy."""
    assert server.post(client.presign_post(key, 1, 100), DATA, **changed).status_code == 403
    assert client.size(key) is None


def test_a_post_to_another_key_is_forbidden(client: Client, server: Server, key: str) -> None:
    """The key is exact, not a prefix."""
    other = key.replace("photo.jpg", "photo.jpgx")
    assert server.post(client.presign_post(key, 1, 100), DATA, key=other).status_code == 403
    assert client.size(other) is None


def test_a_post_with_another_policy_is_forbidden(client: Client, server: Server, key: str) -> None:
    """The policy is what is signed."""
    upload, wider = client.presign_post(key, 1, 10), client.presign_post(key, 1, 1000)
    assert server.post(upload, DATA, policy=wider.fields["policy"]).status_code == 403
    assert client.size(key) is None


def test_a_post_signed_with_another_secret_is_forbidden(make_client: MakeClient, server: Server, key: str) -> None:
    """The store knows the access key, but not this secret."""
    stranger = make_client(server, secret_key="not-the-secret")
    assert server.post(stranger.presign_post(key, 1, 100), DATA).status_code == 403


# --- nobody and everybody ------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_nobody_may_do_nothing(client: Client, server: Server, key: str, method: str) -> None:
    """An unsigned request is forbidden, whatever it asks."""
    client.put(key, DATA)
    assert server.http.request(method, server.url(key)).status_code == 403
    assert client.get(key) == DATA


def test_an_uploaded_object_is_not_public(client: Client, server: Server, key: str) -> None:
    """Neither by PUT nor by POST."""
    assert server.put(client.presign_put(key, len(DATA)), DATA).status_code == 200
    assert server.http.get(server.url(key)).status_code == 403
    assert server.post(client.presign_post(key, 1, 100), DATA).status_code == 204
    assert server.http.get(server.url(key)).status_code == 403


@pytest.mark.parametrize(
    "header", [{"x_amz_meta_note": "unsigned"}, {"x_amz_copy_source": "/bucket/raw/of/somebody/else"}]
)
def test_a_header_of_the_store_that_is_not_signed_is_forbidden_here(
    make_client: MakeClient, guard_server: Server, key: str, header: dict[str, str]
) -> None:
    """CVE-2026-54330: the guard refuses, as patched stores do; what Debian's RGW does stands in the agreement table."""
    client = make_client(guard_server)
    assert guard_server.put(client.presign_put(key, len(DATA)), DATA, **header).status_code == 403
    assert client.size(key) is None
