"""`api/portals`: needs no configuration."""

from functools import cache

from rythmiq.gateway.application import Application
from rythmiq.gateway.routes.portals import Parts, routes
from rythmiq.services.rule_book import list_portals, show_portal
from rythmiq.wiring.public import allowed_origins, require_usable_settings


def application() -> Application[Parts]:
    """The function."""
    return Application("api/portals", routes(), parts=parts, allowed_origins=allowed_origins)


@cache
def parts() -> Parts:
    """What its handlers work with.

    Raises:
        SettingsError: what is set cannot be used.
    """
    require_usable_settings()
    return Parts(list_portals, show_portal)
