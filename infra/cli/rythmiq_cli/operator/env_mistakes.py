"""What operators get wrong in a deployment's variables though each value by itself can be used.

`mistakes` are refused by `rythmiq env check`, `doubts` are told and do not stop anybody. Neither holds a value.

Source: docs/specification/configuration.md; supabase.com/docs/guides/api/api-keys.
"""

import base64
import json
import stat
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

from rythmiq.settings.environment import is_on_loopback
from rythmiq_cli.operator import is_set

Said = tuple[str, str]
_URLS = ("PUBLIC_URL", "SUPABASE_URL", "DO_SPACES_ENDPOINT", "SPACES_ENDPOINT")
_LISTS = ("ALLOWED_ORIGINS", "ARTIFACT_URL_ALLOWED_ORIGINS")
_MADE_UP = (
    *("WEBHOOK_SECRET", "WEBHOOK_SECRET_PREVIOUS", "RECONCILE_SECRET", "RECONCILE_SECRET_PREVIOUS", "METRICS_TOKEN"),
    *("SUPABASE_JWT_SECRET", "ENCRYPTION_KEYS", "DISPATCH_KEYS"),
)
_STORES = (
    ("DO_SPACES_ENDPOINT", "DO_SPACES_REGION", "DO_SPACES_BUCKET"),
    ("SPACES_ENDPOINT", "SPACES_REGION", "SPACES_BUCKET"),
)
_DIGITALOCEAN = "digitaloceanspaces.com"


def mistakes(environ: Mapping[str, str]) -> Iterator[Said]:
    """Yield a variable's name and what is wrong with it, for everything that must not be deployed."""
    yield from _unencrypted(environ)
    yield from _supabase_keys(environ)
    yield from _equal(environ)
    for store in _STORES:
        yield from _store(environ, *store)
    if environ.get("SERVICE_ENV") == "prod" and environ.get("ALLOW_PLAINTEXT") == "yes":
        yield "ALLOW_PLAINTEXT", "is yes, and SERVICE_ENV=prod takes no plaintext: set it to -"


def doubts(environ: Mapping[str, str], file: Path | None) -> Iterator[str]:
    """Yield a sentence for everything that works and that an operator should change.

    Args:
        environ: the variables.
        file: where they were read; None for a process's own.
    """
    if file is not None and (others := _others_may(file)):
        yield f"{file} can be {others} by other users of this machine: chmod 600 {file}"
    if is_set(environ, "SPACES_KEY") and environ["SPACES_KEY"] == environ.get("DO_SPACES_ACCESS_KEY"):
        yield "SPACES_KEY is DO_SPACES_ACCESS_KEY: give the worker a key of its own, which can be revoked by itself"
    if environ.get("SERVICE_ENV") == "prod" and environ.get("ALLOWED_ORIGINS", "") == "*":
        yield "ALLOWED_ORIGINS is *: any page may call the API with a token that it got hold of; list your pages"


def _unencrypted(environ: Mapping[str, str]) -> Iterator[Said]:
    """Addresses by http, but on this machine, where a deployment is for others."""
    if environ.get("SERVICE_ENV") not in {"staging", "prod"}:
        return
    for name in (*_URLS, *_LISTS):
        parts = environ[name].split(",") if is_set(environ, name) else []
        if any(part.strip().lower().startswith("http:") and not is_on_loopback(part.strip()) for part in parts):
            yield name, "is http: keys and pictures would be read on the way; write https"


def _supabase_keys(environ: Mapping[str, str]) -> Iterator[Said]:
    for name, is_due, other in (
        ("SUPABASE_ANON_KEY", "public", "SUPABASE_SERVICE_ROLE_KEY"),
        ("SUPABASE_SERVICE_ROLE_KEY", "secret", "SUPABASE_ANON_KEY"),
    ):
        kind = _kind_of_key(environ.get(name, ""))
        if kind is not None and kind != is_due:
            harm = "whoever holds it passes row level security" if kind == "secret" else "it may write nothing"
            yield name, f"is the project's {kind} key: {harm}; it belongs into {other}, and the {is_due} one here"


def _kind_of_key(value: str) -> str | None:
    """`public` or `secret`; None of what is no key of Supabase's."""
    if value.startswith(("sb_publishable_", "sb_secret_")):
        return "public" if value.startswith("sb_publishable_") else "secret"
    parts = value.split(".")
    if len(parts) != 3:  # noqa: PLR2004  a JWT
        return None
    try:
        role = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))).get("role")
    except (ValueError, AttributeError):
        return None
    return {"anon": "public", "service_role": "secret"}.get(str(role))


def _equal(environ: Mapping[str, str]) -> Iterator[Said]:
    """Secrets that are one secret: who learns the one has the other."""
    held = {name: _secrets_of(name, environ[name]) for name in _MADE_UP if is_set(environ, name)}
    for first, second in combinations(held, 2):
        if held[first] & held[second]:
            yield second, f"is {first} too: make one of its own, so that who learns the one has not the other"


def _secrets_of(name: str, value: str) -> frozenset[str]:
    """The secrets of a value; of a ring its keys without their kids."""
    if not name.endswith("_KEYS"):
        return frozenset({value})
    return frozenset(part.strip().partition(":")[2] for part in value.split(","))


def _store(environ: Mapping[str, str], endpoint: str, region: str, bucket: str) -> Iterator[Said]:
    if not is_set(environ, endpoint):
        return
    try:
        host = urlsplit(environ[endpoint]).hostname or ""
    except ValueError:
        return  # the settings say so
    labels = host.split(".")
    is_digitaloceans = host.endswith(f".{_DIGITALOCEAN}")
    named = environ.get(bucket, "").lower()
    if (is_set(environ, bucket) and host.startswith(f"{named}.")) or (is_digitaloceans and len(labels) > 3):  # noqa: PLR2004  region and domain
        yield endpoint, f"holds the bucket too: write the region's address alone, and the bucket into {bucket}"
    elif is_digitaloceans and is_set(environ, region) and labels[0] != environ[region]:
        yield region, f"is not the region of {endpoint}: signatures for it are refused there"


def _others_may(file: Path) -> str:
    """What others may do with a file: `read`, `changed`, both or nothing."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return ""
    may = {"read": stat.S_IRGRP | stat.S_IROTH, "changed": stat.S_IWGRP | stat.S_IWOTH}
    return " and ".join(word for word, bits in may.items() if mode & bits)
