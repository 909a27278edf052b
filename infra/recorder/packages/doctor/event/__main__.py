"""The function `doctor/event`: it answers with the event it was given, and with the names of what stands around it."""

import os
import sys
from typing import Any


def main(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Answer one event; no value of the environment or the context is revealed."""
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store"},
        "body": {
            "event": event,
            "context": {name: type(getattr(context, name)).__name__ for name in dir(context) if name[0] != "_"},
            "environment": sorted(name for name in os.environ if name.startswith("__OW_")),
            "python": ".".join(map(str, sys.version_info[:3])),
        },
    }
