"""`internal/metrics`."""

import os
from functools import cache

from rythmiq.gateway.application import Application
from rythmiq.gateway.operators import require_token
from rythmiq.gateway.routes.metrics import Parts, routes
from rythmiq.gateway.routing import Guards
from rythmiq.settings import MetricsSettings
from rythmiq.wiring.outside import database_of
from rythmiq.wiring.public import allowed_origins


def application() -> Application[Parts]:
    """The function."""
    guards: Guards[Parts] = Guards(machine=lambda parts, request, _body: require_token(request, parts.token))
    return Application("internal/metrics", routes(), parts=parts, guards=guards, allowed_origins=allowed_origins)


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = MetricsSettings.from_environ(os.environ)
    return Parts(database=database_of(settings), token=settings.metrics_token.get_secret_value())
