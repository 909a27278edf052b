"""The only composition root of the API side: one entry point a function, each importing what its use case needs."""

import os
from typing import Any

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # looking for plugins costs a cold start; we have none

Event = dict[str, Any]
Answer = dict[str, Any]


def uploads(event: Event, context: object = None) -> Answer:
    """`api/uploads`."""
    return _not_yet(event, context)


def jobs(event: Event, context: object = None) -> Answer:
    """`api/jobs`."""
    return _not_yet(event, context)


def portals(event: Event, context: object = None) -> Answer:
    """`api/portals`."""
    return _not_yet(event, context)


def account(event: Event, context: object = None) -> Answer:
    """`api/account`."""
    return _not_yet(event, context)


def health(event: Event, context: object = None) -> Answer:
    """`api/health`."""
    return _not_yet(event, context)


def app(event: Event, context: object = None) -> Answer:
    """`api/app`."""
    return _not_yet(event, context)


def webhooks(event: Event, context: object = None) -> Answer:
    """`internal/webhooks`."""
    return _not_yet(event, context)


def reconcile(event: Event, context: object = None) -> Answer:
    """`internal/reconcile`."""
    return _not_yet(event, context)


def metrics(event: Event, context: object = None) -> Answer:
    """`internal/metrics`."""
    return _not_yet(event, context)


def _not_yet(_event: Event, _context: object) -> Answer:
    return {
        "statusCode": 503,
        "headers": {"Content-Type": "application/problem+json"},
        "body": {"type": "about:blank", "title": "Not built yet", "status": 503, "code": "UNAVAILABLE", "detail": "."},
    }
