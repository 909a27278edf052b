"""Settings, read once from an environment into a frozen model.

`-` and the empty string read as unset (doctl refuses both empty and missing values, SPEC 12). One message lists every
problem by name and never shows a value. Plain pydantic, not pydantic-settings: that costs a function 60 ms of cold
start (facts: docs/decisions.md).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

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


# --- the API ---------------------------------------------------------------------------------------------------------
# One class a concern; each function's settings are the concerns that it has (SPEC 12), and `project.yml` lists exactly
# those variables for it.

ServiceEnv = Literal["dev", "staging", "prod"]
Positive = Annotated[int, Field(ge=1)]


class ServiceSettings(EnvironmentSettings):
    """What every function reads."""

    service_env: ServiceEnv = "dev"
    allowed_origins: Annotated[tuple[Origin | Literal["*"], ...], BeforeValidator(_origins)] = ()


class DatabaseSettings(EnvironmentSettings):
    """Where the state is: `DATABASE_URL`, or Supabase's Data API with its two keys."""

    database_url: SecretStr | None = None
    supabase_url: Origin | None = None
    supabase_anon_key: SecretStr | None = None
    supabase_service_role_key: SecretStr | None = None

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if self.database_url is None and not (
            self.supabase_url and self.supabase_anon_key and self.supabase_service_role_key
        ):
            raise ValueError("set DATABASE_URL, or SUPABASE_URL, SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY")
        return self


class AuthSettings(EnvironmentSettings):
    """How a user's JWT is verified; the configuration decides, never the token."""

    supabase_url: Origin | None = None
    auth_mode: Literal["jwks", "secret"] | None = None
    supabase_jwt_secret: SecretStr | None = None

    @property
    def verifies_by(self) -> Literal["jwks", "secret"]:
        """`AUTH_MODE`; by default `secret` when there is one."""
        return self.auth_mode or ("secret" if self.supabase_jwt_secret is not None else "jwks")

    @model_validator(mode="after")
    def _verifiable(self) -> Self:
        if self.supabase_url is None:
            raise ValueError("SUPABASE_URL is not set")
        if self.verifies_by == "secret" and self.supabase_jwt_secret is None:
            raise ValueError("AUTH_MODE=secret needs SUPABASE_JWT_SECRET")
        return self


class StoreSettings(EnvironmentSettings):
    """The object store as the API sees it."""

    do_spaces_endpoint: Origin
    do_spaces_region: str
    do_spaces_bucket: Bucket
    do_spaces_access_key: str
    do_spaces_secret_key: SecretStr
    upload_method: Literal["put", "post"] = "put"
    download_url_ttl_s: Annotated[int, Field(ge=1, le=604_800)] = 3_600
    output_url_ttl_s: Annotated[int, Field(ge=1, le=604_800)] = 86_400

    @property
    def store_is_on_loopback(self) -> bool:
        """Whether the store is on this machine, where plaintext does not leave it."""
        return urlsplit(self.do_spaces_endpoint).hostname in LOOPBACK_HOSTS


class EncryptionSettings(EnvironmentSettings):
    """The key ring; without it the API handles plaintext, where that is allowed."""

    encryption_keys: SecretStr | None = None
    allow_plaintext: Literal["yes", "no"] = "no"


class SealedStoreSettings(ServiceSettings, StoreSettings, EncryptionSettings):
    """A store, and whether plaintext may stand there (SPEC 6)."""

    @property
    def plaintext_allowed(self) -> bool:
        """On loopback, or outside prod when the operator says so."""
        return self.store_is_on_loopback or (self.allow_plaintext == "yes" and self.service_env != "prod")

    @model_validator(mode="after")
    def _keys_or_plaintext(self) -> Self:
        if self.encryption_keys is None and not self.plaintext_allowed:
            raise ValueError("ENCRYPTION_KEYS is not set, and plaintext is not allowed here (ALLOW_PLAINTEXT)")
        return self


class ExecutorSettings(EnvironmentSettings):
    """What starts the worker, how much it is given, and how it calls back."""

    executor: Literal["local", "camber", "kubernetes", "hold"] = "camber"
    camber_api_url: Origin | None = None
    camber_api_key: SecretStr | None = None
    local_executor_url: Origin | None = None
    public_url: Annotated[str, Field(pattern=r"^https?://", max_length=1_000)] | None = None
    webhook_secret: Annotated[SecretStr, Field(min_length=16)]
    webhook_secret_previous: SecretStr | None = None
    max_inflight: Positive = 4
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    lease_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    job_timeout_s: Seconds = 240.0

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        missing = {
            "camber": [n for n in ("camber_api_url", "camber_api_key") if getattr(self, n) is None],
            "local": [n for n in ("local_executor_url",) if self.local_executor_url is None],
        }.get(self.executor, [])
        if missing:
            raise ValueError(f"EXECUTOR={self.executor} needs {', '.join(name.upper() for name in missing)}")
        return self


class UploadsSettings(SealedStoreSettings, DatabaseSettings, AuthSettings):
    """What `api/uploads` reads."""

    upload_url_ttl_s: Annotated[int, Field(ge=1, le=3_600)] = 900
    max_upload_bytes: Positive = 20 * 1024 * 1024
    initial_credits: Annotated[int, Field(ge=0)] = 3


class JobsSettings(SealedStoreSettings, DatabaseSettings, AuthSettings, ExecutorSettings):
    """What `api/jobs` reads."""

    artifact_url_allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(_origins)] = ()
    max_upload_bytes: Positive = 20 * 1024 * 1024
    initial_credits: Annotated[int, Field(ge=0)] = 3
    max_active_jobs: Positive = 20
    wait_max_s: Annotated[float, Field(ge=0, le=50)] = 10.0


class AccountSettings(ServiceSettings, DatabaseSettings, AuthSettings):
    """What `api/account` reads."""

    initial_credits: Annotated[int, Field(ge=0)] = 3
    max_active_jobs: Positive = 20


class WebhooksSettings(SealedStoreSettings, DatabaseSettings, ExecutorSettings):
    """What `internal/webhooks` reads."""


class ReconcileSettings(WebhooksSettings):
    """What `internal/reconcile` reads."""


class MetricsSettings(ServiceSettings, DatabaseSettings):
    """What `internal/metrics` reads."""

    metrics_token: Annotated[SecretStr, Field(min_length=16)]


class HealthSettings(EnvironmentSettings):
    """What `api/health` reads; shallow, it needs nothing."""

    service_env: ServiceEnv = "dev"
    allowed_origins: Annotated[tuple[Origin | Literal["*"], ...], BeforeValidator(_origins)] = ()
    metrics_token: SecretStr | None = None
    database_url: SecretStr | None = None
    supabase_url: Origin | None = None
    supabase_anon_key: SecretStr | None = None
    supabase_service_role_key: SecretStr | None = None


class PublicSettings(ServiceSettings):
    """What `api/portals` and `api/app` read."""


class LauncherSettings(EnvironmentSettings):
    """What the launcher reads beside the worker's own variables, which it passes on (SPEC 11)."""

    encryption_keys: SecretStr | None = None
    job_timeout_s: Seconds = 240.0
