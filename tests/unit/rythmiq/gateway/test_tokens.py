"""Users' JWT: what is let in, and everything that is not, by secret and by JWKS."""

import base64
import datetime as dt
import json
import time
import warnings
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rythmiq.contracts.errors import StoreError, StoreTimeoutError
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.tokens import COOLDOWN_S, LIFESPAN_S, MAX_TOKEN_BYTES, JwksKeys, SecretKey, TokenVerifier

ISSUER = "https://project.supabase.test/auth/v1"
SECRET = "a secret of at least thirty-two bytes"
USER = "6b0f3a52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65_537, 2_048)
OTHER_EC = ec.generate_private_key(ec.SECP256R1())
Sign = Callable[..., str]


def claims(**changes: Any) -> dict[str, Any]:
    """What Supabase puts into a token; None takes one out."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "sub": USER,
        "aud": "authenticated",
        "role": "authenticated",
        "exp": now + 3_600,
        "iat": now,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def jwk(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kid: str, **more: str) -> dict[str, Any]:
    """A public key as a JWKS has it."""
    if isinstance(key, rsa.RSAPrivateKey):
        document = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        document = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    document.pop("key_ops", None)
    return {**document, "kid": kid, "use": "sig", **more}


JWKS = {"keys": [jwk(EC, "ec", alg="ES256"), jwk(RSA, "rsa", alg="RS256")]}


class Jwks:
    """A JWKS endpoint that counts, and fails when it is told to."""

    def __init__(self) -> None:
        self.document: object = JWKS
        self.error: StoreError | None = None
        self.fetches = 0
        self.now_s = 1_000.0

    def fetch(self) -> bytes:
        """Read the JWKS."""
        self.fetches += 1
        if self.error is not None:
            raise self.error
        return json.dumps(self.document).encode()

    def verifier(self) -> TokenVerifier:
        """A verifier of its own for one process."""
        return TokenVerifier(issuer=ISSUER, keys=JwksKeys(self.fetch, monotonic_s=lambda: self.now_s))


@pytest.fixture
def jwks() -> Jwks:
    """A JWKS endpoint."""
    return Jwks()


BY_SECRET = TokenVerifier(issuer=ISSUER, keys=SecretKey(SECRET))


def by_secret(**changes: Any) -> str:
    """A token signed by the secret."""
    return jwt.encode(claims(**changes), SECRET, "HS256")


def by_ec(*, key: Any = EC, kid: str | None = "ec", algorithm: str = "ES256", **changes: Any) -> str:
    """A token signed by a key of the JWKS."""
    return jwt.encode(claims(**changes), key, algorithm, headers=None if kid is None else {"kid": kid})


def refused(verifier: TokenVerifier, token: str | None) -> ProblemCode:
    """With which code a token is refused."""
    with pytest.raises(ProblemError) as error:
        verifier.verify(None if token is None else f"Bearer {token}")
    return error.value.code


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


# --- the JWKS -------------------------------------------------------------------------------------------------------


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
