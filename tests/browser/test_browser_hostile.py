"""Whatever a file, a form, a receipt or an answer is called, the page shows it as words, and in their place."""

import json
import re

from playwright.sync_api import Route

from tests.attacks.rendering import HOSTILE as NAMES
from tests.attacks.rendering import STEERING
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

HOSTILE = "<img src=x onerror=window.hacked=1>\"'><script>window.hacked=1</script>{brand}.jpg"


def test_hostile_file_names_are_words(visit: Visit, portrait: bytes) -> None:
    """A name with markup, quotes and one of our parameters is shown as it is, everywhere to the end."""
    person = visit().choose((HOSTILE, portrait))
    person.page.get_by_text(HOSTILE, exact=True).first.wait_for()
    person.press("check.make")
    person.sign_in()
    person.page.get_by_text(HOSTILE, exact=True).first.wait_for()
    person.agree()
    filename, _ = person.download()
    assert re.fullmatch(r"[A-Za-z0-9._-]+", filename)
    assert person.page.evaluate("() => window.hacked") is None
    person.is_well()


def test_hostile_portals_and_receipts_are_words(visit: Visit, portrait: bytes) -> None:
    """A rule book, a receipt and advice that somebody has put markup into stay words, and their links lead nowhere."""
    person = visit()

    def poisoned(route: Route) -> None:
        answer = route.fetch()
        portals = answer.json()
        for portal in portals["portals"]:
            portal["name"] = f"{portal['name']} {HOSTILE}"
            for slot in portal["slots"]:
                for source in slot["sources"].values():
                    source["source_url"] = "javascript:window.hacked=1"
                    source["note"] = HOSTILE
        route.fulfill(response=answer, json=portals)

    def poisoned_job(route: Route) -> None:
        answer = route.fetch()
        if answer.status != 200:
            route.fulfill(response=answer)
            return
        text = answer.text()
        view = json.loads(text)
        if view.get("receipt"):
            for clause in view["receipt"]["clauses"]:
                clause["measured"] = HOSTILE
                clause["wanted"] = HOSTILE
                clause["clause"] = HOSTILE
            view["warnings"] = [f"NEW: {HOSTILE}"]
            view["advice"] = [{"code": HOSTILE, "parameters": {"reason": HOSTILE}}]
        route.fulfill(response=answer, json=view)

    person.page.route("**/portals", poisoned)
    person.page.route(re.compile(r"/jobs/[0-9a-f-]{36}"), poisoned_job)
    person.make(("a.jpg", portrait))
    person.has_file()
    assert person.page.get_by_text(HOSTILE).count() > 0
    person.page.go_back()
    person.press("slot.sources")
    links = person.page.locator(".source a")
    assert {links.nth(index).get_attribute("href") for index in range(links.count())} == {"#"}
    assert person.page.evaluate("() => window.hacked") is None
    person.is_well()


BROKEN = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(2_000)
ALL = [text.encode(errors="replace").decode() for text in NAMES.values()]


def _harmless(person: Visitor) -> None:
    """Nothing ran, no element came of it, nothing turns a line, and nothing is wider than the window."""
    main = person.page.locator("main")
    assert not STEERING.search(main.evaluate("element => element.textContent")), person.page.url
    assert main.locator("script, style, iframe, [onerror], img[src=x], a[href^='javascript' i]").count() == 0
    assert person.page.evaluate("() => [window.hacked, document.documentElement.scrollWidth - innerWidth]") == [None, 0]


def test_every_hostile_file_name_is_words(visit: Visit, portrait: bytes) -> None:
    """One after the other where a file is checked, and all of them where pages are; down to the last step."""
    person = visit().open("/p/neet-2026/photo")
    page = person.page
    for text in ALL:
        page.set_input_files("#file", {"name": text, "mimeType": "image/jpeg", "buffer": portrait})
        name = page.locator(".picked strong")
        page.wait_for_function(
            "size => document.querySelector('.picked strong')?.textContent.length === size", arg=len(text)
        )
        assert name.text_content() == re.sub(r"[\x00-\x1f]", "\ufffd", STEERING.sub("\ufffd", text))
        _harmless(person)
    person.choose(*((text, b"no picture") for text in ALL), path="/p/college-generic/document-pdf")
    person.sees("check.unusable")
    _harmless(person)
    person.choose((NAMES["a turn of direction"], portrait))
    person.press("check.make")
    person.sees("make.title")
    _harmless(person)
    person.is_well()


def test_every_hostile_name_of_a_form_is_words(visit: Visit) -> None:
    """On the start, where one is found, and in each one's own view."""
    person = visit()
    addresses: list[str] = []

    def poisoned(route: Route) -> None:
        answer = route.fetch()
        book = answer.json()
        for portal, text in zip(book["portals"], filter(None, ALL), strict=False):
            portal["name"] = text
            addresses.append(f"/p/{portal['portal']}")
        route.fulfill(response=answer, json=book)

    person.page.route("**/portals", poisoned)
    person.open("/")
    _harmless(person)
    person.page.fill("#search", "photo")
    _harmless(person)
    assert len(addresses) == len(ALL) - 1, "all but the empty one"
    for address in addresses:
        person.open(address)
        _harmless(person)
    person.open(f"/a/{addresses[0].rpartition('/')[2]}")
    _harmless(person)
    person.is_well()


def test_every_hostile_answer_is_words(visit: Visit, portrait: bytes) -> None:
    """The file's name, what was done to it, its clauses, and why a job failed; text that was read is never fetched."""
    person = visit()
    told = {"text": ""}

    def poisoned(route: Route) -> None:
        answer = route.fetch()
        view, text = answer.json() if answer.status == 200 else {}, told["text"]
        if text and view.get("error"):
            view["error"] = {**view["error"], "code": text, "stage": text, "message": text, "detail": {"why": text}}
        elif text and view.get("receipt"):
            view["receipt"]["document"]["filename"] = text
            view["receipt"]["operations"] = [{"op": one, "parameters": {"page": one}} for one in ALL]
            clause = view["receipt"]["clauses"][0]
            view["receipt"]["clauses"] = [{**clause, "clause": one, "measured": one, "wanted": one} for one in ALL]
            view["links"]["text"] = f"{person.cloud.file.s3.endpoint}/text-that-was-read"
            view["artifacts"]["text_path"] = "output/text-that-was-read"
        route.fulfill(response=answer, body=json.dumps(view) if view else answer.text())

    person.page.route(re.compile("/jobs/[0-9a-f-]{36}"), poisoned)
    person.make(("a.jpg", portrait)).has_file()
    address = person.page.url.partition("#")[2]
    for told["text"] in filter(None, ALL):
        person.open("/privacy").open(address)
        person.has_file()
        person.page.wait_for_selector(".compare img")
        _harmless(person)
    told["text"] = ""
    person.choose(("a.jpg", BROKEN))
    person.press("check.make")
    person.agree()
    person.sees("failed.DECODE_FAILED")
    address = person.page.url.partition("#")[2]
    for told["text"] in filter(None, ALL):
        person.open("/privacy").open(address)
        person.sees("failed.INTERNAL_ERROR")
        _harmless(person)
    assert not [request for request in person.requests if "text-that-was-read" in request.url]
    person.is_well()
