"""What a job is made from, and when two requests are the same."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rythmiq.contracts.job_bodies import JobRequest
from rythmiq.contracts.origins import OriginRules
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.services.job_messages import Source, request_hash, source_of

USER, JOB = (f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in "12")
KEY = f"raw/{USER}/{JOB}/20261123T120000Z_me.jpg.enc"
RULES = OriginRules("https://sgp1.example.com", "rythmiq", ("https://files.example.org",))


def request(**changes: Any) -> JobRequest:
    return JobRequest.model_validate({"portal": "neet-2026", "raw_path": KEY, **changes})


def from_url(url: str) -> JobRequest:
    return request(raw_path=None, artifact_url=url)


@pytest.mark.parametrize(
    "url",
    [
        f"https://sgp1.example.com/rythmiq/{KEY}?X-Amz-Signature=1",
        f"https://sgp1.example.com/rythmiq/{KEY}?X-Amz-Signature=2",
        f"https://rythmiq.sgp1.example.com/{KEY}",
    ],
)
def test_every_url_of_an_object_of_ours_is_the_same_request_as_its_key(url: str) -> None:
    """A signature that was made anew makes no other job."""
    asked = from_url(url)
    source = source_of(asked, USER, RULES)
    assert source == Source(KEY, None)
    assert request_hash(asked, source) == request_hash(request(), Source(KEY, None))


def test_the_hash_does_not_depend_on_how_a_request_is_written() -> None:
    """Order of fields, defaults that are spelled out."""
    spelled = JobRequest.model_validate(
        {"options": {"rotate": None, "caption": None}, "raw_path": KEY, "slot": None, "portal": "neet-2026"}
    )
    assert request_hash(spelled, Source(KEY, None)) == request_hash(request(), Source(KEY, None))


@pytest.mark.parametrize(
    "changes",
    [
        {"portal": "jee-main-2026"},
        {"slot": "photo"},
        {"portal_version": "1"},
        {"mime_type": "image/png"},
        {"original_filename": "b.jpg"},
        {"options": {"rotate": 90}},
        {"options": {"rotate": 0}},
        {"options": {"background": "white"}},
        {"options": {"caption": {"name": "Asha Rao", "date": "2026-11-28"}}},
        {"options": {"face": {"x": 0.5, "y": 0.25}}},
        {"options": {"crop": {"x": 0, "y": 0, "width": 1, "height": 0.5}}},
    ],
)
def test_whatever_changes_the_outcome_changes_the_hash(changes: dict[str, Any]) -> None:
    """Each field of the request."""
    assert request_hash(request(**changes), Source(KEY, None)) != request_hash(request(), Source(KEY, None))


RING = KeyRing({2: b"B" * 32, 1: b"A" * 32})


def test_the_hash_is_an_hmac_that_needs_the_ring_and_the_user() -> None:
    """Whoever guesses a request cannot tell from the hash that it is right."""
    asked, source = request(), Source(KEY, None)
    hashes = {request_hash(asked, source, user, ring) for user in (USER, JOB) for ring in (None, RING)}
    assert len(hashes) == 4
    plain = json.dumps(asked.model_dump(mode="json", exclude_none=True), sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(plain.encode()).hexdigest() not in " ".join(hashes)


def test_a_hash_is_under_each_key_of_the_ring_the_current_one_s_first() -> None:
    asked, source = request(), Source(KEY, None)
    current, older = request_hash(asked, source, USER, KeyRing({2: b"B" * 32, 1: b"A" * 32})).split(" ")
    assert request_hash(asked, source, USER, KeyRing({2: b"B" * 32})) == current
    assert request_hash(asked, source, USER, KeyRing({1: b"A" * 32})) == older
    derived = HKDF(SHA256(), 32, b"", b"rythmiq request hash v1").derive(b"B" * 32)
    message = json.dumps([USER, asked_for(asked)], sort_keys=True, separators=(",", ":")).encode()
    assert current == hmac.new(derived, message, "sha256").hexdigest()


def asked_for(asked: JobRequest) -> dict[str, Any]:
    """What a request asks for, as the hash reads it."""
    return asked.model_dump(mode="json", exclude_none=True) | {"raw_path": KEY, "artifact_url": None}


def test_what_is_fetched_is_put_together_from_the_parts_that_were_checked() -> None:
    """The worker is told nothing that was not looked at."""
    asked = from_url("HTTPS://FILES.example.org:443/a.jpg?x=1#part")
    assert source_of(asked, USER, RULES) == Source(None, "https://files.example.org/a.jpg?x=1")


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (f"raw/{JOB}/{JOB}/20261123T120000Z_me.jpg.enc", ProblemCode.NOT_FOUND),
        (f"master/{JOB}/{JOB}/{JOB}.enc", ProblemCode.NOT_FOUND),
        (f"output/{JOB}/{JOB}/preview.jpg", ProblemCode.NOT_FOUND),
        (f"output/{USER}/{JOB}/preview.jpg", ProblemCode.INVALID_FIELD),
        (f"raw/{USER}/{JOB}/dispatch-a1.json.enc", ProblemCode.INVALID_FIELD),
        (KEY + "/", ProblemCode.INVALID_FIELD),
    ],
)
def test_a_key_is_ones_own_upload_or_master_by_whichever_name(key: str, code: ProblemCode) -> None:
    """As a path and as a URL into the bucket."""
    for asked in (request(raw_path=key), from_url(f"https://sgp1.example.com/rythmiq/{key}")):
        with pytest.raises(ProblemError) as caught:
            source_of(asked, USER, RULES)
        assert caught.value.code == code
