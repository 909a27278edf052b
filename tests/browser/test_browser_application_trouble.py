"""A whole application in which something goes wrong: nothing that is made is lost, and nothing is paid for twice."""

import random

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.under_way import refuse, uploads_of
from tests.browser.visitor import Visitor
from tests.browser.whole_application import BROKEN, PATH, another_tab, make_it_again, only, pick, zipped
from tests.e2e.cloud_process import within
from tests.samples.signature import signature_photo
from tests.support.worker_uploads import encoded

A_FULL_DEVICE = """() => {
  const put = IDBObjectStore.prototype.put;
  window.makeRoom = () => (IDBObjectStore.prototype.put = put);
  IDBObjectStore.prototype.put = function (record) {
    const request = put.call(this, record);
    this.transaction.abort();
    return request;
  };
}"""


@pytest.fixture(scope="module")
def signature() -> bytes:
    """Ink on paper."""
    return encoded(signature_photo((1200, 600)), quality=90)


@pytest.fixture(scope="module")
def large() -> bytes:
    """Larger than the service takes; a picture by its first bytes."""
    return b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(4_200_000)  # noqa: S311  no secret


def test_what_the_service_refuses_is_chosen_anew(visit: Visit, portrait: bytes) -> None:
    """It is missing, its page leads back to the list, and nothing of it is left once another one is begun."""
    person = visit().open(PATH)
    only(person, "photo")
    pick(person, "photo", ("large.jpg", portrait))
    person.page.route("**/uploads", lambda route: refuse(route, 413, "UPLOAD_TOO_LARGE"))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("order.stopped")
    person.sees("application.missing", names=person.say("slot.photo"))
    expect(person.page.locator("#pick-photo + label")).to_be_visible()
    person.page.click("#look-photo")
    person.sees("refused.UPLOAD_TOO_LARGE")
    person.press("order.choose_again")
    person.page.wait_for_selector(f'#main[data-path="{PATH}"]')
    person.page.unroute("**/uploads")
    pick(person, "photo", ("asha.jpg", portrait))
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=1)
    within(10, lambda: _states(person) == ["cancelled", "completed"], "the end of the stopped one")
    assert person.credits() == (CREDITS - 1, 0)
    person.is_well()


def test_a_made_file_outlives_a_try_without_credit(visit: Visit, signature: bytes) -> None:
    """It stays in the ZIP; that the other one has stopped is said beside it."""
    person = visit("desktop").open(PATH)
    only(person, "signature")
    pick(person, "signature", ("sign.jpg", signature))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=1)
    made = zipped(person, count=1)
    person.page.route("**/jobs", lambda route: refuse(route, 402, "NO_CREDIT"))
    make_it_again(person, turn=180)
    person.sees("problem.no-credit.title")
    person.press("application.back")
    person.sees("application.done", done=1, of=1)
    expect(person.page.locator("#later-signature")).to_contain_text(person.say("order.stopped"))
    assert zipped(person, count=1) == made
    person.is_well()


def test_what_is_no_picture_is_not_sent(visit: Visit, portrait: bytes) -> None:
    """Nor is there a way to send it: not in the list, and not by going forward to the consent of the file before."""
    person = visit().open(PATH)
    only(person, "photo")
    for content in (b"a text", b""):
        pick(person, "photo", ("a.jpg", content))
        person.sees("check.unusable")
        person.sees("application.missing", names=person.say("slot.photo"))
        assert person.page.locator("#email").count() == 0
    pick(person, "photo", ("asha.jpg", portrait))
    person.page.click("#check-photo")
    person.press("check.make")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    person.page.go_back()
    person.page.wait_for_selector("#file")
    person.page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"a text"})
    person.sees("check.unusable")
    person.page.go_forward()
    person.page.wait_for_selector('#main[data-path="/p/sbi/photo/make"]')
    person.sees("check.unusable")
    assert person.page.locator("#agree").count() == 0
    assert uploads_of(person) == 0


def test_what_is_too_large_is_said_in_the_list(visit: Visit, portrait: bytes, large: bytes) -> None:
    """Before anything is sent, and the others can still be made."""
    person = visit().open(PATH)
    pick(person, "photo", ("asha.jpg", portrait))
    pick(person, "signature", ("large.jpg", large))
    person.sign_in()
    person.sees("make.too_large")
    person.sees("application.missing", names=person.say("slot.signature"))
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=2)
    assert len(person.jobs()) == 1


def test_too_many_pages_are_said(visit: Visit, portrait: bytes) -> None:
    """In the list as on the way of one file."""
    person = visit()
    person.page.route("**/account", _of_one_page)
    person.choose(("one.jpg", portrait), ("two.jpg", portrait), path="/p/college-generic/document-pdf")
    person.press("pages.make")
    person.sign_in()
    person.sees("make.too_many")
    assert person.page.locator("#agree").count() == 0
    person.open("/a/college-generic")
    person.page.click("#want-document-pdf")
    person.sees("make.too_many")


def test_a_file_made_on_its_own_page_is_the_list_s(visit: Visit, portrait: bytes) -> None:
    """Nobody pays for it again."""
    person = visit().open(PATH)
    only(person, "photo")
    pick(person, "photo", ("asha.jpg", portrait))
    person.page.click("#check-photo")
    person.press("check.make")
    person.sign_in()
    person.agree()
    person.has_file()
    person.open(PATH)
    person.sees("application.done", done=1, of=1)
    person.sees("application.nothing_missing")
    assert len(zipped(person, count=1)) == 1


