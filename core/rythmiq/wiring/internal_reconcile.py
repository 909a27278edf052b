"""`internal/reconcile`."""

import os
from functools import cache

from rythmiq.gateway.application import Application
from rythmiq.gateway.routes.reconcile import Parts, on_trigger, routes
from rythmiq.gateway.routing import Guards
from rythmiq.settings import ReconcileSettings
from rythmiq.wiring.callers import shown_secret, webhook_auth_of
from rythmiq.wiring.outside import database_of, ring_of, store_of
from rythmiq.wiring.public import allowed_origins
from rythmiq.wiring.reconciling import reconciler_of


def application() -> Application[Parts]:
    """The function."""
    guards: Guards[Parts] = Guards(
        machine=lambda parts, request, _body: parts.auth.require_secret(shown_secret(request))
    )
    return Application(
        "internal/reconcile",
        routes(),
        parts=parts,
        guards=guards,
        allowed_origins=allowed_origins,
        on_trigger=on_trigger,
    )


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = ReconcileSettings.from_environ(os.environ)
    reconciler = reconciler_of(settings, database_of(settings), store_of(settings), ring_of(settings))
    return Parts(auth=webhook_auth_of(settings), reconciler=reconciler)
