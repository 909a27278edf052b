"""Settings, read once from an environment into a frozen model.

`-` and the empty string read as unset (doctl refuses both empty and missing values, SPEC 12). One message lists every
problem by name and never shows a value. Plain pydantic, not pydantic-settings: that costs a function 60 ms of cold
start (facts: docs/decisions.md).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from rythmiq.contracts.errors import SettingsError

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def _origins(value: object) -> object:
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


Seconds = Annotated[float, Field(gt=0, le=3_600, allow_inf_nan=False)]
Origin = Annotated[str, AfterValidator(_origin)]
Bucket = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]


class EnvironmentSettings(BaseModel):
    """Settings whose fields are named like their variables, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    PREFIXES: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def variables(cls) -> dict[str, str]:
        """Environment names by field."""
        return {field: field.upper() for field in cls.model_fields}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from an environment.

        Raises:
            SettingsError: a variable is missing or cannot be used; every one is named, no value is shown.
        """
        names = cls.variables()
        given = {field: environ[name] for field, name in names.items() if environ.get(name, "-") not in {"", "-"}}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problems = [
                f"{names.get(str(item['loc'][0]), str(item['loc'][0])) if item['loc'] else cls.__name__} "
                + ("is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, "))
                for item in error.errors(include_input=False, include_url=False)
            ]
            raise SettingsError("; ".join(problems)) from None


class WorkerSettings(EnvironmentSettings):
    """What the worker reads (SPEC 12, 16)."""

    spaces_endpoint: Origin
    spaces_region: str
    spaces_bucket: Bucket
    spaces_key: str
    spaces_secret: SecretStr
    service_env: Literal["dev", "staging", "prod"] = "dev"
    artifact_url_allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(_origins)] = ()
    allow_plaintext: Literal["yes", "no"] = "no"
    fetch_timeout_s: Seconds = 30.0
    ocr_timeout_s: Seconds = 60.0
    ocr_engine: Literal["rapidocr", "paddleocr"] = "rapidocr"
    ocr_models_dir: Path | None = None
    max_upload_bytes: Annotated[int, Field(ge=1)] = 20 * 1024 * 1024
    max_pixels: Annotated[int, Field(ge=1)] = 80_000_000
    max_pages: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def store_is_on_loopback(self) -> bool:
        """Whether the store is on this machine, where plaintext does not leave it."""
        return urlsplit(self.spaces_endpoint).hostname in LOOPBACK_HOSTS

    @property
    def plaintext_allowed(self) -> bool:
        """Whether a job without encryption may run (SPEC 6): on loopback, or outside prod when the operator says so."""
        return self.store_is_on_loopback or (self.allow_plaintext == "yes" and self.service_env != "prod")
