"""What is to be seen while the page loads: its first words before anything else is fetched, and nothing that moves."""

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Route

SHIFTS = """() => {
  window.shifted = 0;
  new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => (window.shifted += value)))
    .observe({ type: "layout-shift", buffered: true });
}"""


@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_first_words_wait_for_nothing_and_stay_where_they_are(visit: Visit, language: str) -> None:
    """Neither sentences nor the rule book are there yet; when they come, nothing that is seen is pushed away."""
    person = visit(language=language)
    held: list[Route] = []
    person.page.route(re.compile(rf"/{language}\.json$|/portals$"), lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    person.page.add_init_script(f"({SHIFTS})()")
    person.page.goto(f"{person.cloud.file.base_url}/app")
    person.sees("home.lead")
    person.page.wait_for_function("() => performance.getEntriesByType('paint').length > 0")
    for route in held:
        route.continue_()
    person.page.wait_for_selector("#results a")
    person.page.wait_for_function("() => document.querySelector('footer a') !== null")
    person.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert len(held) == 2
    assert person.page.evaluate("() => window.shifted") < 0.01
    person.is_well()


def test_a_page_that_cannot_load_says_so_in_both_languages(visit: Visit) -> None:
    """Its sentences do not come: what happened, that nothing was sent, and a button that tries it again."""
    person = visit(service_workers="block")
    person.page.route("**/en.json", lambda route: route.abort())
    person.page.goto(f"{person.cloud.file.base_url}/app")
    again = person.page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    expect(person.page.locator("main p[lang=hi]")).to_be_visible()
    person.accessible()
    person.page.unroute("**/en.json")
    again.click()
    person.page.wait_for_selector("#results a")
