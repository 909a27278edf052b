"""What may happen in each state of an order, costing nothing twice: lost answers, limits, reloads, charges."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from playwright.sync_api import Route, expect

from tests.browser.conftest import CREDITS, FREE_FAILURES, Visit
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import within

HEAD = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
DIES_ONCE_THE_ORDER_IS_KEPT = """() => {
  const { put } = IDBObjectStore.prototype;
  const { transaction } = IDBDatabase.prototype;
  IDBObjectStore.prototype.put = function (record) {
    if (this.name === "orders") this.transaction.addEventListener("complete", () => { window.dead = true; });
    return put.call(this, record);
  };
  IDBDatabase.prototype.transaction = function (...names) {
    if (window.dead) throw new Error("the page is gone");
    return transaction.apply(this, names);
  };
}"""
WITHOUT_ITS_FILES = """() => new Promise((resolve) => {
  indexedDB.open("rythmiq", 1).onsuccess = ({ target: { result: database } }) => {
    const transaction = database.transaction("orders", "readwrite");
    const orders = transaction.objectStore("orders");
    orders.getAll().onsuccess = ({ target: { result } }) => result.forEach((order) =>
      orders.put({ ...order, parts: order.parts.map((part) => ({ ...part, file: null, sealed: null })) }));
    transaction.oncomplete = () => resolve(database.close());
  };
})"""
STORE, UPLOADS, JOBS = re.compile(r"/raw/"), re.compile(r"/uploads$"), re.compile(r"/jobs$")


def _at_consent(visit: Visit, portrait: bytes) -> Visitor:
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    return person


def _once(person: Visitor) -> None:
    """One job, completed, charged once."""
    person.download()
    assert [status for _, status in person.jobs()] == ["completed"]
    assert person.credits() == (CREDITS - 1, 0)


def test_the_store_has_it_already(visit: Visit, portrait: bytes) -> None:
    """An upload whose answer was lost is tried again; the store's 412 means that it is there."""
    person = _at_consent(visit, portrait)
    statuses = []

    def lose_the_first(route: Route) -> None:
        answer = route.fetch()
        statuses.append(answer.status)
        if len(statuses) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    person.page.route(STORE, lose_the_first)
    person.agree()
    _once(person)
    assert statuses == [200, 412]


def test_a_store_whose_answers_cannot_be_read(visit: Visit, portrait: bytes) -> None:
    """The upload has arrived, and no answer to it or to a second try is ever heard: the service knows where it is."""
    person = _at_consent(visit, portrait)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    person.page.route(STORE, lose)
    person.agree()
    _once(person)


def test_a_store_that_is_not_reached(visit: Visit, portrait: bytes) -> None:
    """Nothing has arrived: it says that it goes on in a moment, keeps everything, and charges nothing."""
    person = _at_consent(visit, portrait)
    person.page.route(STORE, lambda route: route.abort())
    person.agree()
    person.sees("problem.busy.title")
    assert person.credits() == (CREDITS, 0)
    person.page.unroute(STORE)
    person.press("order.go_on")
    _once(person)


def test_too_many_calls_in_a_minute(visit: Visit, portrait: bytes) -> None:
    """It says so and from when, keeps everything, and goes on by a tap."""
    person = _at_consent(visit, portrait)
    person.page.route(UPLOADS, lambda route: _limited(route, "RATE_LIMITED", 45))
    person.agree()
    person.sees("problem.busy.title")
    person.sees("refused.RATE_LIMITED")
    person.page.get_by_text(re.compile(r"^Try again in \d+ s\.$")).wait_for()
    person.screenshot("rate-limited")
    person.accessible()  # drawn anew, it would go on
    person.page.unroute(UPLOADS)
    person.press("order.go_on")
    _once(person)


def test_the_day_s_limit(visit: Visit, portrait: bytes) -> None:
    """It says from when it goes on; a reload asks the service for nothing, and keeps the file for tomorrow."""
    person = _at_consent(visit, portrait)
    person.page.route(UPLOADS, lambda route: _limited(route, "DAILY_LIMIT", 7_200))
    person.agree()
    person.sees("problem.limit.title")
    person.page.get_by_text(re.compile("^You can go on from .+")).wait_for()
    person.screenshot("daily-limit")
    person.accessible("problem.limit.title")
    before = len(person.requests)
    person.page.reload()
    person.sees("problem.limit.title")
    assert not [request for request in person.requests[before:] if UPLOADS.search(request.url)]
    person.page.unroute(UPLOADS)
    person.press("order.go_on")
    _once(person)


