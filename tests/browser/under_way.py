"""What tests of an order under way share: what they hold or refuse on its way, and what must have come of it."""

import re

from playwright.sync_api import Route

from tests.browser.conftest import CREDITS
from tests.browser.visitor import Visitor

STORE = re.compile(r"/raw/")
LOCKS = "async () => { const { held, pending } = await navigator.locks.query(); return held.length + pending.length; }"


def went_well(person: Visitor, *, credits_left: int = CREDITS - 1) -> None:
    """One job, completed and charged once, and the file can be had."""
    filename, content = person.download()
    assert filename
    assert content[:3] == b"\xff\xd8\xff"
    assert [status for _, status in person.jobs()] == ["completed"]
    assert person.credits() == (credits_left, 0)


def uploads_of(person: Visitor) -> int:
    """How many uploads this tab has begun."""
    return sum(request.method == "PUT" and STORE.search(request.url) is not None for request in person.requests)


def refuse(route: Route, status: int, code: str, **headers: str) -> None:
    """Answer as the service does when it refuses."""
    route.fulfill(
        status=status,
        content_type="application/problem+json",
        headers=headers,
        json={"type": "about:blank", "title": code, "status": status, "code": code, "detail": code, "errors": []},
    )


def hold(_route: Route) -> None:
    """Never answer."""
