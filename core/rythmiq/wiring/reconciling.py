"""What ends attempts and starts the next: in a webhook, in a tick, in a GET past the lease."""

from rythmiq.clock import SystemClock
from rythmiq.contracts.payload import StorageReference
from rythmiq.crypto.key_ring import KeyRing
from rythmiq.ports.database import Database
from rythmiq.ports.store import ObjectStore
from rythmiq.services.dispatch import Dispatcher, DispatchTerms
from rythmiq.services.reconcile import Reconciler, ReconcileTerms
from rythmiq.services.settle import Settlement
from rythmiq.settings.execution import ExecutionSettings
from rythmiq.wiring.outside import capacity_of, executor_of


def reconciler_of(
    settings: ExecutionSettings, database: Database, store: ObjectStore, ring: KeyRing | None
) -> Reconciler:
    """What heals and starts."""
    clock, capacity, executor = SystemClock(), capacity_of(settings), executor_of(settings)
    dispatcher = Dispatcher(
        database=database,
        store=store,
        ring=ring,
        executor=executor,
        clock=clock,
        terms=DispatchTerms(
            storage=StorageReference(
                bucket=settings.do_spaces_bucket,
                region=settings.do_spaces_region,
                endpoint=settings.do_spaces_endpoint,
            ),
            callback_url=f"{settings.public_url}/internal/webhooks/camber",
            webhook_secret=settings.webhook_secret.get_secret_value(),
            capacity=capacity,
        ),
    )
    return Reconciler(
        database=database,
        store=store,
        ring=ring,
        executor=executor,
        clock=clock,
        dispatcher=dispatcher,
        settlement=Settlement(database=database, store=store, ring=ring, clock=clock, capacity=capacity),
        terms=ReconcileTerms(capacity=capacity, job_timeout_s=settings.job_timeout_s),
    )
