"""Papers: a signature, and a certificate of three photos in their order."""

import io
import re

import pypdfium2
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Route, expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.visitor import Visitor
from tests.samples.pages import letter
from tests.samples.signature import signature_photo
from tests.support.worker_uploads import encoded

CERTIFICATE = "/p/college-generic/document-pdf"


@pytest.fixture(scope="module")
def signature() -> bytes:
    """Ink on paper."""
    return encoded(signature_photo((1200, 600)), quality=90)


SEEN = "() => [...document.querySelectorAll('.sheet img')].every((image) => image.complete && image.naturalWidth > 0)"
DARKEST = """() => [...document.querySelectorAll(".sheet img")].map((image) => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [1, 100];
  const paint = canvas.getContext("2d");
  paint.imageSmoothingQuality = "high";
  paint.drawImage(image, 0, 0, 1, 100);
  const rows = [...Array(100).keys()].map((y) => paint.getImageData(0, y, 1, 1).data[0]);
  const bands = rows.slice(0, 92).map((_, y) => rows.slice(y, y + 8).reduce((sum, one) => sum + one));
  return Math.round((bands.indexOf(Math.min(...bands)) / 100 - 1 / 8) * 4);
})"""
WATCHED = """() => {
  window.blank = 0;
  new MutationObserver(() => {
    window.blank += [...document.querySelectorAll(".sheet img")].filter((image) => !image.complete).length;
  }).observe(document.querySelector(".pages").closest("section"), { childList: true, subtree: true });
  return scrollY;
}"""


