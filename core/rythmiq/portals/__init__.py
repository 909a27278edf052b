"""The rule book: one TOML a portal, each number with its source."""

from rythmiq.portals.book import PortalUnknownError, all_portals, load_portal, portals_document

__all__ = ["PortalUnknownError", "all_portals", "load_portal", "portals_document"]
