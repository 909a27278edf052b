"""Whatever goes wrong on the way: the page says what to do next, and nothing is lost or charged twice."""

import random
import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import within

STORE = re.compile(r"/raw/")
LOCKS = "async () => { const { held, pending } = await navigator.locks.query(); return held.length + pending.length; }"


@pytest.fixture(scope="module")
def large() -> bytes:
    """Larger than the service takes; a picture by its first bytes."""
    return b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(4_200_000)  # noqa: S311  no secret


def _went_well(person: Visitor, *, credits_left: int = CREDITS - 1) -> None:
    """One job, completed and charged once, and the file can be had."""
    filename, content = person.download()
    assert filename
    assert content[:3] == b"\xff\xd8\xff"
    assert [status for _, status in person.jobs()] == ["completed"]
    assert person.credits() == (credits_left, 0)


def _sent(person: Visitor) -> int:
    return sum(request.method == "PUT" and STORE.search(request.url) is not None for request in person.requests)


@pytest.mark.parametrize("language", ["en", "hi"])
def test_a_file_that_is_no_picture(visit: Visit, language: str) -> None:
    """A text called .jpg is told by its bytes, before anybody signs in, and there is no way to send it."""
    person = visit(language=language).choose(("photo.jpg", b"not a picture at all"))
    person.sees("check.unusable")
    person.sees("check.unusable.todo")
    assert person.page.get_by_text(person.say("check.make"), exact=True).count() == 0
    person.screenshot(f"not-a-picture-{language}")
    person.is_well()


def test_an_empty_file(visit: Visit) -> None:
    """It is refused where it is chosen."""
    person = visit().open("/p/neet-2026/photo")
    person.page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b""})
    expect(person.page.locator("#alert")).to_have_text(person.say("pick.empty"))


def test_a_file_that_is_too_large(visit: Visit, large: bytes) -> None:
    """The limit is said before anything is sent."""
    person = visit().choose(("photo.jpg", large))
    person.press("check.make")
    person.sign_in()
    person.sees("make.too_large")
    person.screenshot("too-large")
    assert _sent(person) == 0
    assert person.jobs() == []


def test_the_service_refuses_what_is_too_large(visit: Visit, portrait: bytes) -> None:
    """A limit that changed meanwhile is said when the upload is announced."""
    person = visit().choose(("photo.jpg", portrait))
    person.page.route("**/uploads", lambda route: _refuse(route, 413, "UPLOAD_TOO_LARGE"))
    person.press("check.make")
    person.sign_in()
    person.agree()
    person.sees("refused.UPLOAD_TOO_LARGE")
    person.sees("order.choose_again")


def test_offline_in_mid_upload(visit: Visit, portrait: bytes) -> None:
    """The page says so at once, and goes on by itself when the network is back."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, _hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.context.set_offline(True)
    person.sees("problem.offline.title")
    person.screenshot("offline")
    assert person.kept("orders")[0]["parts"][0]["sealed"].startswith("blob of")
    person.page.unroute(STORE)
    person.page.context.set_offline(False)
    _went_well(person)
    assert len(person.cloud.rows("select 1 from public.uploads where user_id = %s", person.user_id())) <= 1


def test_an_expired_address(visit: Visit, portrait: bytes) -> None:
    """A store that answers 403 is asked again with a fresh address, under the same key."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    answers = iter([403])

    def expired(route: Route) -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, headers={"Access-Control-Allow-Origin": "*"})

    person.page.route(STORE, expired)
    person.agree()
    _went_well(person)
    assert _sent(person) == 2


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
    _went_well(person)


def test_a_reload_in_mid_upload(visit: Visit, portrait: bytes) -> None:
    """The sealed file is kept on the device and sent after the reload, without another upload row or charge."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, _hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.page.unroute(STORE)
    person.page.reload()
    _went_well(person)


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
    _went_well(person)
    assert arrived == [200]


def test_a_reload_after_the_upload_and_before_the_job(visit: Visit, portrait: bytes) -> None:
    """What has arrived is not sent again."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route("**/jobs", _hold)
    with person.page.expect_request("**/jobs"):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    person.page.unroute("**/jobs")
    person.page.reload()
    _went_well(person)
    assert _sent(person) == 1


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
    sent = _sent(person)
    person.page.reload()
    person.page.unroute("**/jobs")
    _went_well(person)
    assert created[0] == 202
    assert _sent(person) == sent


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
    _went_well(person)


def test_a_reload_while_it_is_made_and_afterwards(visit: Visit, portrait: bytes) -> None:
    """The stages go on where they are, and the result is there again."""
    person = visit().make(("asha.jpg", portrait))
    person.page.wait_for_selector(".stages, a[download].main")
    person.page.reload()
    _went_well(person)
    person.page.reload()
    _went_well(person)


def test_a_job_that_fails(visit: Visit) -> None:
    """It says why in plain words, what to do, and that it was free."""
    broken = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(2_000)
    person = visit().make(("asha.jpg", broken))
    person.sees("failed.DECODE_FAILED")
    person.sees("failed.DECODE_FAILED.todo")
    person.sees("failed.free")
    person.screenshot("failed")
    assert person.credits() == (CREDITS, 0)
    person.page.reload()
    person.sees("failed.DECODE_FAILED")


