"""Whatever goes wrong on the way: the page says what to do next, and nothing is lost or charged twice."""

import random

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.under_way import STORE, hold, refuse, uploads_of, went_well
from tests.browser.visitor import Visitor


@pytest.fixture(scope="module")
def large() -> bytes:
    """Larger than the service takes; a picture by its first bytes."""
    return b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(4_200_000)  # noqa: S311  no secret


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
    person.accessible("make.too_large")
    assert uploads_of(person) == 0
    assert person.jobs() == []


def test_the_service_refuses_what_is_too_large(visit: Visit, portrait: bytes) -> None:
    """A limit that changed meanwhile is said when the upload is announced."""
    person = visit().choose(("photo.jpg", portrait))
    person.page.route("**/uploads", lambda route: refuse(route, 413, "UPLOAD_TOO_LARGE"))
    person.press("check.make")
    person.sign_in()
    person.agree()
    person.sees("refused.UPLOAD_TOO_LARGE")
    person.sees("order.choose_again")
    person.accessible("refused.UPLOAD_TOO_LARGE")


def test_offline_in_mid_upload(visit: Visit, portrait: bytes) -> None:
    """The page says so at once, and goes on by itself when the network is back."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(STORE, hold)
    with person.page.expect_request(STORE):
        person.agree()
    person.page.context.set_offline(True)
    person.sees("problem.offline.title")
    person.screenshot("offline")
    assert person.kept("orders")[0]["parts"][0]["sealed"].startswith("blob of")
    person.page.unroute(STORE)
    person.page.context.set_offline(False)
    went_well(person)
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
    went_well(person)
    assert uploads_of(person) == 2


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
    person.accessible("problem.no-credit.title")
    assert uploads_of(person) == 0


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
    assert uploads_of(person) == 1


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
    person.accessible("problem.no-credit.guest")
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
    person.page.route("**/uploads", lambda route: refuse(route, 403, "SIGN_IN_REQUIRED"))
    person.agree()
    person.sees("problem.guest.title")
    person.screenshot("guest-refused")
    person.accessible("problem.guest.title")
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
    person.accessible("problem.sign-in.title")
    person.sign_in()
    went_well(person)


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


def _without_credits(route: Route) -> None:
    answer = route.fetch()
    account = answer.json()
    route.fulfill(response=answer, json={**account, "credits": {"available": 0, "reserved": 0}})
