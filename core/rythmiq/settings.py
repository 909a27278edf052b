"""Settings, read once from an environment into a frozen model.

`-` and the empty string read as unset (doctl refuses both empty and missing values, SPEC 12). One message lists every
problem by name and never shows a value. Plain pydantic, not pydantic-settings: that costs a function 60 ms of cold
start (facts: docs/decisions.md).
"""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from rythmiq.contracts.errors import SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

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


def _is_on_loopback(origin: str) -> bool:
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
Secret16 = Annotated[SecretStr, Field(min_length=16)]
CamberWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]
CamberField = Annotated[str, Field(pattern=r"^(command|engine|size|path)=[A-Za-z_]+$")]
KubernetesName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Bucket = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]


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
            SettingsError: a variable is missing or cannot be used; every one is named, no value is shown.
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
        """What is wrong between variables, one sentence each; `given` holds those that are set, by field.

        It reads texts, not fields, so that it speaks even when a field beside it cannot be used.
        """
        del given
        yield from ()


def _problem(names: Mapping[str, str], item: "ErrorDetails") -> str:
    field = str(item["loc"][0]) if item["loc"] else ""
    said = "is not set" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
    return f"{names.get(field, field)} {said}"


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
        return _is_on_loopback(self.spaces_endpoint)

    @property
    def plaintext_allowed(self) -> bool:
        """Whether a job without encryption may run (SPEC 6): on loopback, or outside prod when the operator says so."""
        return self.store_is_on_loopback or (self.allow_plaintext == "yes" and self.service_env != "prod")


# --- the API ---------------------------------------------------------------------------------------------------------
# One class a concern; each function's settings are the concerns that it has (SPEC 12), and `project.yml` lists exactly
# those variables for it.

ServiceEnv = Literal["dev", "staging", "prod"]
Positive = Annotated[int, Field(ge=1)]


class CorsSettings(EnvironmentSettings):
    """Which pages' browsers may read the answers."""

    allowed_origins: Annotated[tuple[OriginOrAny, ...], BeforeValidator(_origins)] = ()


class DatabaseSettings(EnvironmentSettings):
    """Where the state is: `DATABASE_URL`, or Supabase's Data API with its two keys."""

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


class AuthSettings(EnvironmentSettings):
    """How a user's JWT is verified; the configuration decides, never the token."""

    supabase_url: Origin | None = None
    auth_mode: Literal["jwks", "secret"] | None = None
    supabase_jwt_secret: Annotated[SecretStr, Field(min_length=32)] | None = None  # RFC 7518 3.2

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
        """Whether the store is on this machine, where plaintext does not leave it."""
        return _is_on_loopback(self.do_spaces_endpoint)


class EncryptionSettings(EnvironmentSettings):
    """The key ring; without it the API handles plaintext, where that is allowed."""

    encryption_keys: KeyRingText | None = None
    allow_plaintext: Literal["yes", "no"] = "no"


