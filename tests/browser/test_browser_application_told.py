"""What the list of a whole application says while somebody is at it, and what it leaves as it is."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.under_way import refuse
from tests.browser.visitor import Visitor
from tests.browser.whole_application import PATH, another_tab, only, pick, zipped
from tests.samples.signature import signature_photo
from tests.support.worker_uploads import encoded

JOB = re.compile(r"/jobs/[0-9a-f-]{36}(\?.*)?$")
DELETED_ELSEWHERE = """async (address) => {
  const { access_token } = JSON.parse(localStorage.getItem("rythmiq.session"));
  await fetch(address, { method: "DELETE", headers: { Authorization: `Bearer ${access_token}` } });
}"""
NOTHING_IS_READ = (
    "() => void (IDBObjectStore.prototype.get = () => { throw new DOMException('gone', 'UnknownError'); })"
)


@pytest.fixture(scope="module")
def signature() -> bytes:
    """Ink on paper."""
    return encoded(signature_photo((1200, 600)), quality=90)


def test_a_file_that_was_deleted_leaves_the_zip(visit: Visit, portrait: bytes, signature: bytes) -> None:
    """By another device: it is said, and the ZIP is of the others. In another tab: the list knows at once."""
    person, job = _with_both_made(visit, portrait, signature)
    person.page.evaluate(DELETED_ELSEWHERE, f"{person.cloud.file.base_url}/api/jobs/{job}")
    person.press("application.zip", count=2)
    person.sees("application.gone", names=person.say("slot.photo"))
    person.sees("application.missing", names=person.say("slot.photo"))
    assert len(zipped(person, count=1)) == 1
    other = another_tab(person)
    other.page.click("#look-signature")
    other.has_file()
    other.press("delete.now")
    other.press("delete.yes")
    person.sees("application.done", done=0, of=2)


def test_a_file_past_its_time_leaves_the_zip(visit: Visit, portrait: bytes, signature: bytes) -> None:
    """The service still knows the job, but has no file of it any more: that is said, and the ZIP is of the others."""
    person, job = _with_both_made(visit, portrait, signature)
    person.page.route(re.compile(rf"/jobs/{job}(\?.*)?$"), _past_its_time)
    person.page.route(re.compile(rf"/output/.*{job}"), lambda route: route.fulfill(status=404))
    person.press("application.zip", count=2)
    person.sees("application.gone", names=person.say("slot.photo"))
    person.sees("application.missing", names=person.say("slot.photo"))
    assert len(zipped(person, count=1)) == 1


def test_what_waits_for_the_person_is_missing(visit: Visit, portrait: bytes) -> None:
    """A file that no credit is left for: the list says so, and not that nothing is missing."""
    person = visit().open(PATH)
    only(person, "photo")
    pick(person, "photo", ("asha.jpg", portrait))
    person.sign_in()
    person.page.route("**/jobs", lambda route: refuse(route, 402, "NO_CREDIT"))
    person.agree("application.make", count=1)
    person.sees("problem.no-credit.title")
    person.sees("application.missing", names=person.say("slot.photo"))


def test_one_that_does_not_hold_every_rule_says_so(visit: Visit, portrait: bytes) -> None:
    """As its own page does; and two taps on the ZIP are one."""
    person = visit().open(PATH)
    only(person, "photo")
    pick(person, "photo", ("asha.jpg", portrait))
    person.sign_in()
    person.page.route(JOB, _with_something_to_look_at)
    person.agree("application.make", count=1)
    person.sees("order.completed.but")
    asked = len(person.requests)
    person.page.evaluate("() => [1, 2].forEach(() => document.querySelector('#zip').click())")
    person.page.wait_for_selector("#zip:not([aria-disabled])")
    assert sum(JOB.search(request.url) is not None for request in person.requests[asked:]) == 1


def test_what_is_typed_stays(visit: Visit, portrait: bytes) -> None:
    """A list that is drawn anew leaves the address, the tick and the focus where they are."""
    person = visit().open(PATH)
    pick(person, "photo", ("asha.jpg", portrait))
    person.page.fill("#email", "asha@exam")
    person.page.click("#want-signature")
    expect(person.page.locator("#want-signature")).not_to_be_checked()
    person.sees("application.nothing_missing")
    assert person.page.input_value("#email") == "asha@exam"
    person.sign_in()
    person.page.check("#agree")
    person.page.click("#want-signature")
    person.sees("application.missing", names=person.say("slot.signature"))
    expect(person.page.locator("#agree")).to_be_checked()
    expect(person.page.locator("#want-signature")).to_be_focused()


def test_what_comes_of_a_file_is_said(visit: Visit, portrait: bytes, signature: bytes) -> None:
    """Also of one that another tab has made; and whoever is at the ZIP stays there."""
    person = visit().open(PATH)
    pick(person, "photo", ("asha.jpg", portrait))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=2)
    status = person.page.locator("#status")
    expect(status).to_have_text(f"{person.say('slot.photo')}: {person.say('order.completed')}")
    person.page.focus("#zip")
    other = another_tab(person)
    pick(other, "signature", ("sign.jpg", signature))
    other.agree("application.make", count=1)
    person.sees("application.done", done=2, of=2)
    expect(status).to_have_text(f"{person.say('slot.signature')}: {person.say('order.completed')}")
    expect(person.page.locator("#zip")).to_be_focused()


def test_a_device_that_reads_nothing_any_more(visit: Visit, portrait: bytes) -> None:
    """What was chosen is still known to this tab."""
    person = visit().choose(("asha.jpg", portrait))
    person.page.evaluate(NOTHING_IS_READ)
    person.press("check.make")
    person.page.wait_for_selector("#email")


def _with_both_made(visit: Visit, portrait: bytes, signature: bytes) -> tuple[Visitor, str]:
    """Somebody whose two files are made, and the photo's job."""
    person = visit().open(PATH)
    pick(person, "photo", ("asha.jpg", portrait))
    pick(person, "signature", ("sign.jpg", signature))
    person.sign_in()
    person.agree("application.make", count=2)
    person.sees("application.done", done=2, of=2)
    (job,) = (order["job_id"] for order in person.kept("orders") if order["slot"] == "photo")
    return person, str(job)


def _past_its_time(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "expires_at": "2026-01-01T00:00:00Z"})


def _with_something_to_look_at(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, json={**answer.json(), "conforms": False})
