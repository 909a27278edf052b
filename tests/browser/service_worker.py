"""The page's service worker, as tests of it share it: installed by a tap, and what it has kept."""

import re
from typing import Any

from playwright.sync_api import Page

from tests.browser.visitor import PAGE_DIRECTORY
from tests.e2e.cloud_process import within

CACHE = "rythmiq-page"
_FETCHED = re.compile(r'\bfetched\(\s*new URL\("\./([\w-]+\.js)"')
ON_DEMAND = {
    name for path in PAGE_DIRECTORY.glob("*.js") for name in _FETCHED.findall(path.read_text(encoding="utf-8"))
}
"""Modules that the page fetches when they are asked for."""
_WHOLE = """async (onDemand) => {
  const kept = (await (await caches.open("rythmiq-page")).keys()).map(({ url }) => url);
  const needed = performance.getEntriesByType("resource").map(({ name }) => name)
    .filter((name) => name.includes("/app/a/") && !name.endsWith(".webmanifest"));
  return needed.every((name) => kept.includes(name)) && kept.some((url) => url.endsWith("/portals"))
    && kept.some((url) => url.endsWith("/app"))
    && onDemand.every((file) => kept.some((url) => url.endsWith(`/${file}`)));
}"""


def install(page: Page) -> None:
    """Tap once, and wait until the worker is there and has everything that the page needs without a network."""
    page.locator("h1").click()
    until(page, "async () => (await navigator.serviceWorker.getRegistrations()).some(({ active }) => active)")
    until(page, _WHOLE, sorted(ON_DEMAND))


def until(page: Page, condition: str, *arguments: Any) -> None:
    """Wait until something is so in a page, which may need to be awaited there itself."""
    within(20, lambda: page.evaluate(condition, *arguments), condition)


def kept(page: Page) -> set[str]:
    """The names of the files that the worker has kept."""
    addresses = page.evaluate("async () => (await (await caches.open('rythmiq-page')).keys()).map(({ url }) => url)")
    return {str(address).rsplit("/", 1)[-1] for address in addresses}