def test_an_order_whose_file_the_browser_threw_away(visit: Visit, portrait: bytes) -> None:
    """It says that it is gone, that nothing was charged, and leads to choosing it once more."""
    person = _at_consent(visit, portrait)
    person.page.route(UPLOADS, lambda route: _limited(route, "DAILY_LIMIT", 7_200))
    person.agree()
    person.sees("problem.limit.title")
    person.page.evaluate(WITHOUT_ITS_FILES)
    person.page.reload()
    person.sees("problem.lost.title")
    person.accessible("problem.lost.title")
    person.press("order.choose_again")
    person.sees("slot.wanted")
    assert person.credits() == (CREDITS, 0)


def test_a_failure_that_stays_charged(visit: Visit) -> None:
    """After the day's free ones it says that it took a credit, and why; what came before stays free."""
    person = visit()
    for number in range(FREE_FAILURES + 1):
        broken = HEAD + bytes([number]) * 2_000
        person.choose(("asha.jpg", broken))
        person.press("check.make")
        if number == 0:
            person.sign_in()
        person.agree()
        person.sees("failed.DECODE_FAILED")
        person.sees("failed.charged" if number == FREE_FAILURES else "failed.free")
    person.screenshot("failed-charged")
    person.accessible("failed.charged")
    assert person.credits() == (CREDITS - 1, 0)


def test_a_reload_while_the_job_is_created(visit: Visit, portrait: bytes) -> None:
    """Nothing is sent again, and it is one job."""
    person = _at_consent(visit, portrait)
    person.page.route(JOBS, lambda _route: None)
    with person.page.expect_request(JOBS):
        person.agree()
    person.page.unroute(JOBS)
    person.page.reload()
    _once(person)
    assert sum(request.method == "PUT" for request in person.requests) == 1


