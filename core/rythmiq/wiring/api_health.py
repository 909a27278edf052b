"""`api/health`: shallow, it needs no configuration."""

import os
from functools import cache

from rythmiq.gateway.routes.health import Deep, Parts, application
from rythmiq.settings.api import HealthSettings
from rythmiq.wiring.outside import database_of
from rythmiq.wiring.public import allowed_origins, require_usable_settings


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: what is set cannot be used.
    """
    require_usable_settings()
    return Parts(deep=deep)


@cache
def deep() -> Deep:
    """What a deep look needs.

    Raises:
        SettingsError: the environment cannot be used.
    """
    settings = HealthSettings.from_environ(os.environ)
    return Deep(database=database_of(settings), token=settings.metrics_token.get_secret_value())


APPLICATION = application(parts, allowed_origins)
