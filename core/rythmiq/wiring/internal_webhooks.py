"""`internal/webhooks`; what starts the next job is imported when there is one."""

import os
from functools import cache
from typing import TYPE_CHECKING

from rythmiq.clock import SystemClock
from rythmiq.gateway.routes.webhooks import Parts, application
from rythmiq.services.settle import Settlement
from rythmiq.services.webhooks import Webhooks
from rythmiq.settings.execution import WebhooksSettings
from rythmiq.wiring.callers import webhook_auth_of
from rythmiq.wiring.outside import capacity_of, database_of, ring_of, store_of
from rythmiq.wiring.public import allowed_origins

if TYPE_CHECKING:
    from rythmiq.services.reconcile import Reconciler


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = WebhooksSettings.from_environ(os.environ)
    database, store, ring = database_of(settings), store_of(settings), ring_of(settings)

    @cache
    def reconciler() -> "Reconciler":
        from rythmiq.wiring.reconciling import reconciler_of  # noqa: PLC0415  see the module docstring

        return reconciler_of(settings, database, store, ring)

    settlement = Settlement(
        database=database, store=store, ring=ring, clock=SystemClock(), capacity=capacity_of(settings)
    )
    webhooks = Webhooks(database=database, settlement=settlement, reconciler=reconciler)
    return Parts(auth=webhook_auth_of(settings), webhooks=webhooks)


APPLICATION = application(parts, allowed_origins)
