"""Ways to a file beside the file chooser, what a person may choose beside the file, and the camera over a paper."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import GUEST_CREDITS, Visit
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import within

HEIC = Path(__file__).parents[1] / "data" / "heif" / "plain.heic"
ARRIVES = """([bytes, kind, target]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "asha.jpg", { type: "image/jpeg" }));
  const event = kind === "drop"
    ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.querySelector(target).dispatchEvent(event);
  return event.defaultPrevented;
}"""
A_STILL_PAPER = """
  navigator.mediaDevices.getUserMedia = async (asked) => {
    window.asked = asked;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [960, 1280];
    const paint = canvas.getContext("2d");
    const draw = () => {
      paint.fillStyle = "#ddd";
      paint.fillRect(0, 0, 960, 1280);
      paint.fillStyle = "#223";
      for (let y = 100; y < 1200; y += 40) paint.fillRect(120, y, 700, 12);
    };
    draw();
    setInterval(draw, 100);
    return canvas.captureStream(10);
  };
"""


@pytest.mark.parametrize(("kind", "target"), [("drop", ".drop"), ("paste", "body")])
def test_a_file_is_dropped_or_pasted(visit: Visit, portrait: bytes, kind: str, target: str) -> None:
    """It is checked like a chosen one, and the browser does not open it instead of the page."""
    person = visit("desktop").open("/p/neet-2026/photo")
    is_ours = person.page.evaluate(ARRIVES, [list(portrait), kind, target])
    assert is_ours or kind == "paste"
    person.page.wait_for_selector(".clauses")
    person.page.get_by_text("asha.jpg").first.wait_for()
    person.is_well()


def test_an_empty_file_is_refused_in_sight(visit: Visit) -> None:
    """Where it is chosen, for eyes and ears."""
    person = visit().open("/p/neet-2026/photo")
    person.page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b""})
    person.sees("pick.empty")


def test_a_heic_is_told_and_made(visit: Visit) -> None:
    """An iPhone's format, which no browser shows: it is named, a sign stands for the picture, and it is made a JPG."""
    person = visit().choose(("IMG_1.HEIC", HEIC.read_bytes()), path="/p/sbi/photo")
    person.page.get_by_text(person.say("format.heic")).first.wait_for()
    expect(person.page.locator(".picked .badge")).to_be_visible()
    person.press("check.make")
    person.sign_in()
    person.agree()
    filename, content = person.download()
    assert filename == "IMG_1_photo.jpg"
    assert content[:3] == b"\xff\xd8\xff"
    person.is_well()


def test_name_and_date_are_printed(visit: Visit, portrait: bytes) -> None:
    """Latin letters alone and both or neither, which is said at once; then the strip is on the photo."""
    person = visit().choose(("asha.jpg", portrait), path="/p/upsc-2026/photo")
    person.press("option.title")
    person.page.fill("#caption-name", "आशा")
    person.sees("option.caption.latin")
    person.page.fill("#caption-name", "Asha Devi")
    person.sees("option.caption.both")
    person.page.fill("#caption-date", "2026-11-29")
    expect(person.page.locator("#caption-wrong")).to_have_text("")
    person.screenshot("caption")
    person.press("check.make")
    person.sign_in()
    person.agree()
    person.has_file()
    person.press("result.done")
    person.sees("operation.caption")
    assert _options(person) == {"caption": {"name": "Asha Devi", "date": "2026-11-29"}}


@pytest.mark.parametrize(
    ("path", "key", "options"),
    [
        ("/p/sbi/photo", "option.background", {"background": "white"}),
        ("/p/college-generic/document-pdf", "option.text", {"text_layer": True}),
    ],
)
def test_a_choice_goes_with_the_job(
    visit: Visit, portrait: bytes, path: str, key: str, options: dict[str, Any]
) -> None:
    """Ticked where the form allows it, kept over a reload, and in the job's options."""
    person = visit().choose(("asha.jpg", portrait), path=path)
    person.press("option.title")
    person.press(key)
    person.page.reload()
    person.press("option.title")
    expect(person.page.get_by_label(person.say(key))).to_be_checked()
    person.press("check.make")
    person.sign_in()
    person.agree()
    assert within(30, lambda: _options(person), "the job") == options


