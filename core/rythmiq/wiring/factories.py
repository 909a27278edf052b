"""Builds what functions share from their settings: adapters, guards, and the reconciler.

Imports are inside the functions: of several adapters a process imports the one that is configured.
"""

# ruff: noqa: PLC0415  see above

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import SecretStr

    from rythmiq.adapters.spaces import SpacesStore
    from rythmiq.crypto.key_ring import KeyRing
    from rythmiq.gateway.routes.app import PageConfig, PageFiles
    from rythmiq.gateway.routes.internal import ReportGuard, SecretGuard
    from rythmiq.gateway.tokens import TokenVerifier
    from rythmiq.ports import Executor, SignIns
    from rythmiq.ports.database import Capacity, Database, RateLimit
    from rythmiq.services import Backends
    from rythmiq.services.reconcile import WorkLoop
    from rythmiq.settings.api import (
        AuthSettings,
        DatabaseSettings,
        RateSettings,
        StoreSettings,
        UploadsSettings,
    )
    from rythmiq.settings.execution import ExecutionSettings, ExecutorSettings, ReconcileSettings

JWKS_PATH = "/auth/v1/.well-known/jwks.json"


def page_files() -> "PageFiles":
    """Return the page's files: what was built into this bundle, or in a checkout the sources, which may change."""
    from pathlib import Path

    import rythmiq
    from rythmiq.gateway.routes.app import PageFiles

    package = Path(rythmiq.__file__).parent
    built = package / "page"
    return PageFiles(built) if built.is_dir() else PageFiles(package.parents[1] / "page", is_live=True)


def page_config(environ: "Mapping[str, str]") -> "PageConfig":
    """Return the page's configuration; variables that cannot be used are logged and left out."""
    from urllib.parse import urlsplit

    from rythmiq.contracts.errors import SettingsError
    from rythmiq.gateway.routes.app import PageConfig
    from rythmiq.log import log
    from rythmiq.settings.api import AppSettings

    try:
        settings = AppSettings.from_environ(environ)
    except SettingsError as error:
        log("page_not_configured", level="error", reason=str(error))
        return PageConfig()
    key = settings.supabase_anon_key
    public = urlsplit(settings.public_url or "")
    # Below a path the origin is shared, with strangers on the platform: nothing may be kept there.
    own = () if public.path or not public.netloc else (f"{public.scheme}://{public.netloc}".lower(),)
    return PageConfig(
        supabase_url=settings.supabase_url,
        supabase_anon_key=None if key is None else key.get_secret_value(),
        store_origin=settings.do_spaces_endpoint,
        guest_credits=settings.guest_credits,
        origins=own,
    )


def database_of(settings: "DatabaseSettings", headers: "Mapping[str, str] | None" = None) -> "Database":
    """Return Postgres when `DATABASE_URL` is set, else Supabase's Data API.

    Args:
        settings: which of them.
        headers: what goes with each call that writes; see `keys_header`.

    Raises:
        SettingsError: `DATABASE_URL` cannot be used, or this bundle was built without psycopg.
    """
    from rythmiq.adapters.database import SqlDatabase

    if settings.database_url is not None:
        try:
            from rythmiq.adapters.postgres import PostgresTransport
        except ImportError:
            from rythmiq.contracts.errors import SettingsError

            raise SettingsError("DATABASE_URL is set, and this bundle was built without psycopg") from None
        return SqlDatabase(PostgresTransport(settings.database_url.get_secret_value()).presenting(headers or {}))
    from rythmiq.adapters.supabase import SupabaseTransport

    url, anon, service = settings.supabase_url, settings.supabase_anon_key, settings.supabase_service_role_key
    if url is None or anon is None or service is None:
        raise AssertionError("settings without a database are refused")
    transport = SupabaseTransport(url, anon.get_secret_value(), service.get_secret_value())
    return SqlDatabase(transport.presenting(headers or {}))


