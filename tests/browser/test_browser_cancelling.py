"""Cancelling: what reads "cancelled" is never made or charged, from whichever tab and at whichever moment it was."""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Error, Request, Route, expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.under_way import LOCKS, STORE, hold, refuse, went_well
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import CloudProcess, within

Busy = Callable[[], AbstractContextManager[None]]
CERTIFICATE = "/p/college-generic/document-pdf"
MUTE = "BroadcastChannel.prototype.postMessage = () => undefined;"


def test_before_it_is_sent(visit: Visit, portrait: bytes) -> None:
    """Nothing is charged, nothing is kept, here or at the service."""
    person = _agreed(visit, portrait)
    person.page.route(STORE, hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.press("order.cancel")
    person.sees("order.cancelled.what")
    assert person.credits() == (CREDITS, 0)
    assert "blob" not in str(person.kept("orders"))
    within(20, lambda: person.page.evaluate("1") and _uploads(person) == [], "the upload's removal")


def test_in_the_tab_that_does_not_run_it(visit: Visit, portrait: bytes) -> None:
    """The other one lets go of it at once, and no later step of it brings the order back."""
    person, held, other = _sending_beside_another(visit, portrait)
    other.press("order.cancel")
    other.sees("order.cancelled.what")
    person.sees("order.cancelled.what")
    _let_pass(held)
    _nothing_came_of_it(person)


def test_in_a_tab_that_is_not_heard(visit: Visit, portrait: bytes) -> None:
    """Where no message comes, the tab that runs it finds it cancelled at its next step."""
    person, held, other = _sending_beside_another(visit, portrait, MUTE)
    other.press("order.cancel")
    within(20, lambda: other.kept("orders")[0].get("leaving"), "the wish")
    _let_pass(held)
    other.sees("order.cancelled.what")
    _nothing_came_of_it(person)


def test_a_device_that_was_made_to_forget(visit: Visit, portrait: bytes) -> None:
    """The tab that still sends does not bring its order back, also where it heard nothing."""
    person, held, other = _sending_beside_another(visit, portrait, MUTE)
    other.open("/device")
    other.press("device.forget")
    other.press("device.forget.sure")
    other.sees("device.history.none")
    _let_pass(held)
    within(60, lambda: person.page.evaluate(LOCKS) == 0, "the locks' end")
    assert person.kept("orders") == []
    assert person.kept("history") == []


def test_while_the_job_is_asked_for(visit: Visit, portrait: bytes) -> None:
    """The request comes too late to the service: the upload is gone, and without it there is no job."""
    person = _agreed(visit, portrait)
    held: list[Route] = []
    person.page.route("**/jobs", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    with person.page.expect_request("**/jobs"):
        person.agree()
    person.press("order.cancel")
    person.sees("order.cancelled.what")
    assert held[0].fetch().status == 404
    _nothing_came_of_it(person)


def test_pages_while_their_job_is_asked_for(visit: Visit, portrait: bytes) -> None:
    """No page is left at the service."""
    person = visit().choose(("a.jpg", portrait), ("b.jpg", portrait), path=CERTIFICATE)
    person.press("pages.make")
    person.sign_in()
    person.page.route("**/jobs", hold)
    with person.page.expect_request("**/jobs"):
        person.agree()
    assert len(_uploads(person)) == 2
    person.press("order.cancel")
    person.sees("order.cancelled.what")
    _nothing_came_of_it(person)


def test_when_the_job_is_there_and_its_answer_is_not(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """It is found by the upload's id, and the credit comes back."""
    person = _agreed(visit, portrait)
    created: list[int] = []
    person.page.route("**/jobs", lambda route: created.append(route.fetch().status))
    with busy():
        person.agree()
        within(20, lambda: person.page.evaluate("1") and created == [202], "the job")
        person.press("order.cancel")
        person.sees("order.cancelled.what")
    assert [status for _, status in person.jobs()] == ["failed"]
    assert person.credits() == (CREDITS, 0)


def test_when_the_job_runs_and_its_answer_is_not_there(
    visit: Visit, held_job: AbstractContextManager[None], portrait: bytes
) -> None:
    """It says that it is too late, and goes on to the file, which is charged once."""
    person = _agreed(visit, portrait)
    created: list[int] = []

    def lose(route: Route) -> None:
        if created:
            route.continue_()
        else:
            created.append(route.fetch().status)

    person.page.route("**/jobs", lose)
    with held_job:
        person.agree()
        within(20, lambda: person.page.evaluate("1") and created == [202], "the job")
        person.cloud.wait_for(person.jobs()[0][0], "processing")
        person.press("order.cancel")
        person.sees("order.cancel.late")
        person.sees("order.processing")
    went_well(person)


@pytest.mark.parametrize("is_other", [False, True])
def test_a_file_made_again_while_its_job_is_asked_for(
    visit: Visit, busy: Busy, portrait: bytes, *, is_other: bool
) -> None:
    """No upload tells its id: the answer is awaited, also where another tab cancels, and then the job is cancelled."""
    person = _with_file(visit, portrait)
    held: list[tuple[Route, APIResponse]] = []
    person.page.route("**/jobs", lambda route: held.append((route, route.fetch())))
    with busy():
        _again(person)
        within(20, lambda: person.page.evaluate("1") and held, "the job")
        who = person
        if is_other:
            who = Visitor(person.page.context.new_page(), person.cloud)
            who.page.goto(person.page.url)
        who.press("order.cancel")
        within(20, lambda: _latest(person).get("leaving"), "the wish")
        route, answer = held[0]
        route.fulfill(response=answer)
        who.sees("order.cancelled.what")
        person.sees("order.cancelled.what")
    assert sorted(status for _, status in person.jobs()) == ["completed", "failed"]
    assert person.credits() == (CREDITS - 1, 0)


@pytest.mark.parametrize("is_created", [False, True])
def test_a_file_made_again_that_has_stopped(visit: Visit, busy: Busy, portrait: bytes, *, is_created: bool) -> None:
    """Whether there is a job is asked without making one; one that is there is cancelled."""
    person = _with_file(visit, portrait)

    def busy_now(route: Route) -> None:
        if is_created:
            assert route.fetch().status == 202
        refuse(route, 503, "UNAVAILABLE", **{"Retry-After": "600"})

    person.page.route("**/jobs", busy_now)
    with busy():
        _again(person)
        person.sees("problem.busy.title")
        person.page.unroute("**/jobs")
        person.press("order.cancel")
        person.sees("order.cancelled.what")
    assert sorted(status for _, status in person.jobs()) == ["completed", *(["failed"] if is_created else [])]
    assert person.credits() == (CREDITS - 1, 0)


def test_a_file_made_again_whose_job_comes_late(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """What was asked for is still on its way when the service is asked whether there is a job."""
    person = _with_file(visit, portrait)
    first: list[Request] = []
    created: list[int] = []

    def late(route: Route) -> None:
        if not first:
            first.append(route.request)
            refuse(route, 503, "UNAVAILABLE", **{"Retry-After": "600"})
        elif not created:
            answer = route.fetch()
            created.append(route.fetch(headers=first[0].headers, post_data=first[0].post_data).status)
            route.fulfill(response=answer)
        else:
            route.continue_()

    person.page.route("**/jobs", late)
    with busy():
        _again(person)
        person.sees("problem.busy.title")
        person.press("order.cancel")
        person.sees("order.cancelled.what")
    assert created == [202]
    assert sorted(status for _, status in person.jobs()) == ["completed", "failed"]
    assert person.credits() == (CREDITS - 1, 0)


def test_offline_before_the_job_was_asked_for(visit: Visit, portrait: bytes) -> None:
    """It is known that there is none, so it needs no network."""
    person = _agreed(visit, portrait)
    person.page.route(STORE, hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.context.set_offline(True)
    person.sees("problem.offline.title")
    person.press("order.cancel")
    person.sees("order.cancelled.what")
    person.page.unroute(STORE)
    person.page.context.set_offline(False)
    assert person.jobs() == []
    assert person.credits() == (CREDITS, 0)


def test_offline_after_the_job_was_asked_for(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """It may be there: nothing reads cancelled until the network is back, and then it is."""
    person = _agreed(visit, portrait)
    created: list[int] = []
    person.page.route("**/jobs", lambda route: created.append(route.fetch().status))
    with busy():
        person.agree()
        within(20, lambda: person.page.evaluate("1") and created == [202], "the job")
        person.page.context.set_offline(True)
        person.sees("problem.offline.title")
        person.press("order.cancel")
        expect(person.page.locator("main p[role=alert]").last).to_have_text(
            person.say("problem.offline.title"), timeout=40_000
        )
        assert _latest(person)["state"] == "stopped"
        person.page.unroute("**/jobs")
        person.page.context.set_offline(False)
        person.sees("order.cancelled.what")
    assert [status for _, status in person.jobs()] == ["failed"]
    assert person.credits() == (CREDITS, 0)


def test_a_wish_that_could_not_be_granted_is_taken_back_by_hand(visit: Visit, portrait: bytes) -> None:
    """The service was busy when it was asked to cancel; the person goes on after all."""
    person = _agreed(visit, portrait)
    person.page.route("**/jobs", lambda route: refuse(route, 503, "UNAVAILABLE", **{"Retry-After": "600"}))
    person.page.route("**/uploads/*", lambda route: refuse(route, 503, "UNAVAILABLE", **{"Retry-After": "600"}))
    person.agree()
    person.sees("problem.busy.title")
    person.press("order.cancel")
    expect(person.page.locator("main p[role=alert]").last).to_have_text(
        person.say("problem.busy.title"), timeout=40_000
    )
    assert _latest(person)["leaving"]
    person.page.unroute("**/jobs")
    person.page.unroute("**/uploads/*")
    person.press("order.go_on")
    went_well(person)


def test_a_job_that_another_device_deleted(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """Cancelling finds out, and the address says so from then on."""
    person = visit()
    with busy():
        person.make(("asha.jpg", portrait))
        person.sees("order.queue", place=1)
        ((job_id, _),) = person.jobs()
        person.page.route(re.compile(f"/jobs/{job_id}"), lambda route: refuse(route, 404, "NOT_FOUND"))
        person.press("order.cancel")
        person.sees("deleted.title")
    assert person.kept("orders") == []


def test_a_reload_while_it_is_cancelled(visit: Visit, busy: Busy, portrait: bytes) -> None:
    """The page that comes back brings it to its end."""
    person = visit()
    with busy():
        person.make(("asha.jpg", portrait))
        person.sees("order.queue", place=1)
        ((job_id, _),) = person.jobs()
        person.page.route(f"**/jobs/{job_id}", hold)
        person.press("order.cancel")
        within(20, lambda: _latest(person).get("leaving"), "the wish")
        person.page.unroute(f"**/jobs/{job_id}")
        person.page.reload()
        person.sees("order.cancelled.what")
    assert person.credits() == (CREDITS, 0)


@pytest.fixture
def held_job(cloud: CloudProcess, faults_file: Path) -> AbstractContextManager[None]:
    """Have the next job run for as long as the context lasts."""

    @contextlib.contextmanager
    def held() -> Iterator[None]:
        is_free = "select not exists (select from public.jobs where status in ('pending', 'processing'))"
        within(60, lambda: cloud.rows(is_free) == [(True,)], "the end of earlier jobs")
        faults_file.write_text(json.dumps([{"hold": True}]), encoding="utf-8")
        try:
            yield
        finally:
            faults_file.write_text("[]", encoding="utf-8")

    return held()


def _agreed(visit: Visit, portrait: bytes) -> Visitor:
    """Signed in, before the tap that starts."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    return person


def _sending_beside_another(visit: Visit, portrait: bytes, script: str = "") -> tuple[Visitor, list[Route], Visitor]:
    """One tab whose upload is held, and another one that shows the order, with a script of its own."""
    person = _agreed(visit, portrait)
    held: list[Route] = []
    person.page.route(STORE, lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.page.add_init_script(script)
    other.page.goto(person.page.url)
    other.sees("order.sending")
    return person, held, other


def _let_pass(held: list[Route]) -> None:
    for route in held:
        with contextlib.suppress(Error):  # it was given up
            route.continue_()


def _nothing_came_of_it(person: Visitor) -> None:
    """Nobody goes on with it: no job, no charge, and nothing at the service."""
    within(60, lambda: person.page.evaluate(LOCKS) == 0, "the locks' end")
    assert [order["state"] for order in person.kept("orders")] == ["cancelled"]
    assert person.jobs() == []
    assert person.credits() == (CREDITS, 0)
    within(20, lambda: person.page.evaluate("1") and _uploads(person) == [], "the uploads' removal")


def _uploads(person: Visitor) -> list[tuple[object, ...]]:
    return person.cloud.rows("select job_id from public.uploads where user_id = %s", person.user_id())


def _with_file(visit: Visit, portrait: bytes) -> Visitor:
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.press("adjust.open")
    return person


def _again(person: Visitor) -> None:
    before = person.page.url
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=before)


def _latest(person: Visitor) -> dict[str, object]:
    return max(person.kept("orders"), key=lambda order: int(order["created_at"]))
