"""Which URLs the worker fetches: the storage endpoint's own, and origins that the operator lists.

An `artifact_url` comes from a client, so it is where somebody would point the worker at what it should not reach. The
origin is compared as scheme, host and port after normalising; the address that it resolves to is checked where the
connection is made (`rythmiq.adapters.bounded_http`), so that a name cannot change between check and use.

Source: SPEC 3, 16.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from rythmiq.contracts.keys import InvalidKeyError, parse_key
from rythmiq.settings import WorkerSettings

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginRefusedError(ValueError):
    """The URL is not one that the worker fetches."""


@dataclass(frozen=True, slots=True)
class Permitted:
    """A URL that may be fetched.

    Attributes:
        storage_key: the object's key when the URL points into our own bucket.
        any_address: whether a private address will do: for the store's own origin and for listed ones.
    """

    storage_key: str | None
    any_address: bool


def permitted(url: str, settings: WorkerSettings) -> Permitted:
    """Check an `artifact_url`.

    Raises:
        OriginRefusedError: it is not to be fetched (FETCH_FAILED).
    """
    parts = _split(url)
    origin = _origin(parts)
    if settings.service_env == "prod" and parts.scheme != "https":
        raise OriginRefusedError("an artifact_url must be https here")
    own = _origin(_split(settings.spaces_endpoint))
    bucket = settings.spaces_bucket
    if origin == own:
        prefix = f"/{bucket}/"
        if not parts.path.startswith(prefix):
            raise OriginRefusedError("the URL points at another bucket")
        return Permitted(_key(parts.path[len(prefix) :]), any_address=True)
    if origin == (own[0], f"{bucket.lower()}.{own[1]}", own[2]):
        return Permitted(_key(parts.path[1:]), any_address=True)
    listed = {_origin(_split(entry)) for entry in settings.artifact_url_allowed_origins}
    if origin in listed:
        return Permitted(None, any_address=True)
    raise OriginRefusedError("the origin of the URL is not allowed")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_global and not (mapped or parsed).is_multicast


def _split(url: str) -> SplitResult:
    if any(ord(char) <= 0x20 or ord(char) == 0x7F or char == "\\" for char in url):  # noqa: PLR2004  controls, DEL
        raise OriginRefusedError("the URL holds characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OriginRefusedError("this is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
        raise OriginRefusedError("only plain http and https URLs are fetched")
    if not parts.hostname.isascii() or "%" in parts.netloc:
        raise OriginRefusedError("the host must be plain ASCII")
    if {"..", "."} & set(parts.path.split("/")):
        raise OriginRefusedError("the path must not climb")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    host = (parts.hostname or "").rstrip(".").lower()
    return parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme]


def _key(text: str) -> str:
    try:
        return str(parse_key(text))
    except InvalidKeyError:
        raise OriginRefusedError("the URL does not name an object of ours") from None
