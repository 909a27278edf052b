"""Settings, read once from the environment into frozen models.

This module has the base of every class and the types of their fields. `-` and the empty string count as unset (doctl
refuses both empty and missing values). One error lists every problem by variable name and never shows a value. Plain
pydantic, because pydantic-settings adds 60 ms to a cold start (docs/decisions.md).

Source: docs/specification/configuration.md.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from rythmiq.contracts.errors import SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


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
    """Return whether an origin is on this machine."""
    from rythmiq.contracts.origins import LOOPBACK_HOSTS  # noqa: PLC0415  few settings are checked for it

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


class EnvironmentSettings(BaseModel):
    """Settings whose fields are named like their variables, in lower case."""

    # Built at their first use: a process uses one or two of these classes, and all of them cost it 25 ms.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment names by field."""
        return {field: field.upper() for field in cls.model_fields}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from an environment.

        Raises:
            SettingsError: a variable is missing or cannot be used; every one is named, and no value appears.
        """
        names = cls.variables()
        given = {field: environ[name] for field, name in names.items() if environ.get(name, "-") not in {"", "-"}}
        problems = list(dict.fromkeys(cls.conflicts(given)))
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            problems = [
                _problem(names, item) for item in error.errors(include_input=False, include_url=False)
            ] + problems
            raise SettingsError("; ".join(problems)) from None
        if problems:
            raise SettingsError("; ".join(problems))
        return settings

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Yield what is wrong between variables, one sentence each; `given` holds those that are set, by field.

        It reads texts, not fields, so that it runs even when another field cannot be used.
        """
        del given
        yield from ()


def _problem(names: Mapping[str, str], item: "ErrorDetails") -> str:
    field = str(item["loc"][0]) if item["loc"] else ""
    problem = "is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
    return f"{names.get(field, field)} {problem}"