def test_a_form_that_allows_no_choice_shows_none(visit: Visit, portrait: bytes) -> None:
    """No field that the service would refuse."""
    person = visit().choose(("asha.jpg", portrait), path="/p/passport-india/photo")
    assert person.page.get_by_text(person.say("option.title")).count() == 0


def test_a_paper_is_photographed_by_the_camera_behind(visit: Visit) -> None:
    """Unmirrored, in the frame of a sheet, and the picture is the slot's file."""
    person = _over_a_paper(visit)
    assert person.page.evaluate("window.asked.video.facingMode") == "environment"
    assert person.page.locator("video").evaluate("element => getComputedStyle(element).scale") == "none"
    assert person.page.locator(".camera ellipse").count() == 0
    person.page.wait_for_selector(".camera.ready")
    person.screenshot("camera-paper")
    person.page.wait_for_selector(".clauses")
    assert person.page.evaluate("location.hash") == "#/p/sbi/signature"


@pytest.mark.parametrize(
    ("paper", "print_", "hint"), [("#222", "#000", "dark"), ("#888", "#888", "blurred")], ids=["dark", "blurred"]
)
def test_what_is_wrong_with_the_picture_is_told(visit: Visit, paper: str, print_: str, hint: str) -> None:
    """Too little light, or nothing sharp: it says so, and nothing is taken by itself."""
    person = visit()
    person.page.add_init_script(A_STILL_PAPER.replace("#ddd", paper).replace("#223", print_))
    person.open("/p/sbi/signature/camera")
    expect(person.page.locator(".hint")).to_have_text(person.say(f"camera.hint.{hint}"))
    expect(person.page.locator(".camera.ready")).to_have_count(0)


def test_a_tilted_phone_is_told(visit: Visit) -> None:
    """And nothing is taken by itself until it lies level again."""
    person = _over_a_paper(visit)

    def tilt(degrees: int) -> None:
        event = "gamma => dispatchEvent(new DeviceOrientationEvent('deviceorientation', { gamma }))"
        person.page.evaluate(event, degrees)

    tilt(20)
    hint = person.page.locator(".hint")
    expect(hint).to_have_text(person.say("camera.hint.tilted"))
    tilt(2)
    expect(hint).to_have_text(person.say("camera.hint.ready"))
    person.page.wait_for_selector(".clauses")


def test_what_comes_next_is_said_before(visit: Visit, portrait: bytes) -> None:
    """Beside the button: an address, how many a guest has, how the file goes; then one may type the address at once."""
    person = visit().choose(("asha.jpg", portrait))
    expect(person.page.locator("main")).to_contain_text(person.say("check.ahead"))
    expect(person.page.locator("main")).to_contain_text(person.say("check.ahead.guest", count=GUEST_CREDITS))
    person.press("check.make")
    expect(person.page.locator("#email")).to_be_focused()
    person.sign_in()
    person.open("/p/neet-2026/photo")
    person.sees("check.make")
    expect(person.page.locator("main")).not_to_contain_text(person.say("check.ahead"))


@pytest.mark.parametrize(("device", "shown"), [("phone", False), ("desktop", True)])
def test_a_finger_is_told_nothing_of_mouse_and_keys(visit: Visit, device: str, *, shown: bool) -> None:
    """Dropping, pasting and going on with a phone are for who sits at a desk."""
    person = visit(device).open("/p/sbi/photo")
    person.sees("pick.picture")
    for key in ("pick.drop", "phone.title"):
        expect(person.page.get_by_text(person.say(key))).to_be_visible(visible=shown)


def _over_a_paper(visit: Visit) -> Visitor:
    person = visit()
    person.page.add_init_script(A_STILL_PAPER)
    person.open("/p/sbi/signature/camera")
    person.page.wait_for_selector("video")
    return person


def _options(person: Visitor) -> Any:
    rows = person.cloud.rows("select options from public.jobs where user_id = %s", person.user_id())
    return rows[0][0] if rows else None
