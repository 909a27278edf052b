"""The keys of a JWKS: when they are fetched, which are taken, and what trouble there does to callers."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rythmiq.contracts.errors import StoreError, StoreTimeoutError
from rythmiq.contracts.problems import ProblemCode
from rythmiq.gateway.tokens import COOLDOWN_S, LIFESPAN_S
from tests.support.tokens import EC, JWKS, OTHER_EC, USER, Jwks, by_ec, jwk, jwks, refused

__all__ = ["jwks"]


def test_fifty_verifications_are_one_fetch(jwks: Jwks) -> None:
    verifier = jwks.verifier()
    for _ in range(50):
        verifier.verify(f"Bearer {by_ec()}")
    assert jwks.fetches == 1


def test_tokens_cannot_make_us_fetch(jwks: Jwks) -> None:
    verifier = jwks.verifier()
    for number in range(20):
        assert refused(verifier, by_ec(kid=f"unknown-{number}")) is ProblemCode.UNAUTHENTICATED
    assert refused(verifier, by_ec(kid=None)) is ProblemCode.UNAUTHENTICATED
    assert jwks.fetches == 1


def test_a_new_key_is_found_after_the_cooldown(jwks: Jwks) -> None:
    verifier = jwks.verifier()
    verifier.verify(f"Bearer {by_ec()}")
    jwks.document = {"keys": [*JWKS["keys"], jwk(OTHER_EC, "new")]}
    token = by_ec(key=OTHER_EC, kid="new")
    assert refused(verifier, token) is ProblemCode.UNAUTHENTICATED
    jwks.now_s += COOLDOWN_S
    assert verifier.verify(f"Bearer {token}").user_id == USER
    assert jwks.fetches == 2


def test_a_key_that_was_taken_away_is_good_until_the_set_is_old(jwks: Jwks) -> None:
    verifier = jwks.verifier()
    verifier.verify(f"Bearer {by_ec()}")
    jwks.document = {"keys": [jwk(OTHER_EC, "new")]}
    jwks.now_s += LIFESPAN_S - 1
    verifier.verify(f"Bearer {by_ec()}")
    jwks.now_s += 1
    assert refused(verifier, by_ec()) is ProblemCode.UNAUTHENTICATED


@pytest.mark.parametrize("trouble", [StoreTimeoutError("late"), None], ids=["no answer", "no keys"])
def test_trouble_there_stops_nobody_whose_key_we_have(jwks: Jwks, trouble: StoreError | None) -> None:
    verifier = jwks.verifier()
    verifier.verify(f"Bearer {by_ec()}")
    jwks.error, jwks.document = trouble, {"keys": []}
    for _ in range(20):
        jwks.now_s += LIFESPAN_S
        assert verifier.verify(f"Bearer {by_ec()}").user_id == USER
        assert verifier.verify(f"Bearer {by_ec()}").user_id == USER
    assert jwks.fetches == 21


def test_without_any_key_the_service_is_unavailable_and_soon_asks_again(jwks: Jwks) -> None:
    jwks.error = StoreTimeoutError("late")
    verifier = jwks.verifier()
    for _ in range(5):
        assert refused(verifier, by_ec()) is ProblemCode.UNAVAILABLE
    assert jwks.fetches == 1
    jwks.error = None
    jwks.now_s += 5
    assert verifier.verify(f"Bearer {by_ec()}").user_id == USER


def test_a_key_that_may_be_new_is_not_refused_for_good_while_there_is_trouble(jwks: Jwks) -> None:
    verifier = jwks.verifier()
    verifier.verify(f"Bearer {by_ec()}")
    jwks.error = StoreTimeoutError("late")
    jwks.now_s += COOLDOWN_S
    assert refused(verifier, by_ec(kid="new")) is ProblemCode.UNAVAILABLE


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"keys": None},
        {"keys": [None, 5, {}]},
        {"keys": [{"kty": "oct", "k": "AAAA", "kid": "ec"}]},
        {"keys": [jwk(EC, "ec", use="enc")]},
        {"keys": [{**jwk(EC, "ec"), "kid": 5}]},
        {"keys": [{**jwk(EC, "ec"), "x": "AA"}]},
        {"keys": [jwk(rsa.generate_private_key(65_537, 1_024), "ec")]},  # noqa: S505  it has to be refused
        {"keys": [jwk(ec.generate_private_key(ec.SECP384R1()), "ec")]},
    ],
    ids=lambda document: str(document)[:24],
)
def test_a_set_without_a_key_that_we_take_is_trouble(jwks: Jwks, document: object) -> None:
    jwks.document = document
    assert refused(jwks.verifier(), by_ec()) is ProblemCode.UNAVAILABLE


def test_what_we_do_not_know_stands_beside_what_we_do(jwks: Jwks) -> None:
    jwks.document = {"keys": [{"kty": "OKP", "crv": "X", "kid": "a"}, {"kty": "new", "kid": "b"}, *JWKS["keys"]]}
    assert jwks.verifier().verify(f"Bearer {by_ec()}").user_id == USER


@pytest.mark.parametrize(
    "bad",
    [
        {"kty": "oct", "alg": "none", "k": "AAAA"},
        jwk(EC, "bad", alg="none"),
        jwk(EC, "bad", alg="HS256"),
        {"kty": "RSA", "n": "AQAB", "e": []},
        {"kty": "EC", "crv": "P-256", "x": {}, "y": None},
        {"kty": ["EC"]},
    ],
    ids=lambda bad: f"{bad['kty']} {bad.get('alg')}",
)
def test_an_entry_that_cannot_be_read_locks_nobody_out(jwks: Jwks, bad: dict[str, Any]) -> None:
    jwks.document = {"keys": [{"kid": "bad", "use": "sig", **bad}, *JWKS["keys"]]}
    verifier = jwks.verifier()
    for _ in range(20):
        assert verifier.verify(f"Bearer {by_ec()}").user_id == USER
    assert jwks.fetches == 1


def test_a_set_that_cannot_be_parsed_is_not_fetched_at_every_call(jwks: Jwks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the parser raises: here what no parser should."""
    monkeypatch.setattr(jwks, "fetch", counted := _Deep())
    verifier = jwks.verifier()
    codes = {refused(verifier, by_ec()) for _ in range(20)}
    assert (codes, counted.fetches) == ({ProblemCode.UNAVAILABLE}, 1)


class _Deep:
    """A JWKS endpoint whose answer is nested deeper than a parser goes."""

    fetches = 0

    def __call__(self) -> bytes:
        """Read it."""
        self.fetches += 1
        return b"[" * 100_000
