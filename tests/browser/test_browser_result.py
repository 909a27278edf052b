"""The result on a small phone: what is there without scrolling, comparing, and what is said of saving."""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import CDPSession, Page, Route, ViewportSize, expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.samples.pages import letter
from tests.samples.signature import signature_photo
from tests.support import worker_uploads
from tests.support.worker_uploads import encoded

SMALL_PHONE = ViewportSize(width=360, height=740)
Drag = Callable[[Page, tuple[float, float], tuple[float, float]], None]


def by_mouse(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press, move in twenty steps, let go."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=20)
    page.mouse.up()


def by_finger(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """The same with a finger."""
    session: CDPSession = page.context.new_cdp_session(page)
    (x, y), (to_x, to_y) = start, end
    for step in range(21):
        at = {"x": x + (to_x - x) * step / 20, "y": y + (to_y - y) * step / 20}
        kind = "touchStart" if step == 0 else "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [at]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("drag", [by_mouse, by_finger])
def test_the_pictures_follow_a_drag_to_its_end(visit: Visit, portrait: bytes, drag: Drag) -> None:
    """From the middle to the right edge and past it: all of it is before, and only that label is left."""
    person = _with_result(visit, ("asha.jpg", portrait))
    frame = person.page.locator(".compare")
    box = frame.bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    drag(person.page, middle, (box["x"] + box["width"] - 2, middle[1] + 20))
    share = float(person.page.get_by_label(person.say("compare.slider")).input_value())
    assert share > 97
    expect(frame.get_by_text(person.say("compare.after"), exact=True)).to_be_hidden()
    knob = person.page.locator(".compare .knob").bounding_box()
    assert knob is not None
    assert knob["x"] + knob["width"] <= box["x"] + box["width"] + 1


@pytest.mark.parametrize("drag", [by_mouse, by_finger])
def test_a_corner_follows_a_drag(visit: Visit, portrait: bytes, drag: Drag) -> None:
    """The corner of the part to keep is where it was let go, in shares of the picture."""
    person = _with_result(visit, ("asha.jpg", portrait))
    person.press("adjust.open")
    corner = person.page.get_by_role("button", name=person.say("adjust.corner.upper_left"))
    corner.scroll_into_view_if_needed()
    picture = person.page.locator(".adjust", has=corner).bounding_box()
    handle = corner.bounding_box()
    assert picture is not None
    assert handle is not None
    start = (handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    drag(person.page, start, (picture["x"] + picture["width"] * 0.4, start[1] + 60))
    assert abs(corner.evaluate("one => parseFloat(one.style.left)") - 40) < 2


@pytest.mark.parametrize("slot", ["neet-2026/photo", "sbi/signature"])
def test_the_download_is_on_the_first_screen(visit: Visit, portrait: bytes, slot: str) -> None:
    """The button, what the file is, and the picture in the file's own shape, without scrolling."""
    content = portrait if slot.endswith("photo") else encoded(signature_photo((1200, 600)), quality=90)
    person = _with_result(visit, ("asha.jpg", content), path=f"/p/{slot}")
    person.page.evaluate("scrollTo(0, 0)")
    expect(person.page.locator("a[download].main")).to_be_in_viewport(ratio=1)
    width, height = (413, 531) if slot.endswith("photo") else (140, 60)
    expect(person.page.locator("main")).to_contain_text(f"{width} × {height} px")
    box = person.page.locator(".compare").bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(width / height, rel=0.02)
    person.screenshot(f"first-screen-{slot.split('/')[1]}", whole=False)


def test_before_and_after_are_at_one_scale(visit: Visit, portrait: bytes) -> None:
    """The same face at the same place, so that a slide shows what was changed and not what was cut off."""
    person = _with_result(visit, ("asha.jpg", portrait))
    seen = []
    for key in ("Home", "End"):
        person.page.get_by_label(person.say("compare.slider")).press(key)
        picture = Image.open(io.BytesIO(person.page.locator(".compare").screenshot())).convert("L")
        width, height = picture.size
        middle = picture.crop((width // 4, height // 4, 3 * width // 4, 3 * height // 4))
        seen.append(np.asarray(middle, dtype=float).ravel())
    assert np.corrcoef(np.stack(seen))[0, 1] > 0.97


def test_a_download_is_said_to_be_saved(visit: Visit, portrait: bytes) -> None:
    """To be seen beside the button, and in the region that is read out."""
    person = _with_result(visit, ("asha.jpg", portrait))
    saved = person.page.locator("main").get_by_text(person.say("result.saved"), exact=True)
    expect(saved).to_be_hidden()
    person.download()
    expect(saved).to_be_visible()
    expect(person.page.locator("#status")).to_have_text(person.say("result.saved"))


def test_a_deletion_is_said_and_remembered(visit: Visit, portrait: bytes) -> None:
    """To be seen and heard at once; and the way back leads to words that say so."""
    person = _with_result(visit, ("asha.jpg", portrait))
    person.press("delete.now")
    person.press("delete.yes")
    person.sees("delete.done")
    expect(person.page.locator("#alert")).to_have_text(person.say("delete.done"))
    person.page.go_back()
    person.sees("deleted.title")
    person.accessible("deleted.title")
    expect(person.page.get_by_text(person.say("missing.todo"))).to_have_count(0)
    person.page.reload()
    person.sees("deleted.title")


def test_a_file_made_again_keeps_its_name(visit: Visit, portrait: bytes) -> None:
    """No file is sent, and the name is still the person's own; after a second time, too."""
    person = _with_result(visit, ("asha.jpg", portrait))
    for _ in range(2):
        person.press("adjust.open")
        before = person.page.url
        person.press("adjust.again")
        person.page.wait_for_function("address => location.href !== address", arg=before)
        name, _content = person.download()
        assert name == "asha_photo.jpg"


def test_a_signature_is_not_said_to_be_read(visit: Visit, busy: Callable[[], AbstractContextManager[None]]) -> None:
    """The list of steps names no text for it, nor a face."""
    with busy():
        person = visit().make(("s.jpg", encoded(signature_photo((1200, 600)), quality=90)), path="/p/sbi/signature")
        stages = person.page.locator(".stages")
        expect(stages).to_contain_text(person.say("stage.quality.paper"))
        expect(stages).not_to_contain_text(person.say("stage.ocr"))


def test_the_rules_that_were_checked_are_counted(visit: Visit, portrait: bytes) -> None:
    """What was not measured is not among them, and is named for the person to look at."""
    person = _with_result(visit, ("asha.jpg", portrait))
    receipt = person.page.locator("section[aria-labelledby=receipt]")
    checked = receipt.locator(".clauses > li:not(.not_checked)").count()
    names = receipt.locator(".clauses > li.not_checked strong").evaluate_all(
        "all => all.map((one) => one.firstChild.data)"
    )
    assert names
    said = person.page.locator(".note.good", has_text=person.say("result.conforms"))
    expect(said).to_contain_text(person.say("result.conforms.what", count=checked))
    expect(said).to_contain_text(person.say("result.conforms.look", names=", ".join(names)))


def test_a_time_in_hindi_says_which_part_of_the_day(visit: Visit, portrait: bytes) -> None:
    """As it is spoken, not "pm"."""
    person = visit(language="hi").make(("asha.jpg", portrait))
    person.has_file()
    person.open("/device")
    line = person.page.locator("section[aria-labelledby=history] li").first
    expect(line).to_contain_text(re.compile(r"\d, (सुबह|दोपहर|शाम|रात) \d+:\d\d"))


COUNTED = """() => {
  const { createObjectURL, revokeObjectURL } = URL;
  [window.made, window.live] = [0, new Set()];
  URL.createObjectURL = (thing) => {
    const address = createObjectURL.call(URL, thing);
    if (thing.type !== "text/javascript") window.made += 1;
    window.live.add(address);
    return address;
  };
  URL.revokeObjectURL = (address) => (window.live.delete(address), revokeObjectURL.call(URL, address));
}"""


@pytest.mark.parametrize(
    ("files", "path", "made"), [(1, "/p/neet-2026/photo", 3), (2, "/p/college-generic/document-pdf", 5)]
)
def test_no_file_is_held_in_memory_once_the_result_is_left(visit: Visit, files: int, path: str, made: int) -> None:
    """Whether it was there to see, or still came when the view was left already."""
    chosen = [(f"{number}.jpg", encoded(letter(number, 900, rows=8).image, quality=80)) for number in range(files)]
    person = visit()
    if files == 1:
        person.make(("asha.jpg", worker_uploads.portrait()))
    else:
        person.choose(*chosen, path=path)
        person.press("pages.make")
        person.sign_in()
        person.agree()
    person.has_file()
    result = person.page.url
    person.page.add_init_script(f"({COUNTED})()")
    person.page.reload()
    person.has_file()
    person.page.wait_for_function("made => window.made >= made", arg=made)
    person.open("/privacy")
    person.page.wait_for_function("() => window.live.size === 0")

    held: list[Route] = []
    person.page.route(re.compile(r"/output/"), lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    with person.page.expect_request(re.compile(r"/output/")):
        person.page.goto(result)
    person.open("/device")
    before = person.page.evaluate("() => window.made")
    person.page.unroute(re.compile(r"/output/"))
    person.page.wait_for_function("([before, made]) => window.made >= before + made - 1", arg=[before, made])
    person.page.wait_for_function("() => window.live.size === 0")


def _with_result(visit: Visit, file: tuple[str, bytes], path: str = "/p/neet-2026/photo") -> Visitor:
    person = visit()
    person.page.set_viewport_size(SMALL_PHONE)
    person.make(file, path=path)
    person.has_file()
    person.page.wait_for_selector(".compare .knob")
    return person