def test_a_reload_at_the_code(visit: Visit, portrait: bytes) -> None:
    """The address is asked for again; the file that was chosen is still there."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.page.fill("#email", person.email)
    person.press("signin.send")
    person.page.wait_for_selector("#code")
    person.page.reload()
    person.sign_in()
    person.page.get_by_text("asha.jpg", exact=True).wait_for()
    person.page.wait_for_selector("#agree")


def test_back_from_the_consent(visit: Visit, portrait: bytes) -> None:
    """Back is the check with the file; forward is the consent; nothing is sent in between."""
    person = _at_consent(visit, portrait)
    person.page.go_back()
    person.page.wait_for_selector(".clauses")
    person.page.get_by_text("asha.jpg").first.wait_for()
    person.page.go_forward()
    person.page.wait_for_selector("#agree")
    assert not any(request.method == "PUT" for request in person.requests)


def test_back_while_it_is_sent(visit: Visit, portrait: bytes) -> None:
    """The order goes on without being looked at, and stands on the device's list."""
    person = _at_consent(visit, portrait)
    held: list[Route] = []
    person.page.route(STORE, lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.page.go_back()
    person.sees("slot.wanted")
    _let_go(person, held)
    person.open("/device")
    person.page.locator("a.line", has_text="asha_photo.jpg").click()
    _once(person)


def test_leaving_before_the_order_is_shown(visit: Visit, portrait: bytes) -> None:
    """Whoever leaves while the order is being kept stays where they went; the order goes on."""
    person = _at_consent(visit, portrait)
    person.page.evaluate(
        """() => document.querySelector("form").addEventListener("submit", () => {
          location.hash = "#/p/neet-2026/photo";
        })"""
    )
    person.agree()
    person.sees("slot.wanted")
    within(60, lambda: [status for _, status in person.jobs()] == ["completed"], "the job's end")
    assert person.page.url.endswith("/app#/p/neet-2026/photo")
    person.is_well()


def test_a_draft_becomes_an_order_at_once(visit: Visit, portrait: bytes) -> None:
    """The page goes away as soon as the order is kept: afterwards there is the order alone, and it is one job."""
    person = _at_consent(visit, portrait)
    person.page.evaluate(DIES_ONCE_THE_ORDER_IS_KEPT)
    person.agree()
    person.page.wait_for_function("() => window.dead")
    person.page.reload()
    assert person.kept("drafts") == []
    person.open("/p/neet-2026/photo/make")  # the page that goes away still led to the order
    person.sees("make.no_file")
    within(60, lambda: [status for _, status in person.jobs()] == ["completed"], "the job's end")
    assert person.credits() == (CREDITS - 1, 0)


def test_the_device_s_list_says_what_has_come_of_an_order(
    visit: Visit, busy: Callable[[], AbstractContextManager[None]], portrait: bytes
) -> None:
    """While somebody looks at it: the line gets the file's name, and keeps the focus."""
    with busy():
        person = visit().make(("asha.jpg", portrait))
        person.sees("order.queue", place=1)
        person.open("/device")
        line = person.page.locator("section[aria-labelledby=history] a.line")
        expect(line).to_contain_text(person.say("order.running"))
        line.focus()
    expect(line).to_contain_text("asha_photo.jpg", timeout=60_000)
    expect(line).to_contain_text(person.say("order.completed"))
    expect(line).to_be_focused()
    person.is_well()


def test_an_upload_that_never_begins_is_given_up(visit: Visit) -> None:
    """Not even a first progress: after the client's patience it is an error that the page can explain."""
    person = visit().open()
    person.page.route(STORE, lambda _route: None)
    told = person.page.evaluate(
        """async ([source, address]) => {
          const { Client } = await import(source);
          const client = new Client(location.origin, { root: true, timeoutMs: 100, tries: 1 });
          const upload = { method: "PUT", url: address, headers: {}, fields: {} };
          const sent = client.put({ job_id: "j", upload }, new Blob(["1"]), { onProgress: () => undefined });
          return sent.then(() => "sent", (error) => error.name);
        }""",
        [person.source("rythmiq.js"), f"{person.cloud.file.s3.endpoint}/bucket/raw/a"],
    )
    assert told == "UnreachableError"


def test_consent_is_remembered_for_its_own_words(visit: Visit, portrait: bytes) -> None:
    """Once given it is ticked; whoever agreed to other words is asked anew."""
    person = _at_consent(visit, portrait)
    person.page.route(UPLOADS, lambda _route: None)
    person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.choose(("other.jpg", portrait))
    person.press("check.make")
    expect(person.page.locator("#agree")).to_be_checked()
    person.page.evaluate("() => localStorage.setItem('rythmiq.consent', 'of other words')")
    person.page.reload()
    expect(person.page.locator("#agree")).not_to_be_checked()


def test_cancelling_offline_is_said_beside_the_button(visit: Visit, portrait: bytes) -> None:
    """It is not cancelled and not lost: the reason is to be seen, and the order goes on when the network is back."""
    person = _at_consent(visit, portrait)
    person.page.route(re.compile(r"/jobs/"), lambda route: route.abort())
    person.agree()
    person.page.wait_for_selector(".stages")
    person.page.context.set_offline(True)
    person.sees("problem.offline.title")
    person.press("order.cancel")
    expect(person.page.locator("main [role=alert]").last).not_to_be_empty(timeout=40_000)
    person.page.unroute(re.compile(r"/jobs/"))
    person.page.context.set_offline(False)
    _once(person)


def _let_go(person: Visitor, held: list[Route]) -> None:
    """Let the first held request go; Playwright hands it over only while it is asked for something."""
    within(10, lambda: person.page.evaluate("() => 1") and held, "the request")
    held[0].continue_()


def _limited(route: Route, code: str, retry_after_s: int) -> None:
    route.fulfill(
        status=429,
        content_type="application/problem+json",
        headers={"Retry-After": str(retry_after_s), "Access-Control-Expose-Headers": "Retry-After"},
        json={"type": "about:blank", "title": code, "status": 429, "code": code, "detail": code, "errors": []},
    )
