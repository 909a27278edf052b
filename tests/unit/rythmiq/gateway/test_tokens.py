"""Users' JWT: what is let in, and everything that is not, by secret and by JWKS."""

import base64
import datetime as dt
import json
import time
import warnings
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.tokens import MAX_TOKEN_BYTES, SecretKey, TokenVerifier
from tests.support.tokens import (
    BY_SECRET,
    EC,
    ISSUER,
    RSA,
    SECRET,
    USER,
    Jwks,
    Sign,
    by_ec,
    by_secret,
    claims,
    jwks,
    refused,
)

__all__ = ["jwks"]

BOTH = pytest.mark.parametrize(
    ("verifier", "sign"), [(BY_SECRET, by_secret), (Jwks().verifier(), by_ec)], ids=["secret", "jwks"]
)


def test_a_short_secret_verifies_without_a_warning_at_each_call() -> None:
    """In dev any secret will do; elsewhere the settings refuse it."""
    with warnings.catch_warnings(action="ignore"):
        token = jwt.encode(claims(), "short", "HS256")
    verifier = TokenVerifier(issuer=ISSUER, keys=SecretKey("short"))
    assert verifier.verify(f"Bearer {token}").user_id == USER
    assert refused(verifier, by_secret()) is ProblemCode.UNAUTHENTICATED


@BOTH
def test_a_good_token_tells_who_its_user_is(verifier: TokenVerifier, sign: Sign) -> None:
    token = sign(email="x@y.z")
    caller = verifier.verify(f"Bearer {token}")
    assert (caller.user_id, caller.token, caller.claims["email"]) == (USER, token, "x@y.z")
    assert verifier.verify(f"bearer  {token} ").user_id == USER
    assert USER not in repr(caller.claims) or token not in repr(caller)


def test_rs256_is_taken_too(jwks: Jwks) -> None:
    assert jwks.verifier().verify(f"Bearer {by_ec(key=RSA, kid='rsa', algorithm='RS256')}").user_id == USER


@BOTH
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "anon"},
        {"aud": None},
        {"aud": []},
        {"aud": ["anon"]},
        {"aud": 5},
        {"role": "service_role"},
        {"role": "anon"},
        {"role": None},
        {"role": ["authenticated"]},
        {"iss": "https://other.supabase.test/auth/v1"},
        {"iss": ISSUER + "/"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "somebody"},
        {"sub": USER.upper()},
        {"sub": "6b0f3a52-5c1e-1d7a-9a39-2f8d1c0e4b7a"},
        {"sub": "6b0f3a52-5c1e-4d7a-ca39-2f8d1c0e4b7a"},
        {"sub": USER + "\n"},
        {"exp": None},
        {"exp": "soon"},
        {"exp": [1]},
        {"exp": 0},
    ],
    ids=str,
)
def test_a_wrong_claim_is_refused(verifier: TokenVerifier, sign: Sign, changes: dict[str, Any]) -> None:
    token = sign(**changes)
    assert refused(verifier, token) is ProblemCode.UNAUTHENTICATED


@BOTH
def test_an_audience_may_be_a_list_that_holds_ours(verifier: TokenVerifier, sign: Sign) -> None:
    assert verifier.verify(f"Bearer {sign(aud=['other', 'authenticated'])}").user_id == USER


@BOTH
@pytest.mark.parametrize(
    ("claim", "seconds", "good"),
    [
        ("exp", -3, True),
        ("exp", -8, False),
        ("nbf", 3, True),
        ("nbf", 30, False),
        ("iat", 3, True),
        ("iat", 30, False),
    ],
)
def test_clocks_may_differ_by_five_seconds(
    verifier: TokenVerifier, sign: Sign, claim: str, seconds: int, *, good: bool
) -> None:
    token = sign(**{claim: int(time.time()) + seconds})
    if good:
        assert verifier.verify(f"Bearer {token}").user_id == USER
    else:
        assert refused(verifier, token) is ProblemCode.UNAUTHENTICATED


