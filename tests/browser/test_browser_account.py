"""The account: in by Google, out again, taken along as a file, and erased with everything."""

import json
import re
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.visitor import Visitor


def _at_google(person: Visitor) -> None:
    """Leave for the stand-in of Google, with the file chosen."""
    person.press("check.make")
    person.press("signin.google")
    person.page.wait_for_url("**/auth/v1/authorize?**")


def _as(person: Visitor) -> None:
    """Say who one is, where Google would ask, and come back."""
    person.page.get_by_label("E-mail address").fill(person.email)
    person.page.get_by_role("button", name="Continue").click()
    person.page.get_by_label("Code").fill(person.code())
    person.page.get_by_role("button", name="Continue").click()
    person.page.wait_for_url("**/app#/**")


def test_google_signs_in_and_the_file_goes_on(visit: Visit, portrait: bytes) -> None:
    """By PKCE, back to the very step, and the file that was chosen is made."""
    person = visit().choose(("asha.jpg", portrait))
    _at_google(person)
    _as(person)
    person.page.wait_for_selector("#agree")
    assert person.page.url.endswith("/app#/p/neet-2026/photo/make")
    person.agree()
    filename, _ = person.download()
    assert filename == "asha_photo.jpg"
    assert person.credits() == (CREDITS - 1, 0)
    person.is_well()


def test_neither_code_nor_verifier_stays_behind(visit: Visit, portrait: bytes) -> None:
    """Not in the address, the tab's history or what it keeps; the verifier goes in a body alone."""
    person = visit().choose(("asha.jpg", portrait))
    _at_google(person)
    kept = json.loads(str(person.page.evaluate("() => sessionStorage.getItem('rythmiq.pkce')")))
    _as(person)
    person.page.wait_for_selector("#agree")
    (exchange,) = [request for request in person.requests if "grant_type=pkce" in request.url]
    body = json.loads(exchange.post_data or "")
    assert body["code_verifier"] == kept["verifier"]
    left = person.page.evaluate(
        "() => JSON.stringify([navigation.entries().map(({ url }) => url), { ...sessionStorage }, { ...localStorage }])"
    )
    assert body["auth_code"] not in left
    assert not any(kept["verifier"] in address for address in (left, *(request.url for request in person.requests)))


def test_whoever_does_not_agree_at_google_is_asked_again(visit: Visit, portrait: bytes) -> None:
    """It says that nobody is signed in, an e-mail address does as well, and the file is still there."""
    person = visit().choose(("asha.jpg", portrait))
    _at_google(person)
    person.page.get_by_role("button", name="Cancel").click()
    person.sees("signin.failed")
    person.screenshot("google-cancelled")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    assert "error" not in person.page.url


def test_signing_out_ends_the_session_everywhere(visit: Visit) -> None:
    """Here and at the service: the old token renews nothing; whoever wants in signs in again."""
    person = _somebody(visit)
    session = person.page.evaluate("() => JSON.parse(localStorage.getItem('rythmiq.session'))")
    with person.page.expect_response("**/logout") as answer:
        person.press("device.sign_out")
    assert answer.value.status == 204
    person.page.wait_for_selector("#email")
    assert person.page.evaluate("() => localStorage.getItem('rythmiq.session')") is None
    renewed = person.page.request.post(
        f"{person.cloud.file.supabase_url}/auth/v1/token?grant_type=refresh_token",
        headers={"apikey": "sb_publishable_local"},
        data={"refresh_token": session["refresh_token"]},
    )
    assert renewed.status == 400


def test_a_result_asks_to_sign_in_again(visit: Visit, portrait: bytes) -> None:
    """Signed out meanwhile, the finished file is not lost: signing in shows it."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    address = person.page.url
    person.open("/device")
    person.press("device.sign_out")
    person.page.wait_for_selector("#email")
    person.page.goto(address)
    person.sees("problem.sign-in.title")
    person.sign_in()
    filename, _ = person.download()
    assert filename == "asha_photo.jpg"


def test_the_account_is_taken_along_as_a_file(visit: Visit, portrait: bytes) -> None:
    """Jobs, credits and what the device remembers; no key, no token."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.open("/device")
    with person.page.expect_download() as waiting:
        person.press("data.export")
    text = Path(waiting.value.path()).read_text(encoding="utf-8")
    told = json.loads(text)
    ((job_id, _),) = person.jobs()
    assert [job["job_id"] for job in told["jobs"]] == [line["id"] for line in told["this_device"]] == [job_id]
    assert (told["account"]["email"], told["account"]["credits"]["available"]) == (person.email, CREDITS - 1)
    assert "eyJ" not in text
    assert "data_key" not in text


def test_an_account_is_erased_with_everything(visit: Visit, portrait: bytes) -> None:
    """After a second tap: the receipt is shown and saved, and neither service nor device knows the person."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    user_id = person.user_id()
    person.open("/device")
    person.press("data.erase")
    expect(person.page.get_by_role("heading", name=person.say("data.erase.sure"))).to_be_focused()
    person.screenshot("erase-sure")
    person.press("data.erase.yes")
    expect(person.page.get_by_role("heading", name=person.say("data.erased"))).to_be_focused()
    person.screenshot("erased")
    shown = person.page.locator("section[aria-labelledby=data] .note").inner_text()
    with person.page.expect_download() as waiting:
        person.press("data.erased.save")
    receipt = json.loads(Path(waiting.value.path()).read_text(encoding="utf-8"))
    assert receipt["receipt_id"] in shown
    assert person.cloud.rows(
        "select receipt_id::text from public.erased_accounts where receipt_id = %s", receipt["receipt_id"]
    )
    assert person.cloud.rows("select 1 from public.jobs where user_id = %s", user_id) == []
    assert person.kept("orders") == person.kept("history") == person.kept("drafts") == []
    assert person.page.evaluate("() => Object.keys(localStorage)") == []
    person.page.reload()
    person.page.wait_for_selector("#email")
    person.sees("device.history.none")


def test_an_account_is_kept_at_the_second_thought(visit: Visit) -> None:
    """Nothing is asked of the service, and the focus is where it was."""
    person = _somebody(visit)
    person.press("data.erase")
    person.press("data.erase.no")
    expect(person.page.get_by_role("button", name=person.say("data.erase"))).to_be_focused()
    assert not any(request.method == "DELETE" for request in person.requests)


def test_an_erasure_whose_answer_is_lost(visit: Visit) -> None:
    """It says that it may be done; the second try finds it done, and signs out."""
    person = _somebody(visit)
    person.press("data.erase")

    def lose(route: Route) -> None:
        if route.request.method == "DELETE":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    person.page.route(re.compile(r"/account$"), lose)
    person.press("data.erase.yes")
    person.sees("data.erase.unclear")
    person.page.unroute(re.compile(r"/account$"))
    person.press("data.erase.yes")
    person.sees("data.erased.already")
    person.page.wait_for_selector("#email")


def test_forgetting_everything_stops_what_is_under_way(visit: Visit, portrait: bytes) -> None:
    """An order that is being sent is not kept again by its own next step."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route(re.compile(r"/raw/"), lambda _route: None)
    with person.page.expect_request(re.compile(r"/raw/")):
        person.agree()
    person.open("/device")
    person.press("device.forget")
    person.press("device.forget.sure")
    person.sees("device.history.none")
    assert person.kept("orders") == []


def _somebody(visit: Visit) -> Visitor:
    person = visit().open("/device")
    person.sign_in()
    person.sees("device.as", email=person.email)
    return person