def sign_ins_of(settings: "DatabaseSettings") -> "Callable[[], SignIns] | None":
    """Return what makes Supabase Auth's admin API; None where no service key is set."""
    url, key = settings.supabase_url, settings.supabase_service_role_key
    if url is None or key is None:
        return None

    def make() -> "SignIns":
        from rythmiq.adapters.supabase import SupabaseSignIns

        return SupabaseSignIns(url, key.get_secret_value())

    return make


def store_of(settings: "StoreSettings") -> "SpacesStore":
    """Return the client of the one bucket."""
    from rythmiq.adapters.spaces import SpacesStore, StoreConfig

    return SpacesStore(
        StoreConfig(
            endpoint=settings.do_spaces_endpoint,
            region=settings.do_spaces_region,
            bucket=settings.do_spaces_bucket,
            access_key=settings.do_spaces_access_key,
            secret_key=settings.do_spaces_secret_key.get_secret_value(),
        )
    )


def ring_of(keys: "SecretStr | None") -> "KeyRing | None":
    """Return a key ring; None where plaintext is allowed and no keys are set."""
    from rythmiq.crypto.key_ring import KeyRing

    return None if keys is None else KeyRing.parse(keys.get_secret_value())


def keys_header(**rings: "KeyRing | None") -> dict[str, str]:
    """The fingerprints of these rings, which the database compares with those of the keys' first use."""
    import json

    presented = {name: list(ring.fingerprints.items()) for name, ring in rings.items() if ring is not None}
    return {"x-rythmiq-keys": json.dumps(presented, separators=(",", ":"))} if presented else {}


def capacity_of(settings: "ExecutorSettings") -> "Capacity":
    """Return the limits of the executor."""
    from rythmiq.ports.database import Capacity

    return Capacity(max_inflight=settings.max_inflight, lease_s=settings.lease_s, max_attempts=settings.max_attempts)


def rate_of(settings: "RateSettings") -> "RateLimit":
    """Return the limit of a user's calls."""
    from rythmiq.ports.database import RateLimit

    return RateLimit(rate_burst=settings.rate_burst, rate_per_minute=settings.rate_per_minute)


def verifier_of(settings: "AuthSettings", *, guests: bool = False) -> "TokenVerifier":
    """Return what verifies users' tokens: by the shared secret, or by the issuer's JWKS.

    Args:
        settings: how to verify; guests are let in where they have credits.
        guests: let them in all the same.
    """
    from rythmiq.clock import SystemClock
    from rythmiq.gateway.tokens import SecretKey, TokenVerifier

    guests = guests or settings.guest_credits > 0
    issuer = f"{settings.supabase_url}/auth/v1"
    if settings.verifies_by == "secret" and settings.supabase_jwt_secret is not None:
        return TokenVerifier(
            issuer=issuer, keys=SecretKey(settings.supabase_jwt_secret.get_secret_value()), guests=guests
        )
    from rythmiq.gateway.tokens import MAX_BYTES, TIMEOUT_S, JwksKeys

    def fetch() -> bytes:
        from rythmiq.adapters.bounded_http import fetch_url

        return fetch_url(f"{settings.supabase_url}{JWKS_PATH}", max_bytes=MAX_BYTES, timeout_s=TIMEOUT_S)

    return TokenVerifier(issuer=issuer, keys=JwksKeys(fetch, monotonic_s=SystemClock().monotonic_s), guests=guests)


def secret_guard_of(settings: "ReconcileSettings") -> "SecretGuard":
    """Return what admits schedulers to a tick."""
    from rythmiq.gateway.routes.internal import SecretGuard

    return SecretGuard(*_texts(settings.reconcile_secret, settings.reconcile_secret_previous))


def report_guard_of(settings: "ExecutorSettings") -> "ReportGuard":
    """Return what admits the launcher's reports."""
    from rythmiq.clock import SystemClock
    from rythmiq.gateway.routes.internal import ReportGuard

    secrets = _texts(settings.webhook_secret, settings.webhook_secret_previous)
    return ReportGuard(*secrets, clock=SystemClock())


def _texts(secret: "SecretStr", previous: "SecretStr | None") -> tuple[str, str | None]:
    return secret.get_secret_value(), None if previous is None else previous.get_secret_value()


