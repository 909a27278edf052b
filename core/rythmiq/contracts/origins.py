"""Which URLs are fetched as an `artifact_url`: the storage endpoint's own, and origins that the operator lists.

An `artifact_url` comes from a client, so it is where somebody would point the worker at what it should not reach. The
API refuses a foreign origin before it charges; the worker checks again. The origin is compared as scheme, host and
port after normalising; the address that it resolves to is checked where the connection is made
(`rythmiq.adapters.bounded_http`), so that a name cannot change between check and use; and what is fetched is put
together again from the parts that were checked, so that two readings of one URL cannot differ.

Source: docs/specification/storage-keys.md.
"""

import functools
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

Origin = tuple[str, str, int]
AddressPolicy = Callable[[str], bool]

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 6890, protocol assignments: a cloud answers questions about itself there, and not every Python says "not global".
_ASSIGNMENTS = ipaddress.ip_network("192.0.0.0/24")
# IPv6 addresses that a network turns into IPv4 ones, by the lowest bit of the IPv4 address: NAT64 (RFC 6052), 6to4
# (RFC 3056), the old IPv4-compatible form (RFC 4291), and IPv4-translated addresses (RFC 7915).
_TRANSITIONS = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
)
# NAT64 within one network (RFC 8215), where the IPv4 address stands at a place that only the network knows;
# documentation (RFC 9637) and segment routing (RFC 9602), which not every Python says are not global.
_NOT_GLOBAL = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "3fff::/20", "5f00::/16")))


class OriginRefusedError(ValueError):
    """The URL is not one that is fetched; the message holds no part of it."""


@dataclass(frozen=True, slots=True)
class OriginRules:
    """Origins that the operator allows.

    Attributes:
        endpoint: of the store, scheme://host[:port].
        bucket: our own.
        allowed_origins: ARTIFACT_URL_ALLOWED_ORIGINS.
        https_only: whether plain http is refused (SERVICE_ENV=prod).
    """

    endpoint: str
    bucket: str
    allowed_origins: tuple[str, ...] = ()
    https_only: bool = False


@dataclass(frozen=True, slots=True)
class Permitted:
    """A URL that may be fetched.

    Attributes:
        url: as it is to be asked for; the query, which may hold a signature, as it came.
        allows: decides whether a resolved address may be connected to; None for the store's own origin, which the
            operator configured.
    """

    url: str = field(repr=False)
    allows: AddressPolicy | None


def permitted(url: str, rules: OriginRules) -> Permitted:
    """Check an `artifact_url`.

    Raises:
        OriginRefusedError: it is not to be fetched (FETCH_FAILED).
    """
    parts = _split(url)
    origin = _origin(parts)
    if rules.https_only and parts.scheme != "https":
        raise OriginRefusedError("an artifact_url must be https here")
    again = _joined(origin, parts)
    if _below_own_bucket(parts, rules) is not None:
        return Permitted(again, allows=None)
    if origin in {_origin(_split(entry)) for entry in rules.allowed_origins}:
        return Permitted(again, allows=functools.partial(is_reachable, listed_host=origin[1]))
    raise OriginRefusedError("the origin of the URL is not allowed")


def own_key(url: str, rules: OriginRules) -> str | None:
    """What a URL into our own bucket names there, not yet validated; None for any other URL.

    Raises:
        OriginRefusedError: it is not a URL that anybody may have fetched.
    """
    return _below_own_bucket(_split(url), rules)


def store_origin(endpoint: str) -> Origin:
    """Scheme, host and port of a storage endpoint, normalised.

    Raises:
        OriginRefusedError: it is not the plain origin of a store.
    """
    parts = _split(endpoint)
    if parts.path.strip("/") or parts.query:
        raise OriginRefusedError("an endpoint has no path")
    return _origin(parts)


def is_reachable(address: str, *, listed_host: str = "") -> bool:
    """Whether a listed origin may resolve to this address: a public one, or the very address that is listed.

    A name is in the hands of whoever runs its DNS, so it never stands for an address inside (private, loopback, shared,
    link-local): who wants that lists the address itself. `localhost` is no name of DNS's (RFC 6761). An IPv6 address
    that stands for an IPv4 one is judged as that.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if str(found) == listed_host:
        return True
    plain = _unwrapped(found) if isinstance(found, ipaddress.IPv6Address) else found
    if listed_host == "localhost":
        return plain.is_loopback
    if isinstance(plain, ipaddress.IPv6Address) and (plain.is_site_local or any(plain in net for net in _NOT_GLOBAL)):
        return False
    return plain.is_global and not plain.is_multicast and plain not in _ASSIGNMENTS


def _unwrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for, else the address itself."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.is_loopback or address.is_unspecified:  # within ::/96, and no IPv4 address
        return address
    for network, shift in _TRANSITIONS:
        if address in network:
            return ipaddress.IPv4Address(int(address) >> shift & 0xFFFF_FFFF)
    return address


def _below_own_bucket(parts: SplitResult, rules: OriginRules) -> str | None:
    own, bucket = store_origin(rules.endpoint), rules.bucket
    origin = _origin(parts)
    if origin == own and parts.path.startswith(f"/{bucket}/"):
        return parts.path[len(bucket) + 2 :]
    if origin == (own[0], f"{bucket.lower()}.{own[1]}", own[2]):
        return parts.path[1:]
    return None


def _split(url: str) -> SplitResult:
    # urlsplit drops some of these without a word, and others are read differently by the next parser.
    if any(not "!" <= char <= "~" or char == "\\" for char in url):
        raise OriginRefusedError("the URL holds characters that no URL has")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise OriginRefusedError("this is not a URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or port == 0:
        raise OriginRefusedError("only plain http and https URLs are fetched")
    if "%" in parts.netloc:
        raise OriginRefusedError("the host must be plain")
    steps = parts.path.lower().replace("%2e", ".").replace("%2f", "/").split("/")
    if ".." in steps or "." in steps:
        raise OriginRefusedError("the path must not climb")
    return parts


def _origin(parts: SplitResult) -> Origin:
    host = (parts.hostname or "").lower().removesuffix(".")
    if ":" in host:
        try:
            host = str(ipaddress.IPv6Address(host))
        except ValueError:
            raise OriginRefusedError("the host is not an IPv6 address") from None
    if not host:
        raise OriginRefusedError("the URL has no host")
    return parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme]


def _joined(origin: Origin, parts: SplitResult) -> str:
    scheme, host, port = origin
    place = f"[{host}]" if ":" in host else host
    netloc = place if port == _DEFAULT_PORTS[scheme] else f"{place}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{netloc}{parts.path or '/'}{query}"
