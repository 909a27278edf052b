"""What a first visit and a return cost, on the page as it is deployed: joined, compressed, from its bundles."""

import gzip
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Response

from tests.e2e.cloud_process import CloudProcess

MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """The service from its bundles, which hold the page as `make bundle` builds it."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("bundles are built for the platform's Python")
    process = CloudProcess(tmp_path_factory.mktemp("first") / "cloud", "--port", "0", "--bundles")
    process.start()
    yield process
    process.stop()


@pytest.mark.parametrize(("language", "most"), [("en", 5), ("hi", 5)])
def test_a_first_visit_is_five_calls_and_100_kb(
    browser: Browser, bundled: CloudProcess, language: str, most: int
) -> None:
    """Every answer is counted as it would be compressed on the way; a return is the document, and the rules at most."""
    context = browser.new_context(locale=f"{language}-IN")
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108  Playwright marks it
    page.goto(f"{bundled.file.base_url}/app")
    page.wait_for_selector("#results a")
    page.wait_for_load_state("networkidle")
    calls = [answer.url for answer in answers if not answer.url.startswith("data:")]
    assert len(calls) <= most, calls
    sizes = {answer.url: len(gzip.compress(answer.body())) for answer in answers if answer.url in calls}
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    assert all(url.startswith(bundled.file.base_url) for url in calls)

    page.goto("about:blank")
    page.goto(f"{bundled.file.base_url}/app")
    page.wait_for_selector("#results a")
    page.wait_for_load_state("networkidle")
    asked = page.evaluate(
        """() => performance.getEntriesByType("resource").filter(({ transferSize }) => transferSize > 0)
          .map(({ name }) => name)"""
    )
    assert len(asked) <= 1, asked
    context.close()


def test_the_joined_page_seals_in_its_worker(browser: Browser, bundled: CloudProcess) -> None:
    """The worker of the joined page starts under the policy, and what it seals has the right length."""
    page = browser.new_page()
    broken: list[str] = []
    page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(f"{bundled.file.base_url}/app#/p/sbi/photo")
    page.wait_for_selector("#file", state="attached")
    assert broken == []
    page.close()
