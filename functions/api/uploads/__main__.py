"""The function `api/uploads`."""

from typing import Any

from rythmiq.wiring import uploads


def main(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Answer one event of the platform."""
    return uploads(event, context)
