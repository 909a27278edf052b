"""An order goes on after a reload, in another tab and after the back button: nothing is lost or charged twice."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from playwright.sync_api import Route

from tests.browser.conftest import Visit
from tests.browser.service_worker import install
from tests.browser.under_way import LOCKS, STORE, hold, refuse, uploads_of, went_well
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import within


def test_a_reload_before_anything_is_sent(visit: Visit, portrait: bytes) -> None:
    """The chosen file is still there, and so is the way on."""
    person = visit().choose(("asha.jpg", portrait))
    person.page.reload()
    person.sees("check.make")
    person.press("check.make")
    person.sign_in()
    person.page.reload()
    person.page.wait_for_selector("#agree")
    person.agree()
    went_well(person)


def test_a_reload_in_mid_upload(visit: Visit, portrait: bytes) -> None:
    """The sealed file is kept on the device and sent after the reload, without another upload row or charge."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.page.unroute(STORE)
    person.page.reload()
    went_well(person)


def test_a_reload_in_mid_upload_without_a_network(visit: Visit, portrait: bytes) -> None:
    """The worker has the page and the device the sealed file: it says what is missing, and goes on once it is there."""
    person = visit().choose(("asha.jpg", portrait))
    install(person.page)
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.page.context.set_offline(True)
    person.page.unroute(STORE)
    person.page.reload()
    person.sees("problem.offline.title")
    person.page.context.set_offline(False)
    went_well(person)
    assert person.cloud.rows("select count(*) from public.uploads where user_id = %s", person.user_id()) == [(1,)]


def test_a_reload_when_the_upload_has_arrived_unheard(visit: Visit, portrait: bytes) -> None:
    """The store refuses the second upload because it has the first, and the page goes on from there."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    arrived: list[int] = []
    person.page.route(STORE, lambda route: arrived.append(route.fetch().status))
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    within(20, lambda: person.page.evaluate("() => 1") and arrived, "the upload")
    person.page.reload()
    person.page.unroute(STORE)
    went_well(person)
    assert arrived == [200]


def test_a_reload_after_the_upload_and_before_the_job(visit: Visit, portrait: bytes) -> None:
    """What has arrived is not sent again."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route("**/jobs", hold)
    with person.page.expect_request("**/jobs"):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.page.unroute("**/jobs")
    person.page.reload()
    went_well(person)
    assert uploads_of(person) == 1


def test_a_reload_after_both_answers_were_lost(visit: Visit, portrait: bytes) -> None:
    """The file has arrived and the job was created, and nothing came back: it is found again, and charged once."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    created: list[int] = []

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    person.page.route(STORE, lose)
    person.page.route("**/jobs", lambda route: created.append(route.fetch().status))
    person.agree()
    person.page.wait_for_url("**/app#/o/*")
    within(20, lambda: person.page.evaluate("() => 1") and created, "the job")
    sent = uploads_of(person)
    person.page.reload()
    person.page.unroute("**/jobs")
    went_well(person)
    assert created[0] == 202
    assert uploads_of(person) == sent


def test_an_answer_that_is_lost(visit: Visit, portrait: bytes) -> None:
    """The job is created, the 202 never comes: the same job is found again, and charged once."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    lost = iter([True])

    def lose(route: Route) -> None:
        if next(lost, False):
            route.fetch()
            route.abort()
        else:
            route.continue_()

    person.page.route("**/jobs", lose)
    person.agree()
    went_well(person)


def test_a_reload_while_it_is_made_and_afterwards(visit: Visit, portrait: bytes) -> None:
    """The stages go on where they are, and the result is there again."""
    person = visit().make(("asha.jpg", portrait))
    person.page.wait_for_selector(".stages, a[download].main")
    person.page.reload()
    went_well(person)
    person.page.reload()
    went_well(person)


def test_two_tabs_run_one_order(visit: Visit, portrait: bytes) -> None:
    """A second tab shows the order and sends nothing again; both end with the file."""
    person = visit().make(("asha.jpg", portrait))
    person.page.wait_for_url("**/app#/o/*")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.page.goto(person.page.url)
    went_well(person)
    other.has_file()
    assert uploads_of(other) == 0
    assert other.errors == []


