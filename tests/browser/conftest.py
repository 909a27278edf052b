"""A real Chromium on a real `rythmiq up`: what a student sees, on a phone and on a desktop, in both languages."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import CloudProcess
from tests.support import worker_uploads

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",  # the tests run as root in CI
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
CREDITS, GUEST_CREDITS, MAX_UPLOAD_BYTES = 20, 1, 4_000_000


@pytest.fixture(scope="session")
def playwright_() -> Iterator[Playwright]:
    """Playwright, where there is a Chromium for it."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"no {CHROMIUM}: .ci/run installs it")
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright_: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, with a camera that is not there."""
    browser = playwright_.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """The whole service, with a trial of one job for guests."""
    process = CloudProcess(
        tmp_path_factory.mktemp("browser") / "cloud",
        *("--port", "0", "--reconcile-every-s", "1"),
        environ={
            "INITIAL_CREDITS": str(CREDITS),
            "GUEST_CREDITS": str(GUEST_CREDITS),
            "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
        },
    )
    process.start()
    yield process
    process.stop()


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(playwright_: Playwright, browser: Browser, cloud: CloudProcess) -> Iterator[Visit]:
    """Make a visitor: `visit(device="phone", language="en", theme="light", permissions=...)`."""
    contexts = []

    def make(
        device: str = "phone", language: str = "en", theme: Literal["light", "dark"] = "light", **more: Any
    ) -> Visitor:
        shape: dict[str, Any] = (
            playwright_.devices["Pixel 7"] if device == "phone" else {"viewport": {"width": 1280, "height": 900}}
        )
        context = browser.new_context(
            **shape, locale=f"{language}-IN", color_scheme=theme, accept_downloads=True, **more
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        return Visitor(context.new_page(), cloud)

    yield make
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """A person's portrait, as a phone sends it."""
    return worker_uploads.portrait()
