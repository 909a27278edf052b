"""The calls of a client and of a launcher over HTTP, one function each; `doors` are the functions."""

from typing import Any

import pytest

from tests.support.gateway_doors import (
    Doors,
    as_user,
)
from tests.support.service_rig import SECRET, Rig, User
from tests.support.web_calls import Seen


@pytest.fixture
def doors(rig: Rig) -> Doors:
    """The functions."""
    return Doors(rig)


def upload(doors: Doors, someone: User, **body: Any) -> Seen:
    """POST /uploads."""
    whole = body or {"filename": "मेरी photo.jpg", "mime_type": "image/jpeg", "size_bytes": 1_000}
    return doors("POST", "/api/uploads", headers=as_user(someone), document=whole)


def create(doors: Doors, rig: Rig, someone: User, *, key: str | None = None, **body: Any) -> Seen:
    """POST /jobs, on a fresh upload when nothing else is said."""
    whole = {"portal": "neet-2026", "slot": "photo", **body}
    if not {"raw_path", "artifact_url"} & set(whole):
        whole["raw_path"] = rig.upload(someone).raw_path
    headers = as_user(someone, **({"Idempotency-Key": key} if key else {}))
    return doors("POST", "/api/jobs", headers=headers, document=whole)


def show(doors: Doors, someone: User, job_id: str, query: str = "", **headers: str) -> Seen:
    """GET /jobs/{id}."""
    return doors("GET", f"/api/jobs/{job_id}", query=query, headers=as_user(someone, **headers))


def report(doors: Doors, body: Any, secret: str = SECRET) -> Seen:
    """POST /internal/webhooks/camber."""
    document = body.model_dump(mode="json") if hasattr(body, "model_dump") else body
    return doors("POST", "/internal/webhooks/camber", headers={"X-Webhook-Secret": secret}, document=document)
