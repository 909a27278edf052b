"""What functions share that answer everybody: CORS, which a refusal needs too."""

import os
from functools import cache

from rythmiq.contracts.errors import SettingsError
from rythmiq.settings.api import CorsSettings


def require_usable_settings() -> None:
    """Refuse an `ALLOWED_ORIGINS` that cannot be read.

    Raises:
        SettingsError: see above.
    """
    CorsSettings.from_environ(os.environ)


@cache
def allowed_origins() -> frozenset[str]:
    """Which pages' browsers may read the answers; none when the setting cannot be read."""
    try:
        return frozenset(CorsSettings.from_environ(os.environ).allowed_origins)
    except SettingsError:
        return frozenset()
