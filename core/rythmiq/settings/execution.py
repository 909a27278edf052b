"""Settings of functions that start workers and settle their results."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr

from rythmiq.settings import (
    Authorities,
    CamberField,
    CamberWord,
    EnvironmentSettings,
    KeyRingText,
    KubernetesName,
    Origin,
    Positive,
    Seconds,
    WebUrl,
    comma_separated,
    is_on_loopback,
)
from rythmiq.settings.api import (
    AuthSettings,
    CorsSettings,
    DatabaseSettings,
    GuardedSettings,
    RateSettings,
    SealedStoreSettings,
)


def _in_clear(given: Mapping[str, str], field: str) -> Iterator[str]:
    url = given.get(field, "")
    if url.lower().startswith("http://") and not is_on_loopback(url):
        yield f"{field.upper()} is not https, and a key would be read on the way"


class CamberSettings(EnvironmentSettings):
    """Camber's address, the parameters of its jobs, and overrides for names of its API that were inferred.

    Source: docs/camber.md, which says how certain each name is.
    """

    camber_api_url: WebUrl | None = None
    camber_api_key: SecretStr | None = None
    camber_stash_path: Annotated[str, Field(pattern=r"^stash://[A-Za-z0-9_./-]+$", max_length=500)] | None = None
    camber_program: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./][A-Za-z0-9_./= -]*$", max_length=200)] = (
        "./rythmiq-launch"
    )
    camber_release_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    camber_engine: CamberWord = "base"
    camber_size: CamberWord = "xxsmall"
    camber_path_jobs: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*$")] = "/jobs"
    camber_path_logs: Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./-]*\{id\}[A-Za-z0-9_./-]*$")] = "/jobs/{id}/logs"
    camber_list_query: Annotated[str, Field(pattern=r"^[A-Za-z_]+=[0-9]{1,4}$")] = "size=50"
    camber_create_fields: Annotated[tuple[CamberField, ...], BeforeValidator(comma_separated)] = ()
    camber_command_field: Annotated[str, Field(pattern=r"^[A-Za-z_]+$")] = "command"

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """The key travels by TLS, or stays on this machine."""
        yield from super().conflicts(given)
        yield from _in_clear(given, "camber_api_url")


class KubernetesSettings(EnvironmentSettings):
    """The cluster that runs Jobs, and their image (infra/kubernetes/README.md)."""

    kubernetes_api_url: Origin | None = None
    kubernetes_token: SecretStr | None = None
    kubernetes_ca: Authorities | None = None
    kubernetes_namespace: KubernetesName = "rythmiq"
    kubernetes_image: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]*$", max_length=500)] | None = None
    kubernetes_secret: KubernetesName = "rythmiq-worker"  # noqa: S105  a Secret's name
    kubernetes_host_users: Literal["yes", "no"] = "no"

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """The token travels by TLS, or stays on this machine."""
        yield from super().conflicts(given)
        yield from _in_clear(given, "kubernetes_api_url")


class ExecutorSettings(CamberSettings, KubernetesSettings, GuardedSettings):
    """The executor, its limits, and the address and secret of its webhooks."""

    executor: Literal["local", "camber", "kubernetes", "hold"] = "camber"
    local_executor_url: Origin | None = None
    public_url: WebUrl = ""
    webhook_secret: SecretStr
    webhook_secret_previous: SecretStr | None = None
    max_inflight: Positive = 4
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    lease_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    job_timeout_s: Seconds = 240.0

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; `PUBLIC_URL` defaults to the address in the platform's own variables.

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
            "camber": ("camber_api_url", "camber_api_key", "camber_stash_path"),
            "kubernetes": ("kubernetes_api_url", "kubernetes_token", "kubernetes_image"),
            "local": ("local_executor_url",),
        }
        for field in needed.get(given.get("executor", "camber"), ()):
            if field not in given:
                yield f"{field.upper()} is not set, and EXECUTOR asks for it"


class DispatchSettings(SealedStoreSettings):
    """The ring that seals dispatch and result objects; without it they are plain JSON, where that is allowed."""

    dispatch_keys: KeyRingText | None = None

    @classmethod
    def conflicts(cls, given: Mapping[str, str]) -> Iterator[str]:
        """Require them wherever there are data keys, which dispatch objects carry, or plaintext is not allowed."""
        yield from super().conflicts(given)
        if "dispatch_keys" in given:
            return
        if "encryption_keys" in given:
            yield "DISPATCH_KEYS is not set, and ENCRYPTION_KEYS is (`rythmiq keys new --dispatch` makes one)"
        elif not cls.takes_plaintext(given):
            yield "DISPATCH_KEYS is not set, and plaintext is not allowed here (ALLOW_PLAINTEXT)"


class ExecutionSettings(DispatchSettings, DatabaseSettings, ExecutorSettings):
    """Settings to dispatch, settle and reconcile."""

    max_failures_per_day: Annotated[int, Field(ge=0)] = 20


class JobsSettings(ExecutionSettings, AuthSettings, RateSettings, CorsSettings):
    """Settings of `api/jobs`."""

    download_url_ttl_s: Annotated[int, Field(ge=1, le=604_800)] = 3_600
    output_url_ttl_s: Annotated[int, Field(ge=1, le=604_800)] = 86_400
    artifact_url_allowed_origins: Annotated[tuple[Origin, ...], BeforeValidator(comma_separated)] = ()
    max_upload_bytes: Positive = 20 * 1024 * 1024
    initial_credits: Annotated[int, Field(ge=0)] = 3
    max_active_jobs: Positive = 20
    max_pages: Annotated[int, Field(ge=1, le=100)] = 10
    wait_max_s: Annotated[float, Field(ge=0, le=50)] = 10.0


class WebhooksSettings(ExecutionSettings, CorsSettings):
    """Settings of `internal/webhooks`."""


class ReconcileSettings(WebhooksSettings):
    """Settings of `internal/reconcile`: its own secret admits a tick, the webhook's signs the tokens of attempts."""

    reconcile_secret: SecretStr
    reconcile_secret_previous: SecretStr | None = None
