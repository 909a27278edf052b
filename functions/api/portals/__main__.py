"""The function `api/portals`."""

from typing import Any

from rythmiq.wiring import portals


def main(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Answer one event of the platform."""
    return portals(event, context)
