"""Verifies users' tokens: Supabase's JWTs, by the algorithm that the configuration names, never by the token's own.

By secret only HS256 is taken; by JWKS only ES256 and RS256, and each key only with the algorithm that its own entry in
the JWKS implies. Required: `exp`, `sub` (a UUIDv4), `aud` and `role` = authenticated, `iss` = {SUPABASE_URL}/auth/v1.

Source: docs/specification/http-api.md; RFC 8725.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jwt
from jwt import PyJWK
from jwt.algorithms import HMACAlgorithm
from jwt.utils import is_pem_format, is_ssh_key

from rythmiq.contracts.errors import SettingsError, StoreError
from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.http import Request, bearer
from rythmiq.log import log
from rythmiq.ports.database import Caller

LIFESPAN_S = 600.0
COOLDOWN_S = 30.0
TIMEOUT_S = 2.0
MAX_BYTES = 256 * 1024
_RETRY_S = 5
_MIN_RSA_BITS = 2048
ALGORITHMS = frozenset({"ES256", "RS256"})
MAX_TOKEN_BYTES = 8 * 1024
LEEWAY_S = 5
ROLE = "authenticated"
_USER = re.compile(UUID4_PATTERN.strip("^$"))
_REQUIRED = ["exp", "sub", "aud", "iss", "role"]


class Keys(Protocol):
    """A source of verification keys."""

    def find(self, kid: str | None) -> tuple[Any, Sequence[str]]:
        """The key of this id, and the algorithms that it is good for.

        Raises:
            ProblemError: UNAUTHENTICATED, there is no such key; UNAVAILABLE, keys cannot be had now.
        """


class _Secret(HMACAlgorithm):
    """HS256 under a secret that was checked once.

    PyJWT looks at each call whether the secret is a certificate by mistake, and imports X.509 for it: a twentieth of a
    cold start.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        """The secret's bytes."""
        return key.encode() if isinstance(key, str) else key

    def check_key_length(self, key: bytes) -> None:
        """Skip the check at each call: outside dev, the settings have refused a short secret."""


class SecretKey:
    """The one secret that both sides share (HS256).

    Raises:
        SettingsError: it is a public key or a certificate, under which anybody could sign.
    """

    def __init__(self, secret: str) -> None:
        raw = secret.encode()
        if is_pem_format(raw) or is_ssh_key(raw):
            raise SettingsError("SUPABASE_JWT_SECRET is a public key, not a secret; set AUTH_MODE=jwks instead")
        self._key = PyJWK({"kty": "oct", "alg": "HS256", "k": base64.urlsafe_b64encode(raw).decode()})
        self._key.Algorithm = _Secret(HMACAlgorithm.SHA256)

    def find(self, kid: str | None) -> tuple[PyJWK, Sequence[str]]:
        """The secret, whatever the token calls it."""
        del kid
        return self._key, ("HS256",)


