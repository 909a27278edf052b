"""`internal/metrics`."""

import os
from functools import cache

from rythmiq.gateway.routes.metrics import Parts, application
from rythmiq.settings.api import MetricsSettings
from rythmiq.wiring.outside import database_of
from rythmiq.wiring.public import allowed_origins


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = MetricsSettings.from_environ(os.environ)
    return Parts(database=database_of(settings), token=settings.metrics_token.get_secret_value())


APPLICATION = application(parts, allowed_origins)