def backends_of(settings: "UploadsSettings | ExecutionSettings") -> "Backends":
    """Return database, store, key rings and clock."""
    from rythmiq.clock import SystemClock
    from rythmiq.services import Backends

    ring, dispatch_ring = ring_of(settings.encryption_keys), ring_of(getattr(settings, "dispatch_keys", None))
    headers = keys_header(encryption=ring, dispatch=dispatch_ring)
    return Backends(database_of(settings, headers), store_of(settings), ring, dispatch_ring, SystemClock())


def work_of(settings: "ExecutionSettings", backends: "Backends") -> "WorkLoop":
    """Return what ends overdue attempts and starts the next ones."""
    from rythmiq.contracts.payload import StorageReference
    from rythmiq.services.dispatch import DispatchConfig, Dispatcher
    from rythmiq.services.reconcile import ReconcilePolicy, Reconciler, WorkLoop
    from rythmiq.services.settle import Settlement

    capacity, executor = capacity_of(settings), executor_of(settings)
    config = DispatchConfig(
        storage=StorageReference(
            bucket=settings.do_spaces_bucket,
            region=settings.do_spaces_region,
            endpoint=settings.do_spaces_endpoint,
        ),
        callback_url=f"{settings.public_url}/internal/webhooks/camber",
        webhook_secret=settings.webhook_secret.get_secret_value(),
        capacity=capacity,
    )
    dispatcher = Dispatcher(backends, executor, config)
    reconciler = Reconciler(
        backends,
        executor,
        dispatcher=dispatcher,
        settlement=Settlement(backends, capacity, max_failures_a_day=settings.max_failures_per_day),
        policy=ReconcilePolicy(capacity=capacity, job_timeout_s=settings.job_timeout_s),
    )
    return WorkLoop(backends, dispatcher=dispatcher, reconciler=reconciler, capacity=capacity)


def executor_of(settings: "ExecutorSettings") -> "Executor":
    """Return the configured executor."""
    if settings.executor == "camber":
        return _camber_of(settings)
    if settings.executor == "kubernetes":
        return _kubernetes_of(settings)
    if settings.executor == "hold":
        from rythmiq.adapters.local_executor import HoldExecutor

        return HoldExecutor()
    from rythmiq.adapters.local_executor import LocalExecutor

    if settings.local_executor_url is None:
        raise AssertionError("settings without its URL are refused")
    return LocalExecutor(settings.local_executor_url)


def _camber_of(settings: "ExecutorSettings") -> "Executor":
    from rythmiq.adapters.camber import JobConfig, Wire
    from rythmiq.adapters.camber.executor import CamberExecutor, CamberService

    if settings.camber_api_key is None:
        raise AssertionError("settings without a key are refused")
    key = settings.camber_api_key.get_secret_value()
    config = JobConfig(
        program=settings.camber_program,
        engine=settings.camber_engine,
        size=settings.camber_size,
        path=settings.camber_stash_path,
        release_digest=settings.camber_release_digest,
    )
    wire = Wire.of(
        path_jobs=settings.camber_path_jobs,
        path_logs=settings.camber_path_logs,
        list_query=settings.camber_list_query,
        create_fields=settings.camber_create_fields,
        command_field=settings.camber_command_field,
    )
    return CamberExecutor(CamberService(settings.camber_api_url or "", key, config=config, wire=wire))


def _kubernetes_of(settings: "ExecutorSettings") -> "Executor":
    from rythmiq.adapters.kubernetes import KubernetesConfig, KubernetesExecutor

    url, token, image = settings.kubernetes_api_url, settings.kubernetes_token, settings.kubernetes_image
    if url is None or token is None or image is None:
        raise AssertionError("settings without a cluster are refused")
    return KubernetesExecutor(
        KubernetesConfig(
            api_url=url,
            token=token.get_secret_value(),
            image=image,
            authorities=settings.kubernetes_ca,
            namespace=settings.kubernetes_namespace,
            secret=settings.kubernetes_secret,
            host_users=settings.kubernetes_host_users == "yes",
            job_timeout_s=settings.job_timeout_s,
        )
    )
