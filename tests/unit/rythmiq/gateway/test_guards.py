"""Who may report: the secret, the one before it, and tokens derived from either for exactly one attempt."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.contracts import StrictJsonError, read_object
from rythmiq.contracts.attempt import derive_token
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.http import Request
from rythmiq.gateway.routes.internal import ReportGuard, SecretGuard
from tests.support.memory import FixedClock

SECRET, PREVIOUS = "the secret of this month", "the secret of last month"
JOB = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"
CLOCK = FixedClock()
SOON = int(CLOCK.now().timestamp()) + 60
BODY = json.dumps({"job_id": JOB, "attempt": 2}).encode()


def request(presented: str | None) -> Request:
    return Request(headers={} if presented is None else {"x-webhook-secret": presented})


def tick(presented: str | None) -> Request:
    return Request(headers={} if presented is None else {"x-reconcile-secret": presented})


def lets_in(shown: str | None, body: bytes = BODY, previous: str | None = PREVIOUS) -> bool:
    try:
        document = read_object(body)
    except StrictJsonError:
        document = None
    try:
        ReportGuard(SECRET, previous, CLOCK).admit(request(shown), document)
    except ProblemError as problem:
        return problem.code != ProblemCode.UNAUTHENTICATED
    return True


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_a_secret_lets_in_whatever_the_body_is(secret: str) -> None:
    """400 and 422 come after."""
    assert lets_in(secret)
    assert lets_in(secret, b"no JSON")


@pytest.mark.parametrize("shown", [None, "", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "é", "\ud800", "v2."])
def test_anything_else_does_not(shown: str | None) -> None:
    """Missing, wrong, longer, shorter, no ASCII."""
    assert not lets_in(shown)
    with pytest.raises(ProblemError):
        SecretGuard(SECRET, PREVIOUS).admit(tick(shown))


def test_an_empty_previous_secret_lets_nobody_in() -> None:
    """Unset is unset."""
    assert not lets_in("", previous="")
    assert not lets_in(PREVIOUS, previous=None)


@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_a_token_lets_in_its_own_attempt(secret: str) -> None:
    """Derived from either secret, so that a change of secret strands no job."""
    assert lets_in(derive_token(secret, JOB, 2, SOON))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"[]",
        b"null",
        b'{"job_id": "\\ud800", "attempt": 2}',
        b"[" * 100_000,
        json.dumps({"job_id": JOB}).encode(),
        json.dumps({"job_id": JOB, "attempt": None}).encode(),
        json.dumps({"job_id": JOB, "attempt": "2"}).encode(),
        json.dumps({"job_id": JOB, "attempt": 3}).encode(),
        json.dumps({"job_id": OTHER, "attempt": 2}).encode(),
        json.dumps({"job_id": [JOB], "attempt": 2}).encode(),
    ],
)
def test_a_token_lets_in_nothing_else(body: bytes) -> None:
    """Another job or attempt, none at all, or what cannot be read."""
    assert not lets_in(derive_token(SECRET, JOB, 2, SOON), body)


def test_an_attempt_that_is_true_is_none() -> None:
    """JSON's true would pass for 1."""
    assert not lets_in(derive_token(SECRET, JOB, 1, SOON), json.dumps({"job_id": JOB, "attempt": True}).encode())


def test_a_token_that_has_expired_lets_nobody_in() -> None:
    """Nor one whose expiry was moved."""
    now = int(CLOCK.now().timestamp())
    expired = derive_token(SECRET, JOB, 2, now)
    assert not lets_in(expired)
    assert not lets_in(expired.replace(str(now), str(SOON)))


def test_a_token_is_no_secret() -> None:
    """It reports for one attempt and starts no tick."""
    guard = SecretGuard(SECRET, PREVIOUS)
    with pytest.raises(ProblemError):
        guard.admit(tick(derive_token(SECRET, JOB, 2, SOON)), {"job_id": JOB, "attempt": 2})
    guard.admit(tick(SECRET))
    guard.admit(tick(PREVIOUS))


def test_a_secret_is_looked_for_in_its_own_header_alone() -> None:
    """What a scheduler shows admits to no report, and what a launcher shows to no tick."""
    with pytest.raises(ProblemError):
        SecretGuard(SECRET, PREVIOUS).admit(request(SECRET))
    with pytest.raises(ProblemError):
        ReportGuard(SECRET, PREVIOUS, CLOCK).admit(tick(SECRET), {"job_id": JOB, "attempt": 2})


def test_a_token_of_the_first_kind_lets_nobody_in() -> None:
    """It was made with the secret itself."""
    mac = hmac.new(SECRET.encode(), f"{JOB}|2|{SOON}".encode(), hashlib.sha256).hexdigest()
    assert not lets_in(f"v1.{SOON}.{mac}")
    assert not lets_in(f"v2.{SOON}.{mac}")


def test_a_token_is_what_the_specification_says() -> None:
    key = HKDF(SHA256(), 32, b"", b"rythmiq attempt token v1").derive(SECRET.encode())
    mac = hmac.new(key, f"{JOB}|2|{SOON}".encode(), hashlib.sha256).hexdigest()
    assert derive_token(SECRET, JOB, 2, SOON) == f"v2.{SOON}.{mac}"


@given(st.text(), st.binary())
def test_whatever_is_shown_is_answered(shown: str, body: bytes) -> None:
    """With 401, never with an error of ours."""
    assert not lets_in(shown, body)
    assert not lets_in(f"v2.{shown}", body)
