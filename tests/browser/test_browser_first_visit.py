"""What a first visit and a return cost, on the page as it is deployed: joined, compressed, from its bundles."""

import gzip

import pytest
from playwright.sync_api import Browser, Response

from tests.e2e.cloud_process import CloudProcess

MOST_BYTES = 100_000


@pytest.mark.parametrize(("language", "most"), [("en", 5), ("hi", 5)])
def test_a_first_visit_is_five_calls_and_100_kb(
    browser: Browser, built: CloudProcess, language: str, most: int
) -> None:
    """Every answer is counted as it would be compressed on the way; a return is the document, and the rules at most."""
    context = browser.new_context(locale=f"{language}-IN")
    page = context.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108  Playwright marks it
    page.goto(f"{built.file.base_url}/app")
    page.wait_for_selector("#results a")
    page.wait_for_load_state("networkidle")
    calls = [answer.url for answer in answers if not answer.url.startswith("data:")]
    assert len(calls) <= most, calls
    sizes = {answer.url: len(gzip.compress(answer.body())) for answer in answers if answer.url in calls}
    assert sum(sizes.values()) <= MOST_BYTES, sizes
    assert all(url.startswith(built.file.base_url) for url in calls)

    page.goto("about:blank")
    page.goto(f"{built.file.base_url}/app")
    page.wait_for_selector("#results a")
    page.wait_for_load_state("networkidle")
    asked = page.evaluate(
        """() => performance.getEntriesByType("resource").filter(({ transferSize }) => transferSize > 0)
          .map(({ name }) => name)"""
    )
    assert len(asked) <= 1, asked
    context.close()
