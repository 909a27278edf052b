"""For everybody: axe finds nothing in any state, theme or language; keys alone go the whole way; zoom and motion."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from playwright.sync_api import TimeoutError as TooLateError

from tests.browser.axe import Violations, violations
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

HAS_FOCUS = """([selector, words]) =>
  document.activeElement.matches(selector) && document.activeElement.textContent.includes(words)"""
FOCUS_IS_SEEN = """() => {
  const { activeElement: element } = document;
  // Between the page's end and its beginning; or the heading of a view that has come meanwhile, which is no stop.
  if (element === document.body || element.tabIndex < 0) return true;
  const isSeen = (one) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    const { left, top, right, bottom } = one.getBoundingClientRect();
    const inside = Math.min(bottom, innerHeight) - Math.max(top, 0);
    const at = document.elementFromPoint((left + right) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2);
    const isInside = right - left > 8 && inside >= Math.min(24, bottom - top);
    const isCovered = at === null || !(one.contains(at) || at.contains(one));
    return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && isInside && !isCovered;
  };
  return [element, element.closest("label"), ...(element.labels ?? [])].some((one) => one !== null && isSeen(one));
}"""
BOTH = pytest.mark.parametrize("language", ["en", "hi"])


def test_axe_would_find_something(visit: Visit) -> None:
    """A picture without words and a button without a name are found: the check is not asleep."""
    person = visit().open()
    person.page.evaluate(
        "() => document.querySelector('main').append(new Image(9, 9), document.createElement('button'))"
    )
    assert {rule for _, _, rule, _ in violations(person.page)} >= {"image-alt", "button-name"}


@BOTH
def test_states_before_sign_in(visit: Visit, portrait: bytes, language: str) -> None:
    """Start, search, nothing found, a form, a file, sources, a check, an unusable file, pages, privacy, nowhere."""
    person = visit(language=language).open()
    found: dict[str, Violations] = {"start": violations(person.page)}
    person.page.fill("#search", "photo")
    found["search"] = violations(person.page)
    person.page.fill("#search", "zzzz")
    found["nothing"] = violations(person.page)
    for path in ("/p/neet-2026", "/p/neet-2026/photo", "/p/upsc-2026/photo", "/privacy", "/p/nobody", "/device"):
        person.open(path)
        person.page.wait_for_timeout(100)
        found[path] = violations(person.page)
    person.open("/p/neet-2026/photo")
    person.press("slot.sources")
    found["sources"] = violations(person.page)
    person.choose(("a.jpg", portrait))
    for summary in person.page.locator("summary:not(.no-touch summary)").all():
        summary.click()
    found["check"] = violations(person.page)
    person.choose(("a.jpg", b"no picture"))
    found["unusable"] = violations(person.page)
    person.choose(("a.jpg", portrait), ("b.jpg", portrait), path="/p/college-generic/document-pdf")
    found["pages"] = violations(person.page)
    person.open("/p/neet-2026/photo/camera")
    person.page.wait_for_selector("video")
    found["camera"] = violations(person.page)
    person.open("/p/ssc/rehearse")
    person.page.wait_for_selector("video")
    found["rehearsal"] = violations(person.page)
    person.press("camera.shoot")
    person.sees("rehearse.list")
    found["rehearsed"] = violations(person.page)
    assert found == {state: [] for state in found}


@BOTH
def test_states_from_sign_in_to_the_result(visit: Visit, portrait: bytes, language: str) -> None:
    """Sign-in, code, consent, under way, result with everything open, deleting, device, application, a failure."""
    person = visit(language=language).choose(("a.jpg", portrait))
    person.press("check.make")
    person.page.wait_for_selector("#email")
    found = {"sign-in": violations(person.page)}
    person.page.fill("#email", person.email)
    person.press("signin.send")
    person.page.wait_for_selector("#code")
    found["code"] = violations(person.page)
    right = person.code()
    person.page.fill("#code", "000000" if right != "000000" else "111111")
    person.sees("signin.wrong.code")
    found["wrong code"] = violations(person.page)
    person.page.fill("#code", right)
    person.page.wait_for_selector("#agree")
    found["consent"] = violations(person.page)
    person.press("consent.start")
    person.sees("consent.needed")
    found["consent missing"] = violations(person.page)
    person.page.route("**/raw/**", lambda _route: None)
    with person.page.expect_request("**/raw/**"):
        person.agree()
    person.page.wait_for_selector("progress")
    found["sending"] = violations(person.page)
    person.page.context.set_offline(True)
    person.sees("problem.offline.title")
    found["offline"] = violations(person.page)
    person.page.unroute("**/raw/**")
    person.page.context.set_offline(False)
    person.has_file()
    for summary in person.page.locator("summary:not(.no-touch summary)").all():
        summary.click()
    found["result"] = violations(person.page)
    person.press("delete.now")
    found["deleting"] = violations(person.page)
    for path in ("/device", "/a/sbi"):
        person.open(path)
        person.page.wait_for_timeout(300)
        found[path] = violations(person.page)
    assert found == {state: [] for state in found}


@BOTH
def test_states_on_a_desktop(visit: Visit, portrait: bytes, language: str) -> None:
    """The same page in two columns: check, consent, result with everything open, device, erasure, application."""
    person = visit("desktop", language).choose(("a.jpg", portrait))
    person.press("phone.title")
    person.page.wait_for_selector(".qr")
    found = {"check and the code for the phone": violations(person.page)}
    person.press("check.make")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    found["consent"] = violations(person.page)
    person.agree()
    person.has_file()
    for summary in person.page.locator("summary:not(.no-touch summary)").all():
        summary.click()
    found["result"] = violations(person.page)
    person.open("/a/sbi")
    person.page.wait_for_selector("#want-photo")
    found["application"] = violations(person.page)
    person.open("/device")
    person.press("data.erase")
    found["erasing"] = violations(person.page)
    person.press("data.erase.yes")
    person.sees("data.erased")
    found["erased"] = violations(person.page)
    assert found == {state: [] for state in found}


def test_a_failed_job_in_every_look(visit: Visit) -> None:
    """On phone and desktop, in both themes and languages."""
    broken = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(2_000)
    person = visit().make(("a.jpg", broken))
    person.sees("failed.DECODE_FAILED")
    for width in (360, 1280):
        person.page.set_viewport_size({"width": width, "height": 800})
        person.accessible("failed.free")


def test_the_queue_in_every_look(
    visit: Visit, busy: Callable[[], AbstractContextManager[None]], portrait: bytes
) -> None:
    """The place, the expected start and the stages to come."""
    with busy():
        person = visit().make(("a.jpg", portrait))
        person.sees("order.queue", place=1)
        for width in (360, 1280):
            person.page.set_viewport_size({"width": width, "height": 800})
            person.accessible("order.pending")
        person.press("order.cancel")
        person.sees("order.cancelled.what")


def test_keys_alone_go_the_whole_way(visit: Visit, portrait: bytes) -> None:
    """From the search to the download without a pointer; the focus can be seen at each stop."""
    person = visit("desktop").open()
    page = person.page
    _tab_to(person, "#search")
    page.keyboard.type("photo neet")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    person.sees("slot.wanted")
    _choose_by_keys(person, "#file", portrait)
    page.wait_for_selector(".clauses")
    _press_by_keys(person, "a[href$='/make']")
    page.wait_for_selector("#email:focus")
    _sign_in_by_keys(person)
    _press_by_keys(person, "button.main")
    person.has_file()
    _tab_to(person, "input[type=range]")
    page.keyboard.press("ArrowRight")
    _tab_to(person, "a[download].main")
    with page.expect_download():
        page.keyboard.press("Enter")
    person.is_well()


def test_keys_alone_make_an_application_cancel_and_delete(
    visit: Visit, busy: Callable[[], AbstractContextManager[None]], portrait: bytes
) -> None:
    """On a phone's screen in Hindi: files picked and left out, the ZIP, deleting one, and cancelling the next."""
    person = visit("phone", "hi").open("/p/sbi")
    page = person.page
    _press_by_keys(person, "a[href='#/a/sbi']")
    _choose_by_keys(person, "#pick-photo", portrait)
    person.sees("application.missing", names=person.say("slot.signature"))
    _tab_to(person, "#want-signature")
    page.keyboard.press("Space")
    person.sees("application.nothing_missing")
    _tab_to(person, "#email")
    _sign_in_by_keys(person)
    _press_by_keys(person, "button.main")
    person.sees("application.done", done=1, of=1)
    _tab_to(person, "#zip")
    with page.expect_download():
        page.keyboard.press("Enter")
    _press_by_keys(person, "#look-photo")
    person.has_file()
    _press_by_keys(person, "button", "delete.now")
    page.wait_for_selector("button.danger:focus")
    page.keyboard.press("Enter")
    person.sees("delete.done")
    with busy():
        person.open("/p/sbi/photo")
        _choose_by_keys(person, "#file", portrait)
        page.wait_for_selector(".clauses")
        _press_by_keys(person, "a[href$='/make']")
        page.wait_for_selector("#agree:checked")
        _press_by_keys(person, "button.main")
        person.sees("order.queue", place=1)
        _press_by_keys(person, "button", "order.cancel")
        person.sees("order.cancelled.what")
    person.is_well()


