"""What stands outside, made from settings: database, store, key ring, executor.

Of two ways to reach something only the one that is configured is imported.
"""

# ruff: noqa: PLC0415  see above

from typing import TYPE_CHECKING

from rythmiq.contracts.errors import SettingsError

if TYPE_CHECKING:
    from rythmiq.adapters.spaces import SpacesStore
    from rythmiq.crypto.key_ring import KeyRing
    from rythmiq.ports.database import Capacity, Database
    from rythmiq.ports.executor import Executor
    from rythmiq.settings.api import DatabaseSettings, EncryptionSettings, StoreSettings
    from rythmiq.settings.execution import ExecutorSettings


def database_of(settings: "DatabaseSettings") -> "Database":
    """Postgres when `DATABASE_URL` is set, else Supabase's Data API.

    Raises:
        SettingsError: `DATABASE_URL` cannot be used, or this bundle was built without psycopg.
    """
    from rythmiq.adapters.database import SqlDatabase

    if settings.database_url is not None:
        try:
            from rythmiq.adapters.postgres import PostgresTransport
        except ImportError:
            raise SettingsError("DATABASE_URL is set, and this bundle was built without psycopg") from None
        return SqlDatabase(PostgresTransport(settings.database_url.get_secret_value()))
    from rythmiq.adapters.supabase import SupabaseTransport

    url, anon, service = settings.supabase_url, settings.supabase_anon_key, settings.supabase_service_role_key
    if url is None or anon is None or service is None:
        raise AssertionError("settings without a database are refused")
    return SqlDatabase(SupabaseTransport(url, anon.get_secret_value(), service.get_secret_value()))


def store_of(settings: "StoreSettings") -> "SpacesStore":
    """The one bucket."""
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


def ring_of(settings: "EncryptionSettings") -> "KeyRing | None":
    """The key ring; None where plaintext is allowed and no keys are set."""
    from rythmiq.crypto.key_ring import KeyRing

    keys = settings.encryption_keys
    return None if keys is None else KeyRing.parse(keys.get_secret_value())


def capacity_of(settings: "ExecutorSettings") -> "Capacity":
    """How much the executor is given."""
    from rythmiq.ports.database import Capacity

    return Capacity(max_inflight=settings.max_inflight, lease_s=settings.lease_s, max_attempts=settings.max_attempts)


def executor_of(settings: "ExecutorSettings") -> "Executor":
    """What starts the launcher."""
    if settings.executor == "camber":
        return _camber_of(settings)
    if settings.executor == "kubernetes":
        return _kubernetes_of(settings)
    if settings.executor == "hold":
        from rythmiq.adapters.hold import HoldExecutor

        return HoldExecutor()
    from rythmiq.adapters.local_executor import LocalExecutor

    if settings.local_executor_url is None:
        raise AssertionError("settings without its URL are refused")
    return LocalExecutor(settings.local_executor_url)


def _camber_of(settings: "ExecutorSettings") -> "Executor":
    from rythmiq.adapters.camber.executor import CamberExecutor
    from rythmiq.adapters.camber.service import CamberService
    from rythmiq.adapters.camber.wire import JobTerms, Wire

    if settings.camber_api_key is None:
        raise AssertionError("settings without a key are refused")
    key = settings.camber_api_key.get_secret_value()
    terms = JobTerms(
        program=settings.camber_program,
        engine=settings.camber_engine,
        size=settings.camber_size,
        path=settings.camber_stash_path,
    )
    wire = Wire.of(
        path_jobs=settings.camber_path_jobs,
        path_logs=settings.camber_path_logs,
        list_query=settings.camber_list_query,
        create_fields=settings.camber_create_fields,
        command_field=settings.camber_command_field,
    )
    return CamberExecutor(CamberService(settings.camber_api_url or "", key, terms=terms, wire=wire))


def _kubernetes_of(settings: "ExecutorSettings") -> "Executor":
    from rythmiq.adapters.kubernetes import KubernetesExecutor, KubernetesTerms

    url, token, image = settings.kubernetes_api_url, settings.kubernetes_token, settings.kubernetes_image
    if url is None or token is None or image is None:
        raise AssertionError("settings without a cluster are refused")
    return KubernetesExecutor(
        KubernetesTerms(
            api_url=url,
            token=token.get_secret_value(),
            image=image,
            authorities=settings.kubernetes_ca,
            namespace=settings.kubernetes_namespace,
            secret=settings.kubernetes_secret,
            job_timeout_s=settings.job_timeout_s,
        )
    )
