"""What axe-core finds in a page as it stands, light and dark."""

from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
STILL = """() => document.getAnimations().every(({ playState, effect }) =>
  playState !== "running" || effect.getComputedTiming().iterations === Infinity)"""
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

Violations = list[tuple[str, str, str, str]]
"""Language and theme, the rule, and the element."""


def violations(page: Page) -> Violations:
    """What axe finds in both themes, in an isolated world, so that the policy stays as it is.

    Args:
        page: in the state that is looked at; it stays in it, and keeps its theme.
    """
    session = page.context.new_cdp_session(page)
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})["executionContextId"]

    def run(expression: str) -> Any:
        answer = session.send(
            "Runtime.evaluate",
            {"expression": expression, "contextId": world, "awaitPromise": True, "returnByValue": True},
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    before = THEMES[page.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")]
    run(AXE.read_text(encoding="utf-8"))
    found: Violations = []
    for theme in (THEMES[before == "light"], before):  # its own is the last
        page.emulate_media(color_scheme=theme)
        page.wait_for_function(STILL)
        language = page.locator("html").get_attribute("lang") or ""
        broken = run(f"axe.run(document, {{ runOnly: {TAGS!r} }}).then((result) => result.violations)")
        found += [(language, theme, rule["id"], node["html"][:120]) for rule in broken for node in rule["nodes"]]
    session.detach()
    return found