@BOTH
def test_an_infinite_expiry_is_refused(verifier: TokenVerifier, sign: Sign) -> None:
    head, payload, _ = sign().split(".")
    text = base64.urlsafe_b64decode(payload + "==").decode()
    forged = base64.urlsafe_b64encode(text.replace('"exp":', '"exp":1e999,"x":').encode()).decode().rstrip("=")
    assert refused(verifier, f"{head}.{forged}.AAAA") is ProblemCode.UNAUTHENTICATED
    assert refused(verifier, sign(exp=float("inf"))) is ProblemCode.UNAUTHENTICATED


@BOTH
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "Bearer ...", "Bearer é", "Bearer a b"],
)
def test_what_is_no_token_is_refused(verifier: TokenVerifier, sign: Sign, authorization: str | None) -> None:
    del sign
    with pytest.raises(ProblemError) as error:
        verifier.verify(authorization)
    assert error.value.code is ProblemCode.UNAUTHENTICATED


@BOTH
def test_a_token_that_was_touched_is_refused(verifier: TokenVerifier, sign: Sign) -> None:
    head, payload, signature = sign().split(".")
    assert refused(verifier, f"{head}.{payload}.{signature[:-4]}AAAA") is ProblemCode.UNAUTHENTICATED
    assert refused(verifier, f"{head}.{payload}.") is ProblemCode.UNAUTHENTICATED
    other = sign(sub="7b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a").split(".")[1]
    assert refused(verifier, f"{head}.{other}.{signature}") is ProblemCode.UNAUTHENTICATED


@BOTH
def test_a_token_over_eight_kilobytes_is_refused(verifier: TokenVerifier, sign: Sign) -> None:
    assert refused(verifier, sign(note="x" * MAX_TOKEN_BYTES)) is ProblemCode.UNAUTHENTICATED


def unsigned(header: dict[str, Any]) -> str:
    """A token without a signature."""
    parts = (json.dumps(part).encode() for part in (header, claims()))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


@BOTH
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_is_refused(verifier: TokenVerifier, sign: Sign, algorithm: str) -> None:
    del sign
    assert refused(verifier, unsigned({"alg": algorithm, "kid": "ec"})) is ProblemCode.UNAUTHENTICATED


@BOTH
def test_an_extension_that_must_be_understood_is_refused(verifier: TokenVerifier, sign: Sign) -> None:
    del sign
    for key, algorithm in ((SECRET, "HS256"), (EC, "ES256")):
        for crit in (["b64"], ["exp"], [], "exp"):
            header = {"kid": "ec", "crit": crit}
            token = jwt.encode(claims(), key, algorithm, headers=header)
            assert refused(verifier, token) is ProblemCode.UNAUTHENTICATED


def test_the_public_key_is_no_secret(jwks: Jwks) -> None:
    """HS256 with a public key as its secret, the classic confusion; PyJWT itself refuses to make such a token."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    for key, kid in ((EC, "ec"), (RSA, "rsa")):
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        signed = unsigned({"alg": "HS256", "kid": kid, "typ": "JWT"}).removesuffix(".")
        mac = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        assert refused(jwks.verifier(), token) is ProblemCode.UNAUTHENTICATED


def test_the_configuration_decides_the_algorithm_and_not_the_token(jwks: Jwks) -> None:
    assert refused(jwks.verifier(), jwt.encode(claims(), SECRET, "HS256", headers={"kid": "ec"}))
    assert refused(BY_SECRET, by_ec())
    assert refused(BY_SECRET, jwt.encode(claims(), SECRET * 2, "HS512"))
    assert refused(jwks.verifier(), by_ec(key=RSA, kid="rsa", algorithm="PS256"))
    assert refused(jwks.verifier(), by_ec(key=RSA, kid="ec", algorithm="RS256"))
    assert refused(jwks.verifier(), by_ec(key=EC, kid="rsa"))


def test_every_refusal_says_the_same(jwks: Jwks) -> None:
    said = set()
    for token in (
        by_ec(exp=1),
        by_ec(sub="x"),
        by_ec(kid="x"),
        "garbage",
        by_ec(iat=dt.datetime(2099, 1, 1, tzinfo=dt.UTC)),
    ):
        with pytest.raises(ProblemError) as error:
            jwks.verifier().verify(f"Bearer {token}")
        said.add(error.value.detail)
    assert len(said) == 1