class SealedStoreSettings(StoreSettings, EncryptionSettings):
    """A store, and whether plaintext may stand there (SPEC 6)."""

    service_env: ServiceEnv = "dev"

    @property
    def plaintext_allowed(self) -> bool:
        """On loopback, or outside prod when the operator says so."""
        return self.store_is_on_loopback or (self.allow_plaintext == "yes" and self.service_env != "prod")

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Keys are needed wherever plaintext may not stand."""
        yield from super().conflicts(given)
        waived = given.get("allow_plaintext") == "yes" and given.get("service_env", "dev") != "prod"
        if "encryption_keys" not in given and not waived and not _is_on_loopback(given.get("do_spaces_endpoint", "")):
            yield "ENCRYPTION_KEYS is not set, and plaintext is not allowed here (ALLOW_PLAINTEXT)"


class CamberSettings(EnvironmentSettings):
    """How Camber is reached, what it is asked to run jobs with, and what stands in for its inferred names.

    Source: `adapters/camber/wire.py`, which says what each name is and how sure; docs/executors.md.
    """

    camber_api_url: WebUrl | None = None
    camber_api_key: SecretStr | None = None
    camber_cli: Annotated[str, Field(pattern=r"^[^\s-]\S*$", max_length=1_000)] | None = None
    camber_stash_path: Annotated[str, Field(pattern=r"^stash://[A-Za-z0-9_./-]+$", max_length=500)] | None = None
    camber_program: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./][A-Za-z0-9_./= -]*$", max_length=200)] = (
        "./rythmiq-launch"
    )
    camber_engine: CamberWord = "base"
    camber_size: CamberWord = "xxsmall"
    camber_path_jobs: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*$")] = "/jobs"
    camber_path_logs: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*\{id\}[A-Za-z0-9_./-]*$")] = "/jobs/{id}/logs"
    camber_list_query: Annotated[str, Field(pattern=r"^[A-Za-z_]+=[0-9]{1,4}$")] = "size=50"
    camber_create_fields: Annotated[tuple[CamberField, ...], BeforeValidator(_origins)] = ()
    camber_command_field: Annotated[str, Field(pattern=r"^[A-Za-z_]+$")] = "command"

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """The key travels by TLS, or stays on this machine."""
        yield from super().conflicts(given)
        yield from _in_clear(given, "camber_api_url")


class KubernetesSettings(EnvironmentSettings):
    """Where Jobs go, and with what (infra/kubernetes/README.md)."""

    kubernetes_api_url: Origin | None = None
    kubernetes_token: SecretStr | None = None
    kubernetes_ca: Annotated[str, AfterValidator(_authorities)] | None = None
    kubernetes_namespace: KubernetesName = "rythmiq"
    kubernetes_image: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", max_length=500)] | None = None
    kubernetes_secret: KubernetesName = "rythmiq-worker"  # noqa: S105  a Secret's name

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """The token travels by TLS, or stays on this machine."""
        yield from super().conflicts(given)
        yield from _in_clear(given, "kubernetes_api_url")


def _in_clear(given: Mapping[str, str], field: str) -> Iterator[str]:
    url = given.get(field, "")
    if url.lower().startswith("http://") and not _is_on_loopback(url):
        yield f"{field.upper()} is not https, and a key would be read on the way"


class ExecutorSettings(CamberSettings, KubernetesSettings):
    """What starts the worker, how much it is given, and how it calls back."""

    executor: Literal["local", "camber", "kubernetes", "hold"] = "camber"
    local_executor_url: Origin | None = None
    public_url: WebUrl = ""
    webhook_secret: Secret16
    webhook_secret_previous: Secret16 | None = None
    max_inflight: Positive = 4
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    lease_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    job_timeout_s: Seconds = 240.0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; where `PUBLIC_URL` is not set, the platform's own variables tell it.

        Raises:
            SettingsError: see `EnvironmentSettings.from_environ`.
        """
        host, namespace = environ.get("__OW_API_HOST", ""), environ.get("__OW_NAMESPACE", "")
        if host and namespace and environ.get("PUBLIC_URL", "-") in {"", "-"}:
            origin = host if "://" in host else f"https://{host}"
            environ = {**environ, "PUBLIC_URL": f"{origin.rstrip('/')}/api/v1/web/{namespace}"}
        return super().from_environ(environ)

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Each executor has names of its own, and must know where to call back."""
        yield from super().conflicts(given)
        if "public_url" not in given:
            yield "PUBLIC_URL is not set, and the platform does not tell it"
        needed = {
            "camber": ("camber_api_url", "camber_api_key"),
            "kubernetes": ("kubernetes_api_url", "kubernetes_token", "kubernetes_image"),
            "local": ("local_executor_url",),
        }
        if "camber_cli" in given:  # which has the address in itself, and must be told a path
            needed["camber"] = ("camber_api_key", "camber_stash_path")
        for field in needed.get(given.get("executor", "camber"), ()):
            if field not in given:
                yield f"{field.upper()} is not set, and EXECUTOR asks for it"


class ExecutionSettings(SealedStoreSettings, DatabaseSettings, ExecutorSettings):
    """What it takes to dispatch, settle and reconcile."""


class UploadsSettings(SealedStoreSettings, DatabaseSettings, AuthSettings, CorsSettings):
    """What `api/uploads` reads."""

    upload_method: Literal["put", "post"] = "put"
    upload_url_ttl_s: Annotated[int, Field(ge=1, le=3_600)] = 900
    max_upload_bytes: Positive = 20 * 1024 * 1024
    initial_credits: Annotated[int, Field(ge=0)] = 3


class JobsSettings(ExecutionSettings, AuthSettings, CorsSettings):
    """What `api/jobs` reads."""

    download_url_ttl_s: Annotated[int, Field(ge=1, le=604_800)] = 3_600
    output_url_ttl_s: Annotated[int, Field(ge=1, le=604_800)] = 86_400
    artifact_url_allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(_origins)] = ()
    max_upload_bytes: Positive = 20 * 1024 * 1024
    initial_credits: Annotated[int, Field(ge=0)] = 3
    max_active_jobs: Positive = 20
    wait_max_s: Annotated[float, Field(ge=0, le=50)] = 10.0


class AccountSettings(DatabaseSettings, AuthSettings, CorsSettings):
    """What `api/account` reads."""

    initial_credits: Annotated[int, Field(ge=0)] = 3
    max_active_jobs: Positive = 20


class WebhooksSettings(ExecutionSettings, CorsSettings):
    """What `internal/webhooks` reads."""


class ReconcileSettings(WebhooksSettings):
    """What `internal/reconcile` reads."""


class MetricsSettings(DatabaseSettings, CorsSettings):
    """What `internal/metrics` reads."""

    metrics_token: Secret16


class HealthSettings(MetricsSettings):
    """What `api/health` reads to look deep; shallow, it needs nothing but `ALLOWED_ORIGINS`."""


class PublicSettings(CorsSettings):
    """What `api/portals` and `api/app` read."""


class LauncherSettings(EnvironmentSettings):
    """What the launcher reads beside the worker's own variables, which it passes on (SPEC 11)."""

    encryption_keys: KeyRingText | None = None
    job_timeout_s: Seconds = 240.0
