"""Composition root of the API: `application` returns one function of the platform, wired.

Only `functions/` imports it.

Source: docs/specification/configuration.md.
"""

import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from rythmiq.cold_start import defer

# Before pydantic is imported: looking for its plugins costs a cold start, and there are none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

Function = Callable[[object, object], dict[str, Any]]
APPLICATIONS: dict[str, Function] = {}
"""The functions that this process has built, by `{package}/{function}`."""


def application(name: str) -> Function:
    """Return the function `{package}/{function}`, built at the first call.

    A function that cannot be imported still answers: without a response of ours the platform would show a bare 502.
    During the first call no garbage is collected: imports make thousands of objects, and they all stay.
    """
    if name in APPLICATIONS:
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return APPLICATIONS[name]
    gc.disable()
    defer()
    try:
        # Imported here: what the module and its builder import is what may fail.
        APPLICATIONS[name] = importlib.import_module("rythmiq.wiring.functions").BUILDERS[name]()
        gc.freeze()  # an exit looks through what is not frozen: a fifth of a cold start's CPU
    except Exception as error:  # noqa: BLE001  see above
        line = {"level": "error", "event": "not_wired", "function": name, "error": repr(error)}
        print(json.dumps(line), file=sys.stderr, flush=True)  # noqa: T201  the log itself may be what failed
        return _unwired
    return APPLICATIONS[name]


def _unwired(_event: object, _context: object) -> dict[str, Any]:
    body = {
        "type": "about:blank",
        "title": "Something unexpected went wrong",
        "status": 500,
        "code": "INTERNAL",
        "detail": "The function could not be imported; its log says why.",
        "errors": [],
        "request_id": None,
    }
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    return {"statusCode": 500, "headers": headers, "body": body}