def test_no_credit_is_said_before_anything_is_sent(visit: Visit, portrait: bytes) -> None:
    """The button is off, and the reason stands beside it."""
    person = visit().choose(("asha.jpg", portrait))
    person.page.route("**/account", _without_credits)
    person.press("check.make")
    person.sign_in()
    person.sees("problem.no-credit.title")
    expect(person.page.locator("button.main")).to_be_disabled()
    person.screenshot("no-credit")
    assert _sent(person) == 0


def test_no_credit_in_the_middle(visit: Visit, portrait: bytes) -> None:
    """A guest's one credit goes to another tab's order: this one stops, and goes on once there is an account."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.press("signin.guest")
    person.page.wait_for_selector("#agree")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.choose(("other.jpg", portrait), path="/p/sbi/photo")
    other.press("check.make")
    other.page.wait_for_selector("#agree")
    other.agree()
    other.download()
    person.agree()
    person.page.wait_for_selector("#email")
    person.screenshot("no-credit-in-the-middle")
    person.link()
    filename, _ = person.download()
    assert filename == "asha_photo.jpg"
    assert person.credits() == (CREDITS - 2, 0)
    assert _sent(person) == 1


def test_a_guest_tries_once_and_then_gives_an_address(visit: Visit, portrait: bytes) -> None:
    """The trial makes a file; the next one asks for an e-mail address, and the files stay."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.press("signin.guest")
    person.page.wait_for_selector("#agree")
    person.agree()
    person.download()
    person.choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sees("problem.no-credit.guest")
    person.screenshot("guest-used-up")
    person.open("/device")
    person.link()
    person.sees("device.as", email=person.email)
    assert len(person.jobs()) == 1


def test_a_guest_who_is_refused(visit: Visit, portrait: bytes) -> None:
    """Where guests may not, an e-mail address is asked for, and the same order goes on."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.press("signin.guest")
    person.page.wait_for_selector("#agree")
    person.page.route("**/uploads", lambda route: _refuse(route, 403, "SIGN_IN_REQUIRED"))
    person.agree()
    person.sees("problem.guest.title")
    person.screenshot("guest-refused")
    person.page.unroute("**/uploads")
    person.link()
    filename, _ = person.download()
    assert filename


def test_a_session_that_is_over(visit: Visit, portrait: bytes) -> None:
    """Signing in again goes on with the same order."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    person.page.evaluate(
        """() => {
          const session = JSON.parse(localStorage.getItem("rythmiq.session"));
          localStorage.setItem("rythmiq.session", JSON.stringify({ ...session, access_token: "over" }));
        }"""
    )
    person.agree()
    person.sees("problem.sign-in.title")
    person.sign_in()
    _went_well(person)


def test_two_tabs_run_one_order(visit: Visit, portrait: bytes) -> None:
    """A second tab shows the order and sends nothing again; both end with the file."""
    person = visit().make(("asha.jpg", portrait))
    person.page.wait_for_url("**/app#/o/*")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.page.goto(person.page.url)
    _went_well(person)
    other.has_file()
    assert _sent(other) == 0
    assert other.errors == []


def test_a_tab_goes_on_with_what_another_has_left(visit: Visit, portrait: bytes) -> None:
    """The tab that sent it is closed in mid-upload: the one that showed it sends it; it is charged once."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, _hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.wait_for_url("**/app#/o/*")
    other = Visitor(person.page.context.new_page(), person.cloud)
    other.page.goto(person.page.url)
    other.sees("order.sending")
    person.page.close()
    _went_well(other)
    assert _sent(other) == 1


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
    _refuse(held[0], 413, "UPLOAD_TOO_LARGE")
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
    _went_well(person)


def test_cancelling_before_it_is_sent(visit: Visit, portrait: bytes) -> None:
    """Nothing is charged, nothing is kept."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, _hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.press("order.cancel")
    person.sees("order.cancelled.what")
    assert person.credits() == (CREDITS, 0)
    assert "blob" not in str(person.kept("orders"))


def test_a_wrong_code(visit: Visit, portrait: bytes) -> None:
    """It says so, and the right one still does."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.page.fill("#email", person.email)
    person.press("signin.send")
    person.page.wait_for_selector("#code")
    right = person.code()
    person.page.fill("#code", "000000" if right != "000000" else "111111")
    person.sees("signin.wrong.code")
    person.page.fill("#code", right)
    person.page.wait_for_selector("#agree")


def test_an_address_that_leads_nowhere(visit: Visit) -> None:
    """An unknown form, file or order leads back to the start."""
    for path in ("/p/nobody", "/p/neet-2026/nothing", "/o/00000000-0000-4000-8000-000000000000", "/x/y"):
        person = visit().open(path)
        person.sees("missing.home")


def _refuse(route: Route, status: int, code: str) -> None:
    route.fulfill(
        status=status,
        content_type="application/problem+json",
        json={"type": "about:blank", "title": code, "status": status, "code": code, "detail": code, "errors": []},
    )


def _hold(_route: Route) -> None:
    """Never answer."""


def _without_credits(route: Route) -> None:
    answer = route.fetch()
    account = answer.json()
    route.fulfill(response=answer, json={**account, "credits": {"available": 0, "reserved": 0}})
