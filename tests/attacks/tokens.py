"""Tokens that are none, of users and of machines: each attack's name, and how it is presented."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt

from rythmiq.contracts.attempt import derive_token
from tests.attacks.arena import Arena, b64url
from tests.support.gateway_doors import ISSUER, JWT_SECRET, METRICS_TOKEN, RECONCILE_SECRET, token_of
from tests.support.service_rig import SECRET

OTHER_SECRET = "another secret of at least thirty-two bytes"


def claims(arena: Arena, **changes: Any) -> dict[str, Any]:
    """The victim's claims, as Supabase would sign them, but for these; None takes one out."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "sub": arena.victim.user_id,
        "aud": "authenticated",
        "role": "authenticated",
        "exp": now + 3_600,
        "iat": now,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def signed(arena: Arena, **changes: Any) -> str:
    """Claims signed with the right secret: what is wrong with them is all that is wrong."""
    return f"Bearer {jwt.encode(claims(arena, **changes), JWT_SECRET, 'HS256')}"


def by_hand(arena: Arena, header: dict[str, Any], *, secret: str = JWT_SECRET, mac: str = "sha256") -> str:
    """A token that no library would make."""
    body = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims(arena)).encode())}"
    return f"Bearer {body}.{b64url(hmac.new(secret.encode(), body.encode(), mac).digest())}"


def _swapped(arena: Arena) -> str:
    """The attacker's token with the victim's claims in it."""
    head, _, signature = token_of(arena.attacker).split(".")
    return f"Bearer {head}.{b64url(json.dumps(claims(arena)).encode())}.{signature}"


Present = Callable[[Arena], str | None]
TOKENS: dict[str, Present] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "a scheme alone": lambda _: "Bearer ",
    "another scheme": lambda a: signed(a).replace("Bearer", "Basic"),
    "no token": lambda _: "Bearer x",
    "dots": lambda _: "Bearer ...",
    "alg none": lambda a: "Bearer " + jwt.encode(claims(a), "", "none"),
    "alg NONE by hand": lambda a: by_hand(a, {"alg": "NONE"}),
    "no alg": lambda a: by_hand(a, {"typ": "JWT"}),
    "an algorithm that is a list": lambda a: by_hand(a, {"alg": ["HS256"]}),
    "HS512 with the right secret": lambda a: by_hand(a, {"alg": "HS512"}, mac="sha512"),
    "another secret": lambda a: "Bearer " + jwt.encode(claims(a), OTHER_SECRET, "HS256"),
    "an empty secret": lambda a: by_hand(a, {"alg": "HS256"}, secret=""),
    "the issuer as the secret": lambda a: by_hand(a, {"alg": "HS256"}, secret=ISSUER),
    "a key of its own in the header": lambda a: by_hand(
        a, {"alg": "HS256", "jwk": {"kty": "oct", "k": b64url(b"x" * 32)}}, secret="x" * 32
    ),
    "a key elsewhere": lambda a: by_hand(a, {"alg": "HS256", "jku": "https://evil.example/jwks"}, secret="x" * 32),
    "a kid that is a path": lambda a: by_hand(a, {"alg": "HS256", "kid": "../../dev/null"}, secret=""),
    "a critical extension": lambda a: by_hand(a, {"alg": "HS256", "crit": ["x"], "x": 1}),
    "somebody else's claims": _swapped,
    "a signature cut off": lambda a: signed(a).rpartition(".")[0] + ".",
    "a signature spoiled": lambda a: signed(a)[:-6] + "AAAAAA",
    "expired": lambda a: signed(a, exp=int(time.time()) - 60),
    "without an end": lambda a: signed(a, exp=None),
    "an end that never comes": lambda a: signed(a, exp=1e400),
    "from the future": lambda a: signed(a, nbf=int(time.time()) + 600),
    "another issuer": lambda a: signed(a, iss="https://evil.example/auth/v1"),
    "the issuer and more": lambda a: signed(a, iss=ISSUER + "/"),
    "another audience": lambda a: signed(a, aud="anon"),
    "the service's role": lambda a: signed(a, role="service_role"),
    "nobody's role": lambda a: signed(a, role="anon"),
    "no subject": lambda a: signed(a, sub=None),
    "a subject in capitals": lambda a: signed(a, sub=a.victim.user_id.upper()),
    "a subject with a line's end": lambda a: signed(a, sub=a.victim.user_id + "\n"),
    "a subject that is SQL": lambda a: signed(a, sub=f"{a.victim.user_id}' or '1'='1"),
    "too long": lambda a: signed(a, note="x" * 9_000),
    "the webhook's secret": lambda _: f"Bearer {SECRET}",
    "the scheduler's secret": lambda _: f"Bearer {RECONCILE_SECRET}",
    "the operator's token": lambda _: f"Bearer {METRICS_TOKEN}",
}
MACHINES: dict[str, Callable[[Arena], dict[str, str]]] = {
    "none": lambda _: {},
    "empty": lambda _: {"X-Webhook-Secret": "", "X-Reconcile-Secret": "", "Authorization": ""},
    "a user's token": lambda a: {
        "X-Webhook-Secret": token_of(a.attacker),
        "X-Reconcile-Secret": token_of(a.attacker),
        "Authorization": f"Bearer {token_of(a.attacker)}",
    },
    "a guess": lambda _: (
        dict.fromkeys(("X-Webhook-Secret", "X-Reconcile-Secret"), "secret") | {"Authorization": "Bearer secret"}
    ),
    "the beginning": lambda _: {
        "X-Webhook-Secret": SECRET[:-1],
        "X-Reconcile-Secret": RECONCILE_SECRET[:-1],
        "Authorization": f"Bearer {METRICS_TOKEN[:-1]}",
    },
    "more than it": lambda _: {
        "X-Webhook-Secret": SECRET + "x",
        "X-Reconcile-Secret": RECONCILE_SECRET + "x",
        "Authorization": f"Bearer {METRICS_TOKEN}x",
    },
    "each other's": lambda _: {
        "X-Webhook-Secret": RECONCILE_SECRET,
        "X-Reconcile-Secret": SECRET,
        "Authorization": f"Bearer {SECRET}",
    },
    "all of them in one": lambda _: {
        "X-Webhook-Secret": f"{RECONCILE_SECRET}, {SECRET}",
        "X-Reconcile-Secret": f"{SECRET}, {RECONCILE_SECRET}",
        "Authorization": f"Bearer {SECRET}, Bearer {METRICS_TOKEN}",
    },
    "a token of the attacker's own attempt": lambda a: {
        "X-Webhook-Secret": derive_token(SECRET, a.own, 1, int(time.time()) + 3_600),
        "X-Reconcile-Secret": derive_token(SECRET, a.own, 1, int(time.time()) + 3_600),
    },
    "a token of another attempt": lambda a: {
        "X-Webhook-Secret": derive_token(SECRET, a.running, 2, int(time.time()) + 3_600)
    },
    "a token that has expired": lambda a: {"X-Webhook-Secret": derive_token(SECRET, a.running, 1, 1)},
    "a token of the first kind": lambda a: {"X-Webhook-Secret": _first_kind(a)},
    "a token by the scheduler's secret": lambda a: {
        "X-Webhook-Secret": derive_token(RECONCILE_SECRET, a.running, 1, int(time.time()) + 3_600)
    },
}


def _first_kind(arena: Arena) -> str:
    """As attempts had before their key was derived."""
    exp = int(time.time()) + 3_600
    mac = hmac.new(SECRET.encode(), f"{arena.running}|1|{exp}".encode(), hashlib.sha256)
    return f"v1.{exp}.{mac.hexdigest()}"
