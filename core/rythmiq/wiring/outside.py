"""What stands outside, made from settings: database, store, key ring, executor.

Of two ways to reach something only the one that is configured is imported.
"""

# ruff: noqa: PLC0415  see above

from typing import TYPE_CHECKING

from rythmiq.contracts.errors import SettingsError

if TYPE_CHECKING:
    from rythmiq.adapters.spaces import SpacesStore
    from rythmiq.crypto.key_ring import KeyRing
    from rythmiq.ports import Capacity, Database, Executor
    from rythmiq.settings import DatabaseSettings, EncryptionSettings, ExecutorSettings, StoreSettings


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
    from rythmiq.ports import Capacity

    return Capacity(max_inflight=settings.max_inflight, lease_s=settings.lease_s, max_attempts=settings.max_attempts)


def require_executor(settings: "ExecutorSettings") -> None:
    """Refuse an executor that this release does not have.

    Raises:
        SettingsError: see above.
    """
    if settings.executor in {"camber", "kubernetes"}:
        raise SettingsError(f"EXECUTOR is {settings.executor}, which this release does not have yet: local or hold")


def executor_of(settings: "ExecutorSettings") -> "Executor":
    """What starts the launcher.

    Raises:
        SettingsError: this release does not have it.
    """
    require_executor(settings)
    if settings.executor == "hold":
        from rythmiq.adapters.hold import HoldExecutor

        return HoldExecutor()
    from rythmiq.adapters.local_executor import LocalExecutor

    if settings.local_executor_url is None:
        raise AssertionError("settings without its URL are refused")
    return LocalExecutor(settings.local_executor_url)
