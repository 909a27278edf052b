"""What the page must never do, whatever it is shown: run a stranger's words, call others, put tokens into addresses."""

import json
import re

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Visit


def test_the_policy_refuses_strings_as_code(visit: Visit) -> None:
    """Trusted Types hold: markup, scripts and workers from strings throw, and a second policy cannot be made."""
    person = visit().open()
    refused = person.page.evaluate(
        """() => {
          const tries = [
            () => { document.createElement("div").innerHTML = "<b>x</b>"; },
            () => { new Worker("/app/config.json"); },
            () => { document.createElement("script").src = "/app/x.js"; },
            () => { trustedTypes.createPolicy("other", {}); },
            () => { trustedTypes.createPolicy("default", {}); },
          ];
          return tries.map((attempt) => { try { attempt(); return "done"; } catch (error) { return error.name; } });
        }"""
    )
    assert refused == ["TypeError"] * 5


def test_the_policy_has_nothing_unsafe(visit: Visit) -> None:
    """No `unsafe-*`, no inline code in the document."""
    person = visit()
    answer = person.page.goto(f"{person.cloud.file.base_url}/app")
    assert answer
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    html = answer.text()
    assert not re.search(r"\son\w+=|style=|<script(?![^>]*\bsrc=)", html)


def test_no_token_stands_in_an_address_or_the_history(visit: Visit, portrait: bytes) -> None:
    """Neither in the page's address nor in any request's; the store's signed addresses hold no token of ours."""
    person = visit().make(("a.jpg", portrait))
    person.has_file()
    token = person.page.evaluate("() => JSON.parse(localStorage.getItem('rythmiq.session')).access_token")
    refresh = person.page.evaluate("() => JSON.parse(localStorage.getItem('rythmiq.session')).refresh_token")
    for request in person.requests:
        assert token not in request.url
        assert refresh not in request.url
    assert token not in person.page.url


@pytest.mark.parametrize("kept", ["", "null", "5", "[]", '{"access_token": 1}', '{"access_token": "a"}', "{"])
def test_a_session_that_is_none_signs_nobody_in(visit: Visit, kept: str) -> None:
    """Whatever stands in its place on the device, the page opens, and asks for an address."""
    person = visit()
    person.page.add_init_script(f"localStorage.setItem('rythmiq.session', {json.dumps(kept)})")
    person.open("/device")
    person.page.wait_for_selector("#email")
    person.is_well()


def test_a_code_that_this_tab_did_not_ask_for_is_not_used(visit: Visit) -> None:
    """It leaves the address, and signs nobody in."""
    person = visit()
    person.page.goto(f"{person.cloud.file.base_url}/app?code=stolen-code")
    person.page.wait_for_selector("#search")
    assert person.page.url == f"{person.cloud.file.base_url}/app"
    assert not any("token" in request.url for request in person.requests)
    assert person.page.evaluate("() => localStorage.getItem('rythmiq.session')") is None


def test_a_code_leaves_the_address_before_anything_arrives(visit: Visit) -> None:
    """At once: while the rule book and the words are still on their way."""
    person = visit()
    person.page.route("**/portals", lambda _route: None)
    person.page.route("**/en.json", lambda _route: None)
    person.page.goto(f"{person.cloud.file.base_url}/app?code=fresh-code#/p/sbi/photo")
    person.page.wait_for_url(re.compile(r"/app$"))
    assert "fresh-code" not in person.page.evaluate("() => JSON.stringify(navigation.entries().map(({ url }) => url))")


def test_a_shared_host_gets_preflight_only(visit: Visit, portrait: bytes) -> None:
    """Where the origin is not the page's own nobody signs in, nothing is kept, and no worker is registered."""
    person = visit()

    def elsewhere(route: Route) -> None:
        answer = route.fetch()
        html = answer.text().replace(
            f"[&quot;{person.cloud.file.base_url}&quot;]", "[&quot;https://files.example.org&quot;]"
        )
        route.fulfill(response=answer, body=html)

    person.page.route(re.compile(r"/app$"), elsewhere)
    person.choose(("a.jpg", portrait))
    person.page.get_by_text(person.say("check.device")).click()
    assert person.page.locator(f"text={person.say('check.make')}").count() == 0
    assert person.page.locator('a[href$="/camera"]').count() == 0
    person.page.locator("header button").click()
    person.page.wait_for_selector("html[lang=hi]")
    assert person.page.evaluate("() => localStorage.length") == 0
    assert person.page.evaluate("async () => (await indexedDB.databases()).length") == 0
    assert person.page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0
    assert person.page.locator('a[href^="https://files.example.org/app"]').count() == 1
    person.screenshot("shared-host")
    # A permission is an origin's, and this one has strangers.
    person.page.evaluate("() => { location.hash = '#/p/ssc/rehearse'; }")
    person.sees("missing.title")


@pytest.mark.parametrize("language", ["en", "hi"])
def test_a_first_visit_asks_this_origin_alone(visit: Visit, language: str) -> None:
    """Nothing of another origin, no cookie."""
    person = visit(language=language).open()
    person.page.wait_for_timeout(300)
    person.is_well()
    assert person.page.context.cookies() == []
