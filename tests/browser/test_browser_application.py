"""A whole application: what is missing, two tabs at once, files made again, and one ZIP of all."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.visitor import Visitor
from tests.browser.whole_application import BROKEN, PATH, another_tab, make_it_again, pick, zipped
from tests.samples.signature import signature_photo
from tests.support.worker_uploads import encoded


@pytest.fixture(scope="module")
def signature() -> bytes:
    """Ink on paper."""
    return encoded(signature_photo((1200, 600)), quality=90)


@pytest.mark.parametrize(("device", "language", "theme"), [("phone", "en", "light"), ("desktop", "hi", "dark")])
def test_a_whole_application(  # noqa: PLR0913, PLR0917  a table
    visit: Visit, portrait: bytes, signature: bytes, device: str, language: str, theme: str
) -> None:
    """Photo and signature for SBI: what is missing is said, both are made together, and one ZIP has both names."""
    person = visit(device, language, theme).open(PATH)
    name = f"application-{device}-{language}"
    person.screenshot(f"{name}-empty")
    names = ", ".join(person.say(f"slot.{slot}") for slot in ("photo", "signature"))
    person.sees("application.missing", names=names)
    pick(person, "photo", ("asha.jpg", portrait))
    person.sees("application.missing", names=person.say("slot.signature"))
    pick(person, "signature", ("sign.jpg", signature))
    person.sees("application.nothing_missing")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    person.screenshot(f"{name}-ready")
    person.accessible()
    person.agree("application.make", count=2)
    person.sees("application.done", done=2, of=2)
    person.screenshot(f"{name}-done")
    person.accessible()
    assert sorted(image.size for image in zipped(person, count=2)) == [(140, 60), (200, 230)]
    assert person.credits() == (CREDITS - 2, 0)
    person.page.reload()
    person.sees("application.done", done=2, of=2)
    person.is_well()


def test_two_tabs_each_make_a_file_of_it(visit: Visit, portrait: bytes, signature: bytes) -> None:
    """Both tabs show both orders, which are made and charged once, and either gives the ZIP; so does a reload."""
    person = visit().open(PATH)
    pick(person, "photo", ("asha.jpg", portrait))
    person.sign_in()
    person.page.wait_for_selector("#agree")
    other = another_tab(person)
    pick(other, "signature", ("sign.jpg", signature))
    person.agree("application.make", count=1)
    other.agree("application.make", count=1)  # it has learnt of the photo's
    for tab in (person, other):
        tab.sees("application.done", done=2, of=2)
    assert len(zipped(person, count=2)) == 2
    person.page.reload()
    person.sees("application.done", done=2, of=2)
    assert len(zipped(other, count=2)) == 2
    assert person.credits() == (CREDITS - 2, 0)
    person.is_well()
    other.is_well()


HELD = """async () => {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open("rythmiq", 1);
    request.onsuccess = () => resolve(request.result);
  });
  const drafts = database.transaction("drafts", "readwrite").objectStore("drafts");
  let isHeld = true;
  window.letGo = () => void (isHeld = false);
  const hold = () => void (drafts.get("nothing").onsuccess = () => isHeld && hold());
  hold();
}"""


def test_two_tabs_each_tick_a_file(visit: Visit) -> None:
    """What was ticked or left out in one stays so when the other ticks another, also at the same moment."""
    person = visit().open(PATH)
    other = another_tab(person)
    assert _ticked(person) == ["photo", "signature"]
    more, third, *_ = (name for name in _slots(person) if name not in {"photo", "signature"})
    person.page.click("#want-photo")
    expect(person.page.locator("#want-photo")).not_to_be_checked()
    person.page.evaluate(HELD)
    for tab, name in ((person, third), (other, more)):
        tab.page.evaluate("name => document.querySelector(`#want-${name}`).click()", name)
    person.page.evaluate("letGo()")
    for tab, name in ((person, third), (other, more)):
        tab.page.wait_for_selector(f"#pick-{name}", state="attached")  # it is kept, and drawn anew
    person.page.reload()
    person.page.wait_for_selector("#want-photo")
    assert sorted(_ticked(person)) == sorted({"signature", more, third})


def test_a_file_that_could_not_be_made_is_chosen_anew(visit: Visit, portrait: bytes) -> None:
    """It counts as missing; its page leads back to the list, where another one is chosen and made in its place."""
    person = visit().open(PATH)
    person.page.click("#want-signature")
    pick(person, "photo", ("broken.jpg", BROKEN))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("order.failed")
    person.sees("application.missing", names=person.say("slot.photo"))
    person.page.click("main a[href^='#/o/']")
    person.sees("failed.DECODE_FAILED")
    person.press("order.choose_again")
    pick(person, "photo", ("asha.jpg", portrait))
    person.sees("application.nothing_missing")
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=1)
    assert [image.size for image in zipped(person, count=1)] == [(200, 230)]
    person.is_well()


def test_a_file_that_is_made_again_is_the_one_in_the_zip(
    visit: Visit, busy: Callable[[], AbstractContextManager[None]], signature: bytes
) -> None:
    """As it was turned last; a later try that comes to nothing leaves it where it is."""
    person = visit("desktop").open(PATH)
    person.page.click("#want-photo")
    pick(person, "signature", ("sign.jpg", signature))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=1)
    (first,) = zipped(person, count=1)
    make_it_again(person, turn=180)
    person.press("application.back")
    person.sees("application.done", done=1, of=1)
    (second,) = zipped(person, count=1)
    assert _distance(second, first.rotate(180)) < _distance(second, first) / 2
    with busy():
        make_it_again(person, turn=0)
        person.press("order.cancel")
        person.sees("order.cancelled.what")
        person.press("application.back")
        person.sees("application.done", done=1, of=1)
    assert zipped(person, count=1) == [second]
    person.is_well()


def test_somebody_else_s_files_are_not_theirs(visit: Visit, signature: bytes) -> None:
    """Whoever signs in next on the device begins with nothing, and whoever was there before finds it all again."""
    person = visit().open(PATH)
    person.page.click("#want-photo")
    pick(person, "signature", ("sign.jpg", signature))
    person.sign_in()
    person.agree("application.make", count=1)
    person.sees("application.done", done=1, of=1)
    first = person.email
    _signs_in_next(person, f"next-{first}")
    person.sees("application.done", done=0, of=1)
    person.sees("application.missing", names=person.say("slot.signature"))
    _signs_in_next(person, first)
    person.sees("application.done", done=1, of=1)


def _signs_in_next(person: Visitor, email: str) -> None:
    person.open("/device")
    person.press("device.sign_out")
    person.page.wait_for_selector("#email")
    person.email = email
    person.sign_in()
    person.open(PATH)


def _distance(one: Image.Image, other: Image.Image) -> float:
    return ImageStat.Stat(ImageChops.difference(one.convert("L"), other.convert("L"))).mean[0]


def _slots(person: Visitor) -> list[str]:
    names: list[str] = person.page.locator("[id^=want-]").evaluate_all("all => all.map(({ id }) => id.slice(5))")
    return names


def _ticked(person: Visitor) -> list[str]:
    return [name for name in _slots(person) if person.page.is_checked(f"#want-{name}")]
