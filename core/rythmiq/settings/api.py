"""Settings of functions that start no worker: one class a concern, and one a function that combines its concerns.

`project.yml` lists exactly those variables for each.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from rythmiq.settings import (
    Bucket,
    EnvironmentSettings,
    KeyRingText,
    Origin,
    OriginOrAny,
    Positive,
    ServiceEnv,
    WebUrl,
    comma_separated,
    is_on_loopback,
)

# What an operator makes up, and who could guess it. A JWT's: RFC 7518 3.2.
_LEAST_CHARS = {
    "supabase_jwt_secret": 32,
    "metrics_token": 16,
    "webhook_secret": 16,
    "webhook_secret_previous": 16,
    "reconcile_secret": 16,
    "reconcile_secret_previous": 16,
}


class GuardedSettings(EnvironmentSettings):
    """Settings with a secret that an operator makes up: in dev any will do, elsewhere it has a least length."""

    service_env: ServiceEnv = "dev"

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Refuse short secrets outside dev; the message does not reveal a secret's length."""
        yield from super().conflicts(given)
        if given.get("service_env", "dev") == "dev":
            return
        for field, least in _LEAST_CHARS.items():
            if field in given and len(given[field]) < least:
                yield f"{field.upper()} has fewer than {least} characters"


class CorsSettings(EnvironmentSettings):
    """Origins whose pages may read responses."""

    allowed_origins: Annotated[tuple[OriginOrAny, ...], BeforeValidator(comma_separated)] = ()


class DatabaseSettings(EnvironmentSettings):
    """The database: `DATABASE_URL`, or Supabase's Data API with its two keys."""

    database_url: SecretStr | None = None
    supabase_url: Origin | None = None
    supabase_anon_key: SecretStr | None = None
    supabase_service_role_key: SecretStr | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Without `DATABASE_URL`, all three of Supabase's names are needed."""
        yield from super().conflicts(given)
        if "database_url" not in given:
            for field in ("supabase_url", "supabase_anon_key", "supabase_service_role_key"):
                if field not in given:
                    yield f"{field.upper()} is not set, nor is DATABASE_URL"


class AuthSettings(GuardedSettings):
    """Verification of users' JWTs; the configuration decides, never the token. Without credits guests are refused."""

    supabase_url: Origin | None = None
    auth_mode: Literal["jwks", "secret"] | None = None
    supabase_jwt_secret: SecretStr | None = None
    guest_credits: Annotated[int, Field(ge=0)] = 0

    @property
    def verifies_by(self) -> Literal["jwks", "secret"]:
        """`AUTH_MODE`; by default `secret` when there is one."""
        return self.auth_mode or ("secret" if self.supabase_jwt_secret is not None else "jwks")

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """The issuer is always needed; the secret when `AUTH_MODE` asks for it."""
        yield from super().conflicts(given)
        if "supabase_url" not in given:
            yield "SUPABASE_URL is not set, and names the issuer of tokens"
        if given.get("auth_mode") == "secret" and "supabase_jwt_secret" not in given:
            yield "SUPABASE_JWT_SECRET is not set, and AUTH_MODE asks for it"


class StoreSettings(EnvironmentSettings):
    """The object store as the API sees it."""

    do_spaces_endpoint: Origin
    do_spaces_region: str
    do_spaces_bucket: Bucket
    do_spaces_access_key: str
    do_spaces_secret_key: SecretStr

    @property
    def store_is_on_loopback(self) -> bool:
        """Whether the store is on this machine, so that plaintext does not leave it."""
        return is_on_loopback(self.do_spaces_endpoint)


class EncryptionSettings(EnvironmentSettings):
    """The ring that wraps data keys; without it the API handles plaintext, where that is allowed."""

    encryption_keys: KeyRingText | None = None
    allow_plaintext: Literal["yes", "no"] = "no"


class SealedStoreSettings(StoreSettings, EncryptionSettings, GuardedSettings):
    """The store, and whether it may hold plaintext."""

    @staticmethod
    def takes_plaintext(given: Mapping[str, str]) -> bool:
        """Whether plaintext is allowed by these variables, by field."""
        waived = given.get("allow_plaintext") == "yes" and given.get("service_env", "dev") != "prod"
        return waived or is_on_loopback(given.get("do_spaces_endpoint", ""))

    @property
    def plaintext_allowed(self) -> bool:
        """Whether plaintext is allowed: on loopback, or outside prod with ALLOW_PLAINTEXT=yes."""
        return self.store_is_on_loopback or (self.allow_plaintext == "yes" and self.service_env != "prod")

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Require keys wherever plaintext is not allowed."""
        yield from super().conflicts(given)
        if "encryption_keys" not in given and not cls.takes_plaintext(given):
            yield "ENCRYPTION_KEYS is not set, and plaintext is not allowed here (ALLOW_PLAINTEXT)"


class RateSettings(EnvironmentSettings):
    """How often a user may call with POST."""

    rate_burst: Positive = 60
    rate_per_minute: Positive = 60


class UploadsSettings(SealedStoreSettings, DatabaseSettings, AuthSettings, RateSettings, CorsSettings):
    """Settings of `api/uploads`."""

    max_upload_bytes_per_day: Positive = 1024**3

    upload_method: Literal["put", "post"] = "put"
    upload_url_ttl_s: Annotated[int, Field(ge=1, le=3_600)] = 900
    max_upload_bytes: Positive = 20 * 1024 * 1024
    initial_credits: Annotated[int, Field(ge=0)] = 3


class AccountSettings(DatabaseSettings, AuthSettings, CorsSettings):
    """Settings of `api/account`."""

    initial_credits: Annotated[int, Field(ge=0)] = 3
    max_active_jobs: Positive = 20
    max_upload_bytes: Positive = 20 * 1024 * 1024
    max_pages: Positive = 10


class MetricsSettings(DatabaseSettings, GuardedSettings, CorsSettings):
    """Settings of `internal/metrics`."""

    metrics_token: SecretStr


class HealthSettings(MetricsSettings):
    """Settings of `api/health` for its deep check; the shallow one needs nothing but `ALLOWED_ORIGINS`."""


class PublicSettings(CorsSettings):
    """Settings of `api/portals`."""


class AppSettings(CorsSettings):
    """Settings of `api/app`: what is not set leaves the page with what needs no signing in."""

    public_url: WebUrl | None = None
    supabase_url: Origin | None = None
    supabase_anon_key: SecretStr | None = None
    do_spaces_endpoint: Origin | None = None
    guest_credits: Annotated[int, Field(ge=0)] = 0