def test_the_stages_are_heard(visit: Visit, portrait: bytes) -> None:
    """A live region says what happens, from encrypting to the end."""
    person = visit().choose(("a.jpg", portrait))
    person.page.evaluate(
        """() => {
          window.heard = [];
          new MutationObserver(() => {
            const text = document.querySelector("#status").textContent;
            if (text) window.heard.push(text);
          }).observe(document.querySelector("#status"), { childList: true, characterData: true, subtree: true });
        }"""
    )
    person.press("check.make")
    person.sign_in()
    person.agree()
    person.has_file()
    heard = person.page.evaluate("() => window.heard")
    assert person.say("order.completed") in heard
    assert {person.say("order.sending"), person.say("order.pending"), person.say("order.processing")} & set(heard)


@pytest.mark.parametrize("language", ["en", "hi"])
@pytest.mark.parametrize("width", [320, 360])
def test_nothing_is_cut_off_on_small_phones(visit: Visit, portrait: bytes, width: int, language: str) -> None:
    """At 360 px, and at 320 px, which is 640 px at 200 % zoom, nothing scrolls sideways."""
    person = visit("desktop", language)
    person.page.set_viewport_size({"width": width, "height": 640})
    person.choose(("a-rather-long-name-of-a-file-from-a-phone-20261129-0001.jpg", portrait))
    for path in (None, "/", "/p/sbi", "/a/sbi", "/privacy", "/device"):
        if path:
            person.open(path)
            person.page.wait_for_timeout(150)
        assert person.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_touch_targets_are_large_enough(visit: Visit, portrait: bytes) -> None:
    """Buttons and fields are 44 px high or more; links within a sentence are excepted."""
    person = visit().choose(("a.jpg", portrait))
    small = person.page.evaluate(
        """() => [...document.querySelectorAll("main .button, main summary, main .input, header a, header button")]
          .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height < 44)
          .map((element) => element.textContent)"""
    )
    assert small == []