@pytest.fixture(scope="module")
def pages() -> list[tuple[str, bytes]]:
    """Three pages, told apart by the height of their black bar: each a quarter lower than the one before."""
    made = []
    for number in range(3):
        image = letter(number + 1, 900, rows=8).image.convert("RGB")
        top = image.height // 8 + number * image.height // 4
        ImageDraw.Draw(image).rectangle((60, top, image.width - 60, top + image.height // 10), fill=(0, 0, 0))
        made.append((f"page-{number + 1}.jpg", encoded(image, quality=80)))
    return made


def _bars(pdf: bytes) -> list[int]:
    """Which quarter of each page is the darkest."""
    found = []
    for page in pypdfium2.PdfDocument(pdf):
        image = page.render(scale=0.5).to_pil().convert("L")
        rows = [sum(image.crop((0, y, image.width, y + 1)).tobytes()) for y in range(image.height)]
        band = image.height // 12
        darkest = min(range(image.height - band), key=lambda y: sum(rows[y : y + band]))
        found.append(round((darkest / image.height - 1 / 8) * 4))
    return found


@pytest.mark.parametrize(("device", "language"), [("phone", "hi"), ("desktop", "en")])
def test_a_signature(visit: Visit, signature: bytes, device: str, language: str) -> None:
    """10 to 20 KB and 140 x 60 px for SBI."""
    person = visit(device, language).make(("sign.jpg", signature), path="/p/sbi/signature")
    _, content = person.download()
    person.screenshot(f"signature-{device}-{language}")
    assert Image.open(io.BytesIO(content)).size == (140, 60)
    assert 10 * 1024 <= len(content) <= 20 * 1000
    person.is_well()


def test_three_photos_become_one_pdf_in_their_order(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """The last page is moved to the front by keys, and comes first in the PDF; it is one job and one credit."""
    person = visit().choose(*pages, path=CERTIFICATE)
    sheets = person.page.locator(".sheet")
    sheets.nth(2).get_by_role("button").first.focus()
    person.page.keyboard.press("Enter")
    expect(sheets.nth(1).get_by_role("button").first).to_be_focused()
    person.page.keyboard.press("Enter")
    expect(sheets.nth(0).get_by_role("button").nth(1)).to_be_focused()  # the one to the front has no more to do
    person.screenshot("pages")
    person.press("pages.make")
    person.sign_in()
    person.agree()
    filename, content = person.download()
    assert filename.endswith(".pdf")
    assert _bars(content) == [2, 0, 1]
    person.sees("order.completed.pages", count=3)
    person.page.wait_for_function(f"() => document.querySelectorAll('.sheet img').length === 3 && ({SEEN})()")
    assert person.page.evaluate(DARKEST) == [2, 0, 1]
    person.page.locator("summary", has_text=person.say("result.done")).click()
    person.sees("operation.crop.free")
    person.sees("operation.of_page", page=3, words=person.say("operation.page"))
    assert person.credits() == (CREDITS - 1, 0)
    person.screenshot("certificate")
    person.accessible("order.completed.pages", count=3)
    person.is_well()


def test_pages_are_reordered_by_dragging(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """Dropped on the first, the third is the first; a removed one is gone."""
    person = visit("desktop").choose(*pages, path=CERTIFICATE)
    sheets = person.page.locator(".sheet")
    sheets.nth(2).drag_to(sheets.nth(0))
    person.page.wait_for_function("() => document.querySelector('#status').textContent !== ''")
    assert _names(person) == ["page-3.jpg", "page-1.jpg", "page-2.jpg"]
    person.page.get_by_role("button", name=person.say("pages.remove")).nth(1).click()
    person.page.wait_for_selector(".sheet >> nth=2", state="detached")
    assert _names(person) == ["page-3.jpg", "page-2.jpg"]


def test_a_removed_page_can_be_had_back(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """Undo has the focus, the screen stays where it was, and no picture is blank while pages are swapped."""
    person = visit().choose(*pages, path=CERTIFICATE)
    person.page.wait_for_function(SEEN)
    remove = person.page.get_by_role("button", name=person.say("pages.remove")).nth(1)
    remove.scroll_into_view_if_needed()
    stood = person.page.evaluate(WATCHED)
    remove.click()
    undo = person.page.get_by_role("button", name=person.say("pages.undo"))
    expect(undo).to_be_focused()
    expect(undo).to_be_in_viewport()
    assert _names(person) == ["page-1.jpg", "page-3.jpg"]
    assert person.page.evaluate("scrollY") == stood
    undo.click()
    person.page.wait_for_selector(".sheet >> nth=2")
    assert _names(person) == ["page-1.jpg", "page-2.jpg", "page-3.jpg"]
    assert person.page.evaluate("blank") == 0
    person.is_well()


def test_chosen_pages_are_on_the_screen_and_can_be_seen_larger(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """On a phone they come below the rules: the screen goes to them."""
    person = visit().choose(*pages[:2], path=CERTIFICATE)
    picture = person.page.locator(".sheet img").first
    person.page.wait_for_function(SEEN)
    expect(picture).to_be_in_viewport(ratio=0.9)
    small = picture.bounding_box()
    picture.click()
    large = picture.bounding_box()
    assert small is not None
    assert large is not None
    assert large["height"] > 1.8 * small["height"]
    person.is_well()


def test_files_of_like_names_are_told_apart(visit: Visit) -> None:
    """A certificate and a marksheet of class 10 each have a line of their own."""
    person = visit().open("/p/neet-2026")
    person.sees("slot.what.class-10-certificate")
    person.sees("slot.what.class-10-marksheet")


def test_a_page_can_be_added_later(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """Files that are chosen afterwards come behind."""
    person = visit().choose(*pages[:2], path=CERTIFICATE)
    name, content = pages[2]
    person.page.set_input_files("#file", {"name": name, "mimeType": "image/jpeg", "buffer": content})
    person.page.wait_for_selector(".sheet >> nth=2")
    assert _names(person) == [name for name, _ in pages]


def test_pages_that_are_chosen_while_none_can_be_read_yet(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """What reads files is still on its way: each comes behind the one that was chosen before."""
    person = visit(service_workers="block")
    held: list[Route] = []
    person.page.route(re.compile(r"/file-facts\.js"), lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    person.open(CERTIFICATE)
    for name, content in pages[:2]:
        person.page.set_input_files("#file", {"name": name, "mimeType": "image/jpeg", "buffer": content})
    held[0].continue_()
    person.page.wait_for_selector(".sheet >> nth=1")
    assert _names(person) == [name for name, _ in pages[:2]]


def test_corners_are_dragged_and_the_page_made_again(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """The corners go with the job, in shares, clockwise from the upper left."""
    person = visit("desktop").make(pages[0], path=CERTIFICATE)
    person.has_file()
    person.press("adjust.open")
    corner = person.page.get_by_role("button", name=person.say("adjust.corner.upper_left"))
    corner.wait_for()
    corner.scroll_into_view_if_needed()
    box = corner.bounding_box()
    assert box
    person.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + box["height"] / 2 + 30, steps=4)
    person.page.mouse.up()
    person.screenshot("corners")
    address = person.page.url
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=address)
    person.has_file()
    ((corners,),) = person.cloud.rows(
        "select options -> 'corners' from public.jobs where user_id = %s and options ? 'corners'", person.user_id()
    )
    (left, top), (right, _), *_ = corners
    assert 0 < left < 0.5 < right <= 1
    assert 0 < top < 0.5


def test_corners_lie_on_the_picture_as_it_was_turned(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """Turned before it is made again, and in the result of that: each corner stays on its corner of the page."""
    person = visit("desktop").make(pages[0], path=CERTIFICATE)
    _, tall = _corners(person)
    assert tall
    corner = person.page.get_by_role("button", name=person.say("adjust.corner.upper_left"))
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        corner.press(key)
    upright, _ = _corners(person, opened=True)
    person.page.select_option("#turn", "90")
    person.page.wait_for_function(IS_WIDE)
    turned, _ = _corners(person, opened=True)
    expected = [(1 - y, x) for x, y in (upright[3], *upright[:3])]
    assert turned == [pytest.approx(point, abs=0.001) for point in expected]
    address = person.page.url
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=address)
    again, tall = _corners(person)
    assert not tall
    assert again == [pytest.approx(point, abs=0.001) for point in turned]
    person.is_well()


def test_corners_that_are_moved_while_the_page_is_being_turned(visit: Visit, pages: list[tuple[str, bytes]]) -> None:
    """The points on the picture before the turn are not taken for points of the turned one."""
    person = visit("desktop").make(pages[0], path=CERTIFICATE)
    upright, _ = _corners(person)
    person.page.evaluate(TURNS_LATE)
    person.page.select_option("#turn", "90")
    person.page.get_by_role("button", name=person.say("adjust.corner.upper_left")).press("ArrowRight")
    person.page.wait_for_function("() => window.goOn")
    person.page.evaluate("() => window.goOn()")
    person.page.wait_for_function(IS_WIDE)
    turned, _ = _corners(person, opened=True)
    expected = [(1 - y, x) for x, y in (upright[3], *upright[:3])]
    assert turned == [pytest.approx(point, abs=0.001) for point in expected]
    person.is_well()


TURNS_LATE = """() => {
  const { toBlob } = HTMLCanvasElement.prototype;
  HTMLCanvasElement.prototype.toBlob = function (...wanted) {
    window.goOn = () => toBlob.apply(this, wanted);
  };
}"""
IS_WIDE = """() => {
  const image = document.querySelector(".adjust img");
  return image !== null && image.naturalWidth > image.naturalHeight;
}"""
CORNERS = "all => all.map(({ style }) => [parseFloat(style.left) / 100, parseFloat(style.top) / 100])"


def _corners(person: Visitor, *, opened: bool = False) -> tuple[list[tuple[float, float]], bool]:
    """Where the page's corners are drawn, in shares, and whether the picture below is higher than wide."""
    if not opened:
        person.has_file()
        person.press("adjust.open")
    person.page.wait_for_function("() => document.querySelector('.adjust img')?.naturalWidth > 0")
    found = person.page.locator(".adjust .handle").evaluate_all(CORNERS)
    return [tuple(point) for point in found], not person.page.evaluate(IS_WIDE)


def _names(person: Visitor) -> list[str]:
    (draft,) = person.page.evaluate(
        """async () => {
          const database = await new Promise((resolve) => {
            const request = indexedDB.open("rythmiq", 1);
            request.onsuccess = () => resolve(request.result);
          });
          return new Promise((resolve) => {
            const request = database.transaction("drafts").objectStore("drafts").getAll();
            request.onsuccess = () => resolve(request.result.map(({ files }) => files.map(({ file }) => file.name)));
          });
        }"""
    )
    return list(draft)
