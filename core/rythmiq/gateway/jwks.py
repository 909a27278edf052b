"""The keys of a JWKS, fetched once and kept: a token cannot make us fetch, and trouble there stops nobody who is known.

A set is good for ten minutes. After that, or for a key id that it does not hold, it is fetched again, at most once in
30 seconds; when that fails the keys that we have stay good.

Source: docs/specification/http-api.md; docs/decisions.md.
"""

import json
from collections.abc import Callable, Sequence

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from rythmiq.contracts.errors import StoreError
from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.log import log

LIFESPAN_S = 600.0
COOLDOWN_S = 30.0
TIMEOUT_S = 2.0
MAX_BYTES = 256 * 1024
_RETRY_S = 5
_MIN_RSA_BITS = 2048
ALGORITHMS = frozenset({"ES256", "RS256"})


class JwksKeys:
    """Implements `tokens.Keys`.

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
        try:
            keys = _usable(self._fetch())
        except (StoreError, ValueError) as error:
            log("jwks_unavailable", level="warning", error=type(error).__name__)
            self._in_trouble = True
            self._not_before_s = now_s + (COOLDOWN_S if self._keys else _RETRY_S)
            return
        self._keys = keys
        self._in_trouble = False
        self._fresh_until_s = now_s + LIFESPAN_S
        self._not_before_s = now_s + COOLDOWN_S


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
        except (PyJWTError, ValueError, TypeError, KeyError):
            continue  # a kind that we do not know stands beside one that we do
        if key.algorithm_name in ALGORITHMS and getattr(key.key, "key_size", 0) >= (
            _MIN_RSA_BITS if key.algorithm_name == "RS256" else 256
        ):
            keys[entry["kid"]] = key
    if not keys:
        raise ValueError("the JWKS holds no key that we take")
    return keys
