"""The only composition root of the API side: one entry point a function, each importing what its use case needs.

`rythmiq.wiring.{package}_{function}` puts one function together from its own imports. What is made is made once a
process: settings, clients, keys. Settings that cannot be used are read again at the next call, and until then answered
by 503 NOT_CONFIGURED.

Source: docs/architecture.md, docs/specification/configuration.md.
"""

import importlib
import json
import os
import sys
from typing import Any

from rythmiq import cold_start

# Before pydantic is imported: looking for plugins costs a cold start, and there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

Answer = dict[str, Any]


def uploads(event: object, context: object = None) -> Answer:
    """`api/uploads`."""
    return _answered("api_uploads", event, context)


def jobs(event: object, context: object = None) -> Answer:
    """`api/jobs`."""
    return _answered("api_jobs", event, context)


def portals(event: object, context: object = None) -> Answer:
    """`api/portals`."""
    return _answered("api_portals", event, context)


def account(event: object, context: object = None) -> Answer:
    """`api/account`."""
    return _answered("api_account", event, context)


def health(event: object, context: object = None) -> Answer:
    """`api/health`."""
    return _answered("api_health", event, context)


def app(event: object, context: object = None) -> Answer:
    """`api/app`."""
    return _answered("api_app", event, context)


def webhooks(event: object, context: object = None) -> Answer:
    """`internal/webhooks`."""
    return _answered("internal_webhooks", event, context)


def reconcile(event: object, context: object = None) -> Answer:
    """`internal/reconcile`."""
    return _answered("internal_reconcile", event, context)


def metrics(event: object, context: object = None) -> Answer:
    """`internal/metrics`."""
    return _answered("internal_metrics", event, context)


def _answered(name: str, event: object, context: object) -> Answer:
    """Answer even when not so much as the imports succeed; the platform would show that as a 502 without a word."""
    try:
        if f"rythmiq.wiring.{name}" not in sys.modules:
            cold_start.begin()
        answer: Answer = importlib.import_module(f"rythmiq.wiring.{name}").APPLICATION(event, context)
    except Exception as error:  # noqa: BLE001  see above
        line = {"level": "error", "event": "not_wired", "function": name, "error": repr(error)}
        print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201  the log itself may be what failed
        return _unwired()
    finally:
        cold_start.end()
    return answer


def _unwired() -> Answer:
    body = {
        "type": "about:blank",
        "title": "Something unexpected went wrong",
        "status": 500,
        "code": "INTERNAL",
        "detail": "The function could not be put together; its log says why.",
        "errors": [],
        "request_id": None,
    }
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return {"statusCode": 500, "headers": headers, "body": body}
