"""`api/portals`: needs no configuration."""

from functools import cache

from rythmiq.gateway.routes.portals import Parts, application
from rythmiq.services.rule_book import list_portals, show_portal
from rythmiq.wiring.public import allowed_origins, require_usable_settings


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: what is set cannot be used.
    """
    require_usable_settings()
    return Parts(list_portals, show_portal)


APPLICATION = application(parts, allowed_origins)
