"""A photo from the phone to the portal's file: the whole way, and what is there to see at its end."""

import io
import itertools
import json
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import expect

from tests.browser.conftest import CREDITS, Visit
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import within
from tests.support.worker_uploads import encoded


@pytest.mark.parametrize(
    ("device", "language", "theme"), [("phone", "en", "light"), ("phone", "hi", "dark"), ("desktop", "en", "dark")]
)
def test_a_photo_becomes_the_portals_file(
    visit: Visit, portrait: bytes, device: str, language: str, theme: str
) -> None:
    """From choosing to the download: the right name, the right pixels and bytes, one credit, nothing left behind."""
    person = visit(device, language, theme)
    name = f"{device}-{language}-{theme}"
    person.open().screenshot(f"home-{name}", whole=False)
    person.choose(("asha.jpg", portrait))
    person.sees("check.make")
    person.screenshot(f"check-{name}")
    person.press("check.make")
    person.page.wait_for_selector("#email")
    person.screenshot(f"sign-in-{name}")
    person.sign_in()
    person.page.wait_for_selector("#agree")
    person.screenshot(f"consent-{name}")
    person.agree()
    person.page.wait_for_selector(".stages, a[download].main")
    person.screenshot(f"making-{name}")
    filename, content = person.download()
    person.screenshot(f"result-{name}")

    assert filename == "asha_photo.jpg"
    picture = Image.open(io.BytesIO(content))
    assert picture.size == (413, 531)
    assert 10 * 1024 <= len(content) <= 200 * 1000
    assert person.credits() == (CREDITS - 1, 0)
    (order,) = person.kept("orders")
    assert "blob" not in json.dumps(order)
    assert person.kept("drafts") == []
    person.is_well()


def test_the_zip_holds_document_and_receipt(visit: Visit, portrait: bytes) -> None:
    """Everything as a ZIP."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    with person.page.expect_download() as waiting:
        person.press("result.zip")
    assert waiting.value.suggested_filename == "asha_photo.zip"
    names = zipfile.ZipFile(waiting.value.path()).namelist()
    assert {"asha_photo.jpg", "receipt.json", "receipt.html"} <= set(names)


def test_a_print_sheet_is_six_by_four_inches(visit: Visit, portrait: bytes) -> None:
    """Eight copies of 35 x 45 mm, with cut marks, at 300 DPI."""
    person = visit().make(("asha.jpg", portrait))
    _, content = person.download()
    with person.page.expect_download() as waiting:
        person.press("result.print")
    sheet = Image.open(waiting.value.path())
    assert sheet.size == (1800, 1200)
    assert sheet.info["dpi"] == (300, 300)
    above_the_copies = sheet.convert("L").crop((0, 40, 1800, 54))
    assert min(above_the_copies.tobytes()) < 200, "no cut marks"
    photo = Image.open(io.BytesIO(content)).convert("L")
    across, down = range(38, 1800 - 413, 413 + 24), range(57, 1200 - 531, 531 + 24)
    assert (len(across), len(down)) == (4, 2)
    for x, y in itertools.product(across, down):
        copy = sheet.convert("L").crop((x, y, x + 413, y + 531))
        assert ImageStat.Stat(ImageChops.difference(copy, photo)).mean[0] < 3, (x, y)


@pytest.mark.parametrize(
    ("size", "paper_mm", "copies", "printed"),
    [
        ((827, 1063), (35, 45), 8, (413, 531)),  # a Schengen visa's, at 600 DPI
        ((600, 600), None, 8, (413, 413)),  # a US visa's: no paper is stated
        ((600, 600), (35, 45), 8, (413, 413)),
        ((300, 900), (35, 45), 16, (177, 531)),
    ],
)
def test_a_print_sheet_stretches_nothing(
    visit: Visit, size: tuple[int, int], paper_mm: tuple[int, int] | None, copies: int, printed: tuple[int, int]
) -> None:
    """A file of another shape than the form's paper keeps its own, within it."""
    person = visit().open()
    sheet_bytes = person.page.evaluate(
        """async ([source, [width, height], slot]) => {
          const { printSheet } = await import(source);
          const black = new OffscreenCanvas(width, height);
          black.getContext("2d").fillRect(0, 0, width, height);
          const sheet = await printSheet(await black.convertToBlob({ type: "image/png" }), slot);
          return [...new Uint8Array(await sheet.arrayBuffer())];
        }""",
        [
            person.source("print-sheet.js"),
            size,
            dict(zip(("width_mm", "height_mm"), paper_mm, strict=True)) if paper_mm else {},
        ],
    )
    dark = np.asarray(Image.open(io.BytesIO(bytes(sheet_bytes))).convert("L")) < 60
    found, _, stats, _ = cv2.connectedComponentsWithStats(dark.astype(np.uint8))
    sizes = {(int(width), int(height)) for _, _, width, height, _ in stats[1:]}  # the first is the paper
    assert (found - 1, sizes) == (copies, {printed})


def test_a_print_sheet_that_cannot_be_drawn_now(visit: Visit, portrait: bytes) -> None:
    """What draws it does not come: it says so beside the button, and the next tap does it."""
    person = visit(service_workers="block").make(("asha.jpg", portrait))
    person.has_file()
    person.page.route("**/print-sheet.js", lambda route: route.abort())
    person.press("result.print")
    person.sees("problem.offline.title")
    person.page.unroute("**/print-sheet.js")
    with person.page.expect_download():
        person.press("result.print")