def test_a_tab_goes_on_with_what_another_has_left(visit: Visit, portrait: bytes) -> None:
    """The tab that sent it is closed in mid-upload: the one that showed it sends it; it is charged once."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.page.goto(person.page.url)
    other.sees("order.sending")
    person.page.close()
    went_well(other)
    assert uploads_of(other) == 1


def test_a_tab_leaves_alone_what_has_stopped_in_another(visit: Visit, portrait: bytes) -> None:
    """It waited for the other tab, whose person was told why; nothing is asked for again until somebody taps."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    held: list[Route] = []
    person.page.route("**/uploads", lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    with person.page.expect_request("**/uploads"):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.page.goto(person.page.url)
    other.sees("order.sealing")
    refuse(held[0], 413, "UPLOAD_TOO_LARGE")
    other.sees("refused.UPLOAD_TOO_LARGE")
    # The tab that waited for the lock has had it, and let it go.
    within(20, lambda: other.page.evaluate(LOCKS) == 0, "the locks' end")
    assert not any(request.url.endswith("/uploads") for request in other.requests)


def test_the_back_button(visit: Visit, portrait: bytes) -> None:
    """Back from the result is the form, not the consent for a file that is sent; forward is the result."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.page.go_back()
    person.sees("slot.wanted")
    person.page.go_forward()
    went_well(person)


def test_somebody_else_signs_in(visit: Visit, portrait: bytes) -> None:
    """An order that waits does not go on as the next person, who would pay for it; its own account finds it again."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route("**/uploads", lambda route: refuse(route, 503, "UNAVAILABLE", **{"Retry-After": "600"}))
    person.agree()
    person.sees("problem.busy.title")
    address, first = person.page.url, person.email
    _sign_out(person)
    person.page.unroute("**/uploads")
    person.email = f"next-{first}"
    person.sign_in()
    person.page.goto(address)
    person.page.reload()
    person.sees("problem.sign-in.title")
    assert person.jobs() == []
    assert person.cloud.rows("select 1 from public.uploads where user_id = %s", person.user_id()) == []
    _sign_out(person)
    person.email = first
    person.sign_in()
    person.page.goto(address)
    went_well(person)


def test_somebody_else_signs_in_while_it_is_made(
    visit: Visit, busy: Callable[[], AbstractContextManager[None]], portrait: bytes
) -> None:
    """The next person cannot see the job, which is no refusal: its own account finds the file that it paid for."""
    with busy():
        person = visit().make(("asha.jpg", portrait))
        person.sees("order.queue", place=1)
        address, first = person.page.url, person.email
        _sign_out(person)
        person.email = f"next-{first}"
        person.sign_in()
        within(40, lambda: person.kept("orders")[0]["state"] == "stopped", "the stop")
        person.page.goto(address)
        person.sees("problem.sign-in.title")
        _sign_out(person)
        person.email = first
        person.sign_in()
    person.page.goto(address)
    went_well(person)


def test_a_draft_that_two_tabs_show(visit: Visit, portrait: bytes) -> None:
    """It is ordered once: the tab that comes second says that there is no file any more."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.open("/p/neet-2026/photo/make")
    other.page.wait_for_selector("#agree")
    person.agree()
    went_well(person)
    other.agree()
    other.sees("make.no_file")
    assert len(person.jobs()) == 1


def test_a_draft_that_another_tab_has_changed(visit: Visit, portrait: bytes) -> None:
    """What stands there by now is shown before it is sent, and is not lost."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.choose(("ravi.jpg", portrait))
    person.agree()
    person.page.get_by_text("ravi.jpg").wait_for()
    assert person.jobs() == []
    person.agree()
    filename, _ = person.download()
    assert filename == "ravi_photo.jpg"


def _sign_out(person: Visitor) -> None:
    person.open("/device")
    person.press("device.sign_out")
    person.page.wait_for_selector("#email")
