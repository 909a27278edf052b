"""The words that settings are made of: origins, URLs, secrets, numbers, and how a list is written."""

import base64
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def comma_separated(value: object) -> object:
    """Take a list of values with commas between them."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _origin(value: str) -> str:
    """Take scheme://host[:port] in lower case; a slash at its end does not matter."""
    try:
        parts = urlsplit(value.removesuffix("/"))
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its own words quote the value
        usable = False
    if not usable or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("is not scheme://host[:port]")
    return parts.geturl().lower()


def is_on_loopback(origin: str) -> bool:
    """Whether an origin is on this machine."""
    try:
        return urlsplit(origin).hostname in LOOPBACK_HOSTS
    except ValueError:
        return False


def _key_ring(value: SecretStr) -> SecretStr:
    """Refuse a ring that cannot be read."""
    from rythmiq.crypto.key_ring import KeyRing  # noqa: PLC0415  the worker and half of the functions have no ring

    KeyRing.parse(value.get_secret_value())
    return value


def _authorities(value: str) -> str:
    """Take the path of a file of certificate authorities, or their PEM as base64, of which this is the text."""
    if value.startswith("/"):
        return value
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        text = ""
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError("is neither a path nor a certificate's PEM as base64")
    return text


Seconds = Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)]
Origin = Annotated[str, AfterValidator(_origin)]
OriginOrAny = Annotated[str, AfterValidator(lambda value: value if value == "*" else _origin(value))]
KeyRingText = Annotated[SecretStr, AfterValidator(_key_ring)]
WebUrl = Annotated[
    str, Field(pattern=r"^https?://[^\s?#]+$", max_length=1_000), AfterValidator(lambda url: url.rstrip("/"))
]
CamberWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
CamberField = Annotated[str, Field(pattern=r"^(command|engine|size|path)=[A-Za-z_]+$")]
KubernetesName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Bucket = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]
Authorities = Annotated[str, AfterValidator(_authorities)]
ServiceEnv = Literal["dev", "staging", "prod"]
Positive = Annotated[int, Field(ge=1)]