def test_a_made_file_stays_until_another_is_made(visit: Visit, portrait: bytes) -> None:
    """Beside one that is only chosen, and beside one that could not be made, which the list says."""
    person = visit().make(("asha.jpg", portrait), path="/p/sbi/photo")
    person.has_file()
    person.choose(("other.jpg", BROKEN), path="/p/sbi/photo")
    person.open(PATH)
    only(person, "photo")
    person.sees("application.done", done=1, of=1)
    person.sees("order.completed")
    person.sees("application.state.make")
    made = zipped(person, count=1)
    person.agree("application.make", count=1)
    person.page.wait_for_selector("#later-photo")
    expect(person.page.locator("#later-photo")).to_contain_text(person.say("order.failed"))
    person.sees("application.done", done=1, of=1)
    assert zipped(person, count=1) == made
    person.page.click("#later-photo")
    person.sees("failed.DECODE_FAILED")


def test_a_full_device_loses_nothing(visit: Visit, portrait: bytes) -> None:
    """It is said, what was chosen stays, and once there is room it is ordered, and once."""
    person = visit().open(PATH)
    only(person, "photo")
    person.page.wait_for_selector("#want-signature:not(:checked)")
    person.page.evaluate(A_FULL_DEVICE)
    pick(person, "photo", ("asha.jpg", portrait))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("make.no_room")
    person.sees("application.nothing_missing")
    person.page.click("#check-photo")
    person.press("check.make")
    person.agree()
    person.sees("make.no_room")
    assert uploads_of(person) == 0
    person.page.evaluate("void makeRoom()")
    person.press("consent.start")
    person.has_file()
    person.page.evaluate(f"location.hash = '#{PATH}'")
    person.sees("application.done", done=1, of=1)
    assert person.page.locator("#agree").count() == 0
    assert person.credits() == (CREDITS - 1, 0)
    person.is_well()


def test_who_agreed_to_other_choices_is_asked_anew(visit: Visit, portrait: bytes) -> None:
    """What another tab changed meanwhile is not made as it was before, nor lost."""
    person = visit().choose(("asha.jpg", portrait), path="/p/ibps/photo")
    other = another_tab(person, "/p/ibps/photo")
    person.press("check.make")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    mark = person.kept("drafts")[0]["mark"]
    other.press("option.title")
    other.page.locator("details input[type=checkbox]").first.check()
    within(10, lambda: person.kept("drafts")[0]["mark"] != mark, "the change")
    person.page.check("#agree")
    start = person.page.locator("#start").element_handle()
    person.press("consent.start")
    start.wait_for_element_state("hidden")
    assert person.kept("orders") == []
    assert person.kept("drafts")[0]["options"] == {"background": "white"}
    person.agree()
    person.has_file()
    assert person.credits() == (CREDITS - 1, 0)


@pytest.mark.parametrize("path", [PATH, "/p/sbi/photo/make"])
def test_nobody_else_pays_for_what_was_agreed_to(visit: Visit, portrait: bytes, path: str) -> None:
    """Whoever was signed out or somebody else signed in in another tab: the consent is drawn anew."""
    person = visit().choose(("asha.jpg", portrait), path="/p/sbi/photo")
    person.open(path)
    if path == PATH:
        only(person, "photo")
    person.sign_in()
    person.page.check("#agree")
    other = another_tab(person, "/device")
    other.press("device.sign_out")
    other.page.wait_for_selector("#email")
    person.page.click("#start")
    person.page.wait_for_selector("#email")
    assert person.kept("orders") == []
    person.sign_in()
    person.page.check("#agree")
    other.page.reload()
    other.press("device.sign_out")
    other.page.wait_for_selector("#email")
    other.email = f"next-{person.email}"
    other.sign_in()
    handle = person.page.locator("#start").element_handle()
    person.page.click("#start")
    handle.wait_for_element_state("hidden")
    assert person.kept("orders") == []


def test_an_order_without_an_owner_waits_for_a_hand(visit: Visit, portrait: bytes) -> None:
    """Whoever signs in next does not pay for it, unless they go on with it, and then it is theirs."""
    person = visit().choose(("asha.jpg", portrait))
    person.press("check.make")
    person.sign_in()
    person.page.route("**/uploads", lambda route: refuse(route, 503, "INTERNAL_ERROR"))
    person.agree()
    person.sees("problem.busy.title", timeout_s=60)
    person.page.evaluate(WITHOUT_OWNER)
    asked = len(person.requests)
    person.page.reload()
    person.page.wait_for_selector(f"text={person.say('order.go_on')}")
    person.page.wait_for_load_state("networkidle")
    assert not any(request.url.endswith("/uploads") for request in person.requests[asked:])
    person.page.unroute("**/uploads")
    person.press("order.go_on")
    person.has_file()
    assert [order["user_id"] for order in person.kept("orders")] == [person.user_id()]


WITHOUT_OWNER = """async () => {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open("rythmiq", 1);
    request.onsuccess = () => resolve(request.result);
  });
  const store = database.transaction("orders", "readwrite").objectStore("orders");
  await new Promise((resolve) => {
    store.getAll().onsuccess = ({ target }) => {
      const [order] = target.result;
      store.put({ ...order, user_id: null }).onsuccess = resolve;
    };
  });
  database.close();
}"""


def _states(person: Visitor) -> list[str]:
    return sorted(order["state"] for order in person.kept("orders"))


def _of_one_page(route: Route) -> None:
    answer = route.fetch()
    account = answer.json()
    route.fulfill(response=answer, json={**account, "limits": {**account["limits"], "max_pages": 1}})
