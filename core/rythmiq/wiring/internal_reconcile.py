"""`internal/reconcile`."""

import os
from functools import cache

from rythmiq.gateway.routes.reconcile import Parts, application
from rythmiq.settings.execution import ReconcileSettings
from rythmiq.wiring.callers import webhook_auth_of
from rythmiq.wiring.outside import database_of, ring_of, store_of
from rythmiq.wiring.public import allowed_origins
from rythmiq.wiring.reconciling import reconciler_of


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = ReconcileSettings.from_environ(os.environ)
    reconciler = reconciler_of(settings, database_of(settings), store_of(settings), ring_of(settings))
    return Parts(auth=webhook_auth_of(settings), reconciler=reconciler)


APPLICATION = application(parts, allowed_origins)