def test_the_form_s_frame_lies_over_the_photo(visit: Visit, portrait: bytes) -> None:
    """Two ovals as high as the form's least and largest head, said in words too, and drawn at a tick."""
    person = visit().make(("asha.jpg", portrait))
    frame = person.page.locator(".compare svg.wanted")
    frame.wait_for(timeout=90_000, state="attached")
    expect(frame).to_be_hidden()
    assert frame.get_attribute("viewBox") == "0 0 413 531"
    heights = frame.locator("ellipse.stroke").evaluate_all("all => all.map((one) => 2 * one.getAttribute('ry') / 531)")
    assert [round(height, 3) for height in heights] == [0.7, 0.85]
    choice = person.page.locator("label.choice", has_text=person.say("guide.show"))
    expect(choice).to_contain_text(person.say("guide.head", least=70, most=85))
    choice.locator("input").check()
    expect(frame).to_be_visible()


def test_a_part_is_chosen_and_the_photo_made_again(visit: Visit, portrait: bytes) -> None:
    """Two corners go by keys, in shares of the picture; another job on the master is made of that part."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.press("adjust.open")
    corner = person.page.get_by_role("button", name=person.say("adjust.corner.lower_right"))
    corner.press("ArrowLeft")
    corner.press("ArrowUp")
    first = person.page.url
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=first)
    crops = within(30, lambda: _crops(person), "the second job")
    assert crops == [({"x": 0, "y": 0, "width": 0.99, "height": 0.99},)]


def test_the_file_is_shared_with_another_app(visit: Visit, portrait: bytes) -> None:
    """Where the device can: the very file, under its right name."""
    person = visit()
    person.page.add_init_script(
        """navigator.canShare = ({ files }) => files.length === 1;
        navigator.share = async ({ files: [file] }) => { window.shared = [file.name, file.type, file.size]; };"""
    )
    person.make(("asha.jpg", portrait))
    _, content = person.download()
    person.press("result.share")
    assert person.page.evaluate("() => window.shared") == ["asha_photo.jpg", "image/jpeg", len(content)]


def test_a_device_that_cannot_share_offers_nothing_of_it(visit: Visit, portrait: bytes) -> None:
    """No button that does nothing."""
    person = visit()
    person.page.add_init_script("navigator.canShare = () => false;")
    person.make(("asha.jpg", portrait))
    person.has_file()
    assert person.page.get_by_text(person.say("result.share"), exact=True).count() == 0


def _crops(person: Visitor) -> list[tuple[object]]:
    return person.cloud.rows(
        "select options -> 'crop' from public.jobs where user_id = %s and options ? 'crop'", person.user_id()
    )


def test_a_face_is_chosen_and_the_photo_made_again(visit: Visit, portrait: bytes) -> None:
    """The point goes with the arrow keys, and another job on the master is charged once, as was said."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.press("adjust.open")
    handle = person.page.get_by_role("button", name=person.say("adjust.face.handle"))
    handle.wait_for()
    handle.press("ArrowRight")
    first = person.page.url
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=first)
    person.has_file()
    options = person.cloud.rows(
        "select options from public.jobs where user_id = %s and options ? 'face'", person.user_id()
    )
    assert len(options) == 1
    assert person.credits() == (CREDITS - 2, 0)


def test_the_same_photo_serves_another_portal(visit: Visit, portrait: bytes) -> None:
    """Another form's file comes from the master: no second upload."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.press("elsewhere.open")
    box = person.page.locator("label", has_text="SBI (State Bank of India recruitment)").locator("input").first
    box.check()
    person.press("elsewhere.make", count=1)
    person.page.locator("section[aria-labelledby=elsewhere] a.line").click()
    filename, content = person.download()
    assert Image.open(io.BytesIO(content)).size == (200, 230)
    assert filename.endswith(".jpg")
    assert sum(request.method == "PUT" for request in person.requests) == 1


def test_delete_now_removes_everything(visit: Visit, portrait: bytes) -> None:
    """The job, its objects and this device's line are gone."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.press("delete.now")
    person.press("delete.yes")
    person.sees("device.history.none")
    assert person.cloud.stored_keys(f"output/{person.user_id()}/") == []
    assert person.kept("orders") == []


def test_a_photo_that_lay_on_its_side_is_changed_as_it_is_seen(visit: Visit, portrait: bytes) -> None:
    """Its face turned it: it is shown upright with the point on the face, which goes to the service as it was sent."""
    lying = encoded(Image.open(io.BytesIO(portrait)).transpose(Image.Transpose.ROTATE_90), quality=92)
    person = visit().make(("asha.jpg", lying))
    person.has_file()
    person.press("adjust.open")
    person.page.wait_for_function("() => document.querySelector('.adjust img')?.naturalWidth > 0")
    image = person.page.locator(".adjust img").first
    assert image.evaluate("({ naturalWidth, naturalHeight }) => naturalHeight > naturalWidth")
    handle = person.page.get_by_role("button", name=person.say("adjust.face.handle"))
    x, y = handle.evaluate("({ style }) => [parseFloat(style.left), parseFloat(style.top)]")
    assert (x, y) == (pytest.approx(43, abs=4), pytest.approx(22, abs=4))
    handle.press("ArrowRight")
    first = person.page.url
    person.press("adjust.again")
    person.page.wait_for_function("address => location.href !== address", arg=first)
    person.has_file()
    asked = "select options -> 'face' from public.jobs where user_id = %s and options ? 'face'"
    ((face,),) = person.cloud.rows(asked, person.user_id())
    assert face == {"x": pytest.approx(y / 100, abs=0.001), "y": pytest.approx(0.99 - x / 100, abs=0.001)}