class JwksKeys:
    """The keys of a JWKS, fetched once and kept; implements `Keys`.

    A set is fresh for ten minutes. After that, or for a key id that it does not hold, it is fetched again, at most once
    in 30 seconds, so that a token cannot make us fetch; while a fetch fails, the keys that we have stay valid. An entry
    that cannot be read is left out, and locks nobody out whose key can.

    Args:
        fetch: reads the JWKS within `TIMEOUT_S`; raises StoreError.
        monotonic_s: seconds that never go back.
    """

    def __init__(self, fetch: Callable[[], bytes], *, monotonic_s: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic_s = monotonic_s
        self._keys: dict[str, PyJWK] = {}
        self._fresh_until_s = float("-inf")
        self._not_before_s = float("-inf")
        self._in_trouble = False

    def find(self, kid: str | None) -> tuple[PyJWK, Sequence[str]]:
        """The key of this id, and the one algorithm that it is good for.

        Raises:
            ProblemError: UNAUTHENTICATED, there is no such key; UNAVAILABLE, keys cannot be had now.
        """
        if kid is None:
            raise ProblemError(ProblemCode.UNAUTHENTICATED)
        now_s = self._monotonic_s()
        if (kid not in self._keys or now_s >= self._fresh_until_s) and now_s >= self._not_before_s:
            self._renew(now_s)
        key = self._keys.get(kid)
        if key is not None:
            return key, (key.algorithm_name,)
        if self._in_trouble:
            raise ProblemError(ProblemCode.UNAVAILABLE, retry_after_s=_RETRY_S)
        raise ProblemError(ProblemCode.UNAUTHENTICATED)

    def _renew(self, now_s: float) -> None:
        # Before anything is read, so that no set, whatever it holds, can make every call fetch.
        self._not_before_s = now_s + (COOLDOWN_S if self._keys else _RETRY_S)
        try:
            keys = _usable(self._fetch())
        except (StoreError, ValueError, RecursionError) as error:
            log("jwks_unavailable", level="warning", error=type(error).__name__)
            self._in_trouble = True
            return
        self._keys = keys
        self._in_trouble = False
        self._fresh_until_s = now_s + LIFESPAN_S
        self._not_before_s = now_s + COOLDOWN_S


class TokenVerifier:
    """Verifies bearer tokens.

    Args:
        issuer: what `iss` has to be.
        keys: where verification keys come from.
        guests: whether anonymous users are let in.
    """

    def __init__(self, *, issuer: str, keys: Keys, guests: bool = False) -> None:
        self._issuer = issuer
        self._keys = keys
        self._guests = guests

    def admit(self, request: Request, document: Mapping[str, Any] | None = None) -> Caller:
        """Let a user in; implements `guards.Guard`."""
        del document
        caller = self.verify(request.header("authorization"))
        if caller.is_guest and not self._guests:
            raise ProblemError(ProblemCode.SIGN_IN_REQUIRED)
        return caller

    def verify(self, authorization: str | None) -> Caller:
        """Read `Authorization: Bearer <token>`.

        Raises:
            ProblemError: UNAUTHENTICATED, always with the same words; UNAVAILABLE when keys cannot be had now.
        """
        token = bearer(authorization)
        if token is None or len(token) > MAX_TOKEN_BYTES:
            raise ProblemError(ProblemCode.UNAUTHENTICATED)
        try:
            key, algorithms = self._keys.find(_kid(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=ROLE,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except ProblemError:
            raise
        except Exception:  # noqa: BLE001  whatever a token makes a parser raise is the token's fault
            raise ProblemError(ProblemCode.UNAUTHENTICATED) from None
        user_id = claims["sub"]
        if claims["role"] != ROLE or not _USER.fullmatch(user_id):
            raise ProblemError(ProblemCode.UNAUTHENTICATED)
        return Caller(user_id, token, claims, is_guest=claims.get("is_anonymous") is True)


def _kid(token: str) -> str | None:
    """Return the key id of a token; critical extensions (`crit`) are refused, because none is supported.

    Read here and not by `jwt.get_unverified_header`, which reads the whole token a second time.
    """
    head = token.partition(".")[0]
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    if not isinstance(header, dict) or "crit" in header:
        raise ProblemError(ProblemCode.UNAUTHENTICATED)
    kid = header.get("kid")
    return kid if isinstance(kid, str) else None


def _usable(data: bytes) -> dict[str, PyJWK]:
    """The signing keys of a set by id.

    Raises:
        ValueError: it is no JWKS, or holds no key that we take.
    """
    document = json.loads(data)
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = {}
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = PyJWK.from_dict(entry)
        except Exception as error:  # noqa: BLE001  whatever a bad entry makes a parser raise must not hide the good ones
            log("jwks_entry_unusable", level="warning", error=type(error).__name__)
            continue
        if key.algorithm_name in ALGORITHMS and getattr(key.key, "key_size", 0) >= (
            _MIN_RSA_BITS if key.algorithm_name == "RS256" else 256
        ):
            keys[entry["kid"]] = key
    if not keys:
        raise ValueError("the JWKS holds no key that we take")
    return keys
