"""GET /portals, GET /portals/{portal}: the rule book, for everybody.

Source: docs/specification/http-api.md, docs/specification/portals.md.
"""

import datetime as dt
from typing import Any

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.portals.book import PortalUnknownError, all_portals, load_portal, portal_document, portals_document


def list_portals(today: dt.date) -> dict[str, Any]:
    """Every portal, with what it warns of on that day."""
    return portals_document(all_portals(), today)


def show_portal(portal: str, today: dt.date) -> dict[str, Any]:
    """One portal, by its slug or an alias.

    Raises:
        ProblemError: PORTAL_UNKNOWN.
    """
    try:
        return portal_document(load_portal(portal), today)
    except PortalUnknownError as error:
        near = f" Did you mean {' or '.join(error.near)}?" if error.near else ""
        raise ProblemError(
            ProblemCode.PORTAL_UNKNOWN, f"The rule book has no such portal; GET /portals lists what it has.{near}"
        ) from None
