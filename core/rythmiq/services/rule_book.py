"""GET /portals, GET /portals/{portal}: the rule book, for everybody.

Source: SPEC 4, 9.
"""

from typing import Any

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.portals.book import PortalUnknownError, all_portals, load_portal, portal_document, portals_document


def list_portals() -> dict[str, Any]:
    """Every portal."""
    return portals_document(all_portals())


def show_portal(portal: str) -> dict[str, Any]:
    """One portal.

    Raises:
        ProblemError: PORTAL_UNKNOWN.
    """
    try:
        return portal_document(load_portal(portal))
    except PortalUnknownError as error:
        near = f" Did you mean {' or '.join(error.near)}?" if error.near else ""
        raise ProblemError(
            ProblemCode.PORTAL_UNKNOWN, f"The rule book has no such portal; GET /portals lists what it has.{near}"
        ) from None
