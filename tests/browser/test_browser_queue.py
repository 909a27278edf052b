"""Waiting one's turn: the place and the expected start, leaving and coming back, and thinking better of it."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.under_way import hold
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import within

Busy = Callable[[], AbstractContextManager[None]]
POLL = re.compile(r"/jobs/[0-9a-f-]{36}\?wait")
HEARS = """words => {
  const main = document.querySelector("main");
  const hear = () => { window.wasSaid ||= main.textContent.includes(words); };
  new MutationObserver(hear).observe(main, { childList: true, subtree: true, characterData: true });
}"""


@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_place_in_the_queue_is_shown_until_it_is_ones_turn(
    visit: Visit, busy: Busy, portrait: bytes, language: str
) -> None:
    """With the expected start; then the file is made without another tap."""
    person = visit(language=language)
    with busy():
        person.make(("asha.jpg", portrait))
        person.sees("order.pending")
        person.sees("order.queue", place=1)
        expected = person.say("order.expected", when="").strip()
        person.page.get_by_text(expected).wait_for()
        person.screenshot(f"queue-{language}")
    filename, _ = person.download()
    assert filename == "asha_photo.jpg"
    assert person.credits() == (CREDITS - 1, 0)
    person.is_well()


def test_a_reload_in_the_queue(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """The place is still there, and it is one job."""
    with busy():
        person = _waiting(visit, portrait)
        person.page.reload()
        person.sees("order.queue", place=1)
    person.download()
    assert [status for _, status in person.jobs()] == ["completed"]
    assert person.credits() == (CREDITS - 1, 0)


def test_a_job_in_the_queue_is_cancelled(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """The credit comes back, the upload goes, and the way to begin again is there."""
    with busy():
        person = _waiting(visit, portrait)
        person.press("order.cancel")
        person.sees("order.cancelled.what")
        person.screenshot("cancelled")
        person.accessible("order.cancelled.what")
    assert person.credits() == (CREDITS, 0)
    assert "blob" not in str(person.kept("orders"))
    within(20, lambda: person.cloud.stored_keys(f"raw/{person.user_id()}/") == [], "the upload's removal")
    person.page.reload()
    person.sees("order.cancelled.what")
    person.press("order.begin_again")
    person.sees("slot.wanted")


def test_another_tab_learns_that_it_is_cancelled(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """Cancelled in one, it is not waited for in the other."""
    with busy():
        person = _waiting(visit, portrait)
        other = Visitor(person.page.context.new_page(), person.cloud)
        other.page.goto(person.page.url)
        other.sees("order.pending")
        other.press("order.cancel")
        other.sees("order.cancelled.what")
        person.sees("order.cancelled.what")
    assert person.credits() == (CREDITS, 0)


def test_a_cancel_that_comes_too_late(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """Where the job has begun meanwhile it says so beside the button, and the file is made and charged once."""
    with busy():
        person = _waiting(visit, portrait)
        person.page.evaluate(HEARS, person.say("order.cancel.late"))
        person.page.route(POLL, hold, times=1)
        with person.page.expect_request(POLL):  # the next one: it is held on its way
            pass
        ((job_id, _),) = person.jobs()
    person.cloud.wait_for(job_id, "completed")
    person.press("order.cancel")
    person.page.wait_for_function("() => window.wasSaid")  # until the file is there, which may be at once
    person.download()
    assert person.credits() == (CREDITS - 1, 0)


def test_another_device_s_file_is_followed_in_the_list(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """What the other one makes is under way there, and then ready, without a reload."""
    with busy():
        person = _waiting(visit, portrait)
        other = _another_device(visit, person)
        line = other.page.locator("section[aria-labelledby=history] li")
        expect(line).to_contain_text(other.say("order.running"))
    person.has_file()
    expect(line).to_contain_text(other.say("order.completed"), timeout=30_000)


def test_whoever_comes_back_to_the_list_sees_what_came_meanwhile(visit: Visit, portrait: bytes) -> None:
    """A file of another device stands there once the page is seen again."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    other = _another_device(visit, person)
    other.sees("device.history.none")
    person.agree()
    person.has_file()
    other.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    other.page.locator("section[aria-labelledby=history] li").wait_for()


def _another_device(visit: Visit, person: Visitor) -> Visitor:
    """Its list of files, signed in as the same person."""
    other = visit()
    other.email = person.email
    other.open("/device")
    other.sign_in()
    other.sees("device.as", email=person.email)
    return other


def _waiting(visit: Visit, portrait: bytes) -> Visitor:
    person = visit().make(("asha.jpg", portrait))
    person.sees("order.queue", place=1)
    return person
