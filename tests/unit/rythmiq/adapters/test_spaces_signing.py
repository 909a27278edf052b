"""What the adapter signs, without a store: limits, keys, secrets, names, and boto3's word on every URL."""

import base64
import datetime as dt
import json
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rythmiq.adapters.spaces
from rythmiq.adapters.spaces import SpacesStore, StoreConfig, content_disposition
from rythmiq.contracts.keys import InvalidKeyError, output_key, raw_key
from tests.support.store_clients import AdapterClient, Boto3Client

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = StoreConfig("https://sgp1.digitaloceanspaces.com", "sgp1", "bucket", "AK", "the-secret")
NOW = dt.datetime(2026, 11, 23, 12, 30, 15, 987_654, tzinfo=dt.UTC)
USER, JOB = str(uuid.UUID(int=1, version=4)), str(uuid.UUID(int=2, version=4))
KEY = raw_key(USER, JOB, NOW, "photo.jpg")
ZIP = output_key(USER, JOB, "20261123T000000Z_output.zip")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
    monkeypatch.setattr("botocore.signers.get_current_datetime", lambda: NOW.replace(tzinfo=None))
    monkeypatch.setattr(rythmiq.adapters.spaces, "_now", lambda: NOW)


@pytest.fixture
def store() -> SpacesStore:
    """A store that is never called."""
    return SpacesStore(CONFIG)


def parameters(url: str) -> dict[str, list[str]]:
    """The query of a URL."""
    return parse_qs(urlsplit(url).query)


# --- boto3 agrees --------------------------------------------------------------


@pytest.mark.parametrize("endpoint", [CONFIG.endpoint, "http://127.0.0.1:9000", CONFIG.endpoint + "/"])
def test_boto3_signs_the_very_same_urls(endpoint: str) -> None:
    """At the same instant, with the same key, both say the same URL to the last digit of the signature."""
    config = replace(CONFIG, endpoint=endpoint)
    ours, theirs = AdapterClient(config), Boto3Client(config)
    assert ours.presign_get(KEY) == theirs.presign_get(KEY)
    assert ours.presign_put(KEY, 17) == theirs.presign_put(KEY, 17)
    our_url, their_url = ours.presign_output(ZIP, "a b.zip"), theirs.presign_output(ZIP, "a b.zip")
    assert urlsplit(our_url).path == urlsplit(their_url).path
    assert parameters(our_url).keys() == parameters(their_url).keys()


def test_boto3_signs_a_policy_of_the_same_conditions() -> None:
    """The order of conditions is the only freedom."""
    ours, theirs = AdapterClient(CONFIG).presign_post(KEY, 1, 9), Boto3Client(CONFIG).presign_post(KEY, 1, 9)

    def conditions(policy: str) -> list[str]:
        return sorted(json.dumps(item) for item in json.loads(base64.b64decode(policy))["conditions"])

    assert ours.url == theirs.url
    assert ours.fields.keys() == theirs.fields.keys()
    assert conditions(ours.fields["policy"]) == conditions(theirs.fields["policy"])


# --- what is signed ------------------------------------------------------------


def test_a_put_signs_type_length_acl_and_condition(store: SpacesStore) -> None:
    """And asks the client to send exactly those."""
    upload = store.generate_upload_url(KEY, size_bytes=1124)
    assert upload.method == "PUT"
    assert upload.headers == {
        "Content-Type": "application/octet-stream",
        "Content-Length": "1124",
        "x-amz-acl": "private",
        "If-None-Match": "*",
    }
    assert parameters(upload.url)["X-Amz-SignedHeaders"] == ["content-length;content-type;host;if-none-match;x-amz-acl"]


def test_a_store_without_conditional_writes_is_not_asked_for_one() -> None:
    """`If-None-Match` is switchable."""
    store = SpacesStore(replace(CONFIG, conditional_writes=False))
    upload = store.generate_upload_url(KEY, size_bytes=1)
    assert "If-None-Match" not in upload.headers
    assert parameters(upload.url)["X-Amz-SignedHeaders"] == ["content-length;content-type;host;x-amz-acl"]


