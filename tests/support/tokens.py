"""Tokens as Supabase signs them, by secret and by JWKS, and a JWKS endpoint that counts."""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.tokens import JwksKeys, SecretKey, TokenVerifier

if TYPE_CHECKING:
    from rythmiq.contracts.errors import StoreError

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
