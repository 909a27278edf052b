"""Events of the platform for raw web functions, made from docs/digitalocean-functions.md and not recorded.

`rythmiq doctor --record-events tests/bundles/recorded_events.json` records real ones. Once it is here, fields and
headers of its first event take the place of the made ones.
"""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt

HOST = "faas-blr1.doserverless.example"
USER = "0a7e3f52-5c1e-4d7a-9a39-2f8d1c0e4b7a"
SECRET = "a secret of at least thirty-two bytes"
MACHINE_SECRET = "sixteen or more characters"
RECORDED = Path(__file__).with_name("recorded_events.json")
_MADE: dict[str, Any] = {
    "http": {
        "headers": {
            "accept": "*/*",
            "accept-encoding": "gzip",
            "host": HOST,
            "user-agent": "made/1",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-proto": "https",
            "x-request-id": "6f1b0c1c9d2e4f5a8b7c6d5e4f3a2b1c",
        }
    }
}


def frame(recorded: Path = RECORDED) -> dict[str, Any]:
    """What surrounds every call: of a recorded GET, or as made."""
    if not recorded.exists():
        return _MADE
    event: dict[str, Any] = json.loads(recorded.read_text(encoding="utf-8"))["events"][0]["event"]
    headers = {name: _MADE["http"]["headers"].get(name, value) for name, value in event["http"]["headers"].items()}
    return {**event, "http": {**event["http"], "headers": headers}}


def web_event(  # noqa: PLR0913  a request has this many parts
    method: str,
    path: str = "",
    *,
    query: str = "",
    body: object = None,
    headers: dict[str, str] | None = None,
    as_base64: bool = False,
) -> dict[str, Any]:
    """What a raw web function is given; JSON bodies arrive as text or as base64, and nobody knows which."""
    text = "" if body is None else json.dumps(body)
    typed = {} if body is None else {"content-type": "application/json"}
    around = frame()
    return {
        **around,
        "http": {
            **around["http"],
            "body": base64.b64encode(text.encode()).decode() if as_base64 else text,
            "headers": {**around["http"]["headers"], **typed, **(headers or {})},
            "isBase64Encoded": as_base64,
            "method": method,
            "path": path,
            "queryString": query,
        },
    }


def token(issuer: str, *, user: str = USER, secret: str = SECRET) -> str:
    """A user's JWT, signed by the secret."""
    claims = {"sub": user, "aud": "authenticated", "role": "authenticated", "iss": f"{issuer}/auth/v1"}
    return jwt.encode({**claims, "exp": int(time.time()) + 3_600}, secret, algorithm="HS256")


def upload_event(issuer: str, *, as_base64: bool = False) -> dict[str, Any]:
    """POST /uploads of somebody who has signed in."""
    body = {"filename": "photo.jpg", "mime_type": "image/jpeg", "size_bytes": 2_000_000}
    signed_in = {"authorization": f"Bearer {token(issuer)}"}
    return web_event("POST", body=body, headers=signed_in, as_base64=as_base64)


def environment(supabase_url: str) -> dict[str, str]:
    """Every variable that functions are given, against a Data API that is ours."""
    return {
        "SERVICE_ENV": "dev",
        "SUPABASE_URL": supabase_url,
        "SUPABASE_ANON_KEY": "sb_publishable_x",
        "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_x",
        "SUPABASE_JWT_SECRET": SECRET,
        "DO_SPACES_ENDPOINT": "https://sgp1.digitaloceanspaces.com",
        "DO_SPACES_REGION": "sgp1",
        "DO_SPACES_BUCKET": "rythmiq",
        "DO_SPACES_ACCESS_KEY": "key",
        "DO_SPACES_SECRET_KEY": "hush",
        "ENCRYPTION_KEYS": "1:" + base64.b64encode(bytes(range(32))).decode(),
        "DISPATCH_KEYS": "1:" + base64.b64encode(bytes(range(32, 64))).decode(),
        "EXECUTOR": "hold",
        "WEBHOOK_SECRET": MACHINE_SECRET,
        "RECONCILE_SECRET": MACHINE_SECRET,
        "METRICS_TOKEN": MACHINE_SECRET,
    }