def test_a_post_policy_holds_exact_conditions_only(store: SpacesStore) -> None:
    """No starts-with, every field named, and the range of the sealed size."""
    upload = store.generate_upload_url(KEY, size_bytes=1124, min_bytes=125, method="post")
    policy = json.loads(base64.b64decode(upload.fields["policy"]))
    exact = {name: value for item in policy["conditions"] if isinstance(item, dict) for name, value in item.items()}
    assert [item for item in policy["conditions"] if isinstance(item, list)] == [["content-length-range", 125, 1124]]
    assert exact["key"] == KEY
    assert exact["acl"] == "private"
    assert exact["bucket"] == "bucket"
    assert exact.keys() - {"bucket"} == upload.fields.keys() - {"policy", "x-amz-signature"}
    assert all(exact[name] == upload.fields[name] for name in exact if name != "bucket")


@pytest.mark.parametrize("method", ["put", "post"])
def test_the_expiry_that_is_told_is_the_one_that_is_signed(store: SpacesStore, method: str) -> None:
    """15 minutes unless asked otherwise, in whole seconds."""
    upload = store.generate_upload_url(KEY, size_bytes=1, method="put" if method == "put" else "post")
    assert upload.expires_at == NOW.replace(microsecond=0) + dt.timedelta(minutes=15)
    if method == "put":
        assert parameters(upload.url)["X-Amz-Expires"] == ["900"]
    else:
        policy = json.loads(base64.b64decode(upload.fields["policy"]))
        assert dt.datetime.fromisoformat(policy["expiration"]) == upload.expires_at


def test_downloads_last_an_hour_and_outputs_a_day(store: SpacesStore) -> None:
    """By default."""
    assert parameters(store.generate_download_url(KEY))["X-Amz-Expires"] == ["3600"]
    assert parameters(store.generate_output_download_url(ZIP, filename="a.zip"))["X-Amz-Expires"] == ["86400"]


def test_urls_are_path_style(store: SpacesStore) -> None:
    """Spaces, RGW and loopback take that form; an artifact_url is compared with it."""
    assert store.generate_download_url(KEY).startswith(f"https://sgp1.digitaloceanspaces.com/bucket/{KEY}?")


# --- what is refused -----------------------------------------------------------


@pytest.mark.parametrize("expires_s", [0, -1, 3601, 604_800])
@pytest.mark.parametrize("method", ["put", "post"])
def test_an_upload_lasts_at_most_an_hour(store: SpacesStore, method: str, expires_s: int) -> None:
    """More is a ValueError, and so is nothing."""
    with pytest.raises(ValueError, match="expiry"):
        store.generate_upload_url(KEY, size_bytes=1, method="put" if method == "put" else "post", expires_s=expires_s)


def test_an_hour_itself_is_taken(store: SpacesStore) -> None:
    """The limit is inclusive."""
    assert store.generate_upload_url(KEY, size_bytes=1, expires_s=3600).url


@pytest.mark.parametrize("expires_s", [0, 604_801])
def test_a_download_lasts_at_most_a_week(store: SpacesStore, expires_s: int) -> None:
    """SigV4's own limit."""
    with pytest.raises(ValueError, match="expiry"):
        store.generate_download_url(KEY, expires_s=expires_s)
    with pytest.raises(ValueError, match="expiry"):
        store.generate_output_download_url(ZIP, filename="a.zip", expires_s=expires_s)


@pytest.mark.parametrize(("size_bytes", "min_bytes"), [(0, None), (-1, None), (10, 0), (10, 11)])
def test_a_size_that_cannot_be_is_refused(store: SpacesStore, size_bytes: int, min_bytes: int | None) -> None:
    """An upload has a byte at least."""
    with pytest.raises(ValueError, match="byte"):
        store.generate_upload_url(KEY, size_bytes=size_bytes, min_bytes=min_bytes, method="post")