def test_reduced_motion_is_respected(visit: Visit) -> None:
    """Nothing turns or slides for those who ask for it."""
    person = visit(reduced_motion="reduce").open()
    duration = person.page.evaluate(
        """() => {
          const dot = document.createElement("span");
          dot.className = "dot";
          const item = document.createElement("li");
          item.className = "now";
          const list = document.createElement("ol");
          list.className = "stages";
          item.append(dot);
          list.append(item);
          document.querySelector("main").append(list);
          return getComputedStyle(dot).animationDuration;
        }"""
    )
    assert float(duration.removesuffix("s")) <= 0.001


def _tab_to(person: Visitor, selector: str, words: str = "") -> None:
    """Press Tab until something of these words has the focus; at each stop it can be seen, and is within the window."""
    for _ in range(80):
        person.page.keyboard.press("Tab")
        try:
            person.page.wait_for_function(FOCUS_IS_SEEN, timeout=5_000)
        except TooLateError:
            pytest.fail(f"unseen: {person.page.evaluate('() => document.activeElement.outerHTML')[:300]}")
        if person.page.evaluate(HAS_FOCUS, [selector, words]):
            return
    pytest.fail(f"no {selector} {words} by Tab")


def _choose_by_keys(person: Visitor, selector: str, content: bytes) -> None:
    _tab_to(person, selector)
    with person.page.expect_file_chooser() as chooser:
        person.page.keyboard.press("Space")
    chooser.value.set_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": content})


def _press_by_keys(person: Visitor, selector: str, key: str = "") -> None:
    _tab_to(person, selector, person.say(key) if key else "")
    person.page.keyboard.press("Enter")


def _sign_in_by_keys(person: Visitor) -> None:
    """Where the address has the focus; then agree."""
    person.page.keyboard.type(person.email)
    person.page.keyboard.press("Enter")
    person.page.wait_for_selector("#code:focus")
    person.page.keyboard.type(person.code())
    person.page.wait_for_selector("#agree")
    _tab_to(person, "#agree")
    person.page.keyboard.press("Space")
