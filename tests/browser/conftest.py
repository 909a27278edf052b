"""A real Chromium on a real `rythmiq up`: what a student sees, on a phone and on a desktop, in both languages."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import CloudProcess, within
from tests.support import worker_uploads

# The headless shell is what Playwright takes by default, at half the CPU of the whole Chromium, which does as well.
CHROMIUMS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
CHROMIUM = next(filter(Path.exists, CHROMIUMS), None)
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
# The page in one file: in 80 it is as good, but each test would have all of them served. Bundles are of 3.11.
JOINED = ("--bundles",) if sys.version_info[:2] == (3, 11) else ()
CREDITS, GUEST_CREDITS, MAX_UPLOAD_BYTES, FREE_FAILURES = 20, 1, 4_000_000, 1


@pytest.fixture(scope="session")
def playwright_() -> Iterator[Playwright]:
    """Playwright, where there is a Chromium for it."""
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium: .ci/run installs it")
        pytest.skip("needs Chromium: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright_: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, with a camera that is not there."""
    browser = playwright_.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def faults_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the executor is told to do wrong."""
    return tmp_path_factory.mktemp("faults") / "faults.json"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, faults_file: Path) -> Iterator[CloudProcess]:
    """The whole service: one job at a time, a trial of one for guests, and a second failure of a day is charged."""
    process = CloudProcess(
        tmp_path_factory.mktemp("browser") / "cloud",
        *("--port", "0", "--reconcile-every-s", "1", "--executor-faults", str(faults_file)),
        *JOINED,
        environ={
            "INITIAL_CREDITS": str(CREDITS),
            "GUEST_CREDITS": str(GUEST_CREDITS),
            "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
            "MAX_INFLIGHT": "1",
            "MAX_FAILURES_PER_DAY": str(FREE_FAILURES),
        },
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """The service from its bundles, which hold the page as `make bundle` builds it; pages elsewhere may call it."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("bundles are built for Python 3.11, the platform's")
    process = CloudProcess(
        tmp_path_factory.mktemp("built") / "cloud", "--port", "0", "--bundles", environ={"ALLOWED_ORIGINS": "*"}
    )
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def seasoned(cloud: CloudProcess) -> CloudProcess:
    """The service after a first job, from which it foretells when the next ones start."""
    client = cloud.client()
    client.wait(client.submit(worker_uploads.blank(), "sbi", "signature", filename="s.jpg").job_id)
    return cloud


@pytest.fixture
def busy(seasoned: CloudProcess, faults_file: Path) -> Callable[[], AbstractContextManager[None]]:
    """Have somebody else's job hold the only place, so that whoever comes waits, as long as the context lasts."""

    @contextlib.contextmanager
    def held() -> Iterator[None]:
        is_free = "select not exists (select from public.jobs where status in ('pending', 'processing'))"
        within(60, lambda: seasoned.rows(is_free) == [(True,)], "the end of earlier jobs")
        faults_file.write_text(json.dumps([{"hold": True}]), encoding="utf-8")
        try:
            other = seasoned.client().submit(worker_uploads.blank(), "sbi", "signature", filename="s.jpg").job_id
            seasoned.wait_for(other, "processing")
            yield
        finally:
            faults_file.write_text("[]", encoding="utf-8")

    return held


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