@pytest.mark.parametrize("content_type", ["", "image", "image/jpeg\r\nx-amz-acl: public-read", "image/jpeg; a=b"])
def test_a_type_that_is_none_is_refused(store: SpacesStore, content_type: str) -> None:
    """It ends in a signature and in a header."""
    with pytest.raises(ValueError, match="media type"):
        store.generate_upload_url(KEY, size_bytes=1, content_type=content_type)


BAD_KEYS = ["", "/", "etc/passwd", f"/{KEY}", f"{KEY}/", f"{KEY}?acl", KEY.replace("raw/", "raw/../raw/"), f"{KEY}%00"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_outside_the_grammar_is_never_signed_nor_sent(key: str) -> None:
    """By any of the seven; nothing listens at the endpoint, and nobody notices."""
    store = SpacesStore(replace(CONFIG, endpoint="http://127.0.0.1:1"), attempts=1)
    calls: list[Callable[[], object]] = [
        lambda: store.generate_upload_url(key, size_bytes=1),
        lambda: store.generate_upload_url(key, size_bytes=1, method="post"),
        lambda: store.generate_download_url(key),
        lambda: store.generate_output_download_url(key, filename="a"),
        lambda: store.fetch_object(key, max_bytes=1),
        lambda: store.upload_object(key, b""),
        lambda: store.object_exists(key),
        lambda: store.delete_object(key),
    ]
    for call in calls:
        with pytest.raises(InvalidKeyError):
            call()


def test_a_store_is_tried_at_least_once() -> None:
    """Zero attempts would be no answer at all."""
    with pytest.raises(ValueError, match="at least once"):
        SpacesStore(CONFIG, attempts=0)


# --- secrets -------------------------------------------------------------------


def test_no_repr_shows_a_secret_or_a_signature(store: SpacesStore) -> None:
    """What is logged by accident opens nothing."""
    put = store.generate_upload_url(KEY, size_bytes=1)
    post = store.generate_upload_url(KEY, size_bytes=1, method="post")
    shown = repr(CONFIG) + repr(store) + repr(put) + repr(post)
    assert "the-secret" not in shown
    assert "X-Amz-Signature" not in shown
    assert post.fields["x-amz-signature"] not in shown


# --- cold start ----------------------------------------------------------------

PROBE = """
import sys
from rythmiq.adapters.spaces import SpacesStore, StoreConfig
store = SpacesStore(StoreConfig("https://sgp1.digitaloceanspaces.com", "sgp1", "b", "AK", "SK"))
store.generate_upload_url(sys.argv[1], size_bytes=1)
store.generate_upload_url(sys.argv[1], size_bytes=1, method="post")
store.generate_download_url(sys.argv[1])
print(sorted({name.partition(".")[0] for name in sys.modules} & {"httpx", "httpcore", "boto3", "h11"}))
"""


def test_signing_imports_neither_httpx_nor_boto3() -> None:
    """A function that only signs does not pay for a client."""
    run = subprocess.run([sys.executable, "-c", PROBE, KEY], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# --- names ---------------------------------------------------------------------


@given(st.text(max_size=60))
def test_any_name_makes_one_safe_header(filename: str) -> None:
    """One line of printable ASCII, one quoted string that nothing ends early, and a UTF-8 name without separators."""
    header = content_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    fallback, _, extended = header.removeprefix('attachment; filename="').partition("\"; filename*=UTF-8''")
    assert fallback
    assert not set(fallback) & set('"\\/;')
    name = unquote(extended, errors="strict")
    assert name
    assert not set(name) & set("/\\\r\n\0")


@given(st.from_regex(r"\A[^\W_][\w. ()\-]{0,40}\.zip\Z"))
def test_an_ordinary_name_is_kept(filename: str) -> None:
    """Letters of any script arrive as they are."""
    assert unquote(content_disposition(filename).partition("filename*=UTF-8''")[2]) == filename


def test_a_name_that_turns_its_text_around_is_disarmed() -> None:
    """A right-to-left override makes an .exe look like a .jpg."""
    assert "%E2%80%AE" not in content_disposition("photo\u202egpj.exe")
