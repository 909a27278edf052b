"""The guided camera and the rehearsal, on Chromium's own moving test picture."""

import re

from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit

OPENS_LATE = """() => {
  const media = navigator.mediaDevices;
  const open = media.getUserMedia.bind(media);
  media.getUserMedia = async (wanted) => {
    window.camera = await open(wanted);
    await new Promise((resolve) => { window.goOn = resolve; });
    return window.camera;
  };
}"""
TAKES_LATE = """() => {
  window.ImageCapture = class {
    takePhoto() {
      return new Promise((resolve) => { window.goOn = () => resolve(new Blob(["photo"], { type: "image/jpeg" })); });
    }
  };
}"""
REFUSES_LATE = """() => {
  window.asked = 0;
  navigator.mediaDevices.getUserMedia = () => {
    window.asked += 1;
    return new Promise((_, reject) => { window.goOn = () => reject(new DOMException("no", "NotAllowedError")); });
  };
}"""
PASTES = """(bytes) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""
SETS_OPTIONS = """async () => {
  const database = await new Promise((resolve) => {
    indexedDB.open("rythmiq", 1).onsuccess = ({ target }) => resolve(target.result);
  });
  const transaction = database.transaction("drafts", "readwrite");
  const drafts = transaction.objectStore("drafts");
  drafts.getAll().onsuccess = ({ target }) => drafts.put({ ...target.result[0], options: { enhance: "none" } });
  await new Promise((resolve) => { transaction.oncomplete = resolve; });
  database.close();
}"""
MEASURES, READS = re.compile(r"/measures\.js"), re.compile(r"/file-facts\.js")
REFUSE = """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "%s"));"""


def test_the_guided_camera_takes_a_picture(visit: Visit) -> None:
    """A frame, a hint that is heard, a countdown, and the picture is the slot's file, unmirrored."""
    person = visit().open("/p/neet-2026/photo/camera")
    video = person.page.locator("video")
    video.wait_for()
    person.page.wait_for_function("() => document.querySelector('video').videoWidth > 0")
    assert video.evaluate("element => getComputedStyle(element).scale") == "-1 1", "the preview is a mirror"
    expect(person.page.locator(".hint")).to_have_attribute("role", "status")
    person.screenshot("camera")
    person.press("camera.shoot")
    person.page.wait_for_selector(".clauses")
    assert person.page.evaluate("location.hash") == "#/p/neet-2026/photo"
    (draft,) = person.kept("drafts")
    assert draft["files"][0]["facts"]["format"] == "jpeg"
    assert draft["files"][0]["facts"]["width"] >= 640
    person.is_well()


def test_the_camera_ends_when_one_goes_elsewhere(visit: Visit) -> None:
    """No light stays on."""
    person = visit().open("/p/neet-2026/photo/camera")
    person.page.wait_for_selector("video")
    stream = person.page.evaluate_handle("() => document.querySelector('video').srcObject")
    person.open("/p/neet-2026/photo")
    person.sees("slot.wanted")
    assert stream.evaluate("stream => stream.getTracks().map((track) => track.readyState)") == ["ended"]


def test_a_camera_that_opens_once_one_has_gone_elsewhere(visit: Visit) -> None:
    """Whoever was asked for it, and went back meanwhile, finds no light on."""
    person = visit().open("/p/neet-2026/photo")
    person.page.evaluate(OPENS_LATE)
    person.open("/p/neet-2026/photo/camera")
    person.page.wait_for_function("() => window.goOn")
    person.open("/p/neet-2026/photo")
    person.page.evaluate("() => window.goOn()")
    person.page.wait_for_function("() => window.camera.getTracks().every(({ readyState }) => readyState === 'ended')")
    person.is_well()


def test_a_picture_that_comes_once_one_has_gone_elsewhere(visit: Visit, portrait: bytes) -> None:
    """Whoever goes to another slot while it is taken stays there, and no file is chosen for them."""
    person = visit().open("/p/neet-2026/photo")
    person.page.evaluate(TAKES_LATE)
    person.open("/p/neet-2026/photo/camera")
    person.press("camera.shoot")
    person.page.wait_for_function("() => window.goOn")
    person.open("/p/neet-2026/signature")
    person.page.evaluate("() => window.goOn()")
    # What would happen to the picture happens to a file after it: read, kept, shown.
    person.choose(("later.jpg", portrait), path="/p/neet-2026/signature")
    assert person.page.evaluate("location.hash") == "#/p/neet-2026/signature"
    assert [draft["id"] for draft in person.kept("drafts")] == ["neet-2026/signature"]
    person.is_well()


def test_a_camera_that_is_refused_once_one_has_gone_elsewhere(visit: Visit, portrait: bytes) -> None:
    """Nothing is said on the other page, and what is pasted there is no photo of the form."""
    person = visit().open("/p/neet-2026/photo")
    person.page.evaluate(REFUSES_LATE)
    person.open("/p/neet-2026/photo/camera")
    person.page.wait_for_function("() => window.goOn")
    person.open("/p/neet-2026")
    person.page.evaluate("() => window.goOn()")
    person.page.evaluate(PASTES, list(portrait))
    person.choose(("later.jpg", portrait), path="/p/neet-2026/signature")
    assert [draft["id"] for draft in person.kept("drafts")] == ["neet-2026/signature"]
    assert person.page.locator("#alert").inner_text() == ""
    person.is_well()


def test_a_rehearsal_that_is_left_before_it_can_measure(visit: Visit) -> None:
    """No camera opens on another page, neither when the network fails there nor when it comes back."""
    person = visit(service_workers="block").open("/p/ssc")
    held: list[Route] = []
    person.page.route(MEASURES, lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    person.page.evaluate(REFUSES_LATE)
    with person.page.expect_request(MEASURES):
        person.open("/p/ssc/rehearse")
    person.open("/p/ssc")
    with person.page.expect_event("requestfailed"):
        held[0].abort()
    person.page.unroute(MEASURES)
    person.page.evaluate("() => dispatchEvent(new Event('online'))")
    person.open("/p/ssc/rehearse")  # asks for what measures and for the camera after the one that was left
    person.page.wait_for_function("() => window.goOn")
    assert person.page.evaluate("window.asked") == 1
    assert person.page.locator("#alert").inner_text() == ""


def test_the_camera_opens_before_its_hints_are_there(visit: Visit) -> None:
    """It waits for nothing; "by itself" is offered as soon as there is what judges."""
    person = visit(service_workers="block").open("/p/neet-2026/photo")
    held: list[Route] = []
    person.page.route(MEASURES, lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    person.open("/p/neet-2026/photo/camera")
    expect(person.page.get_by_role("button", name=person.say("camera.shoot"))).to_be_enabled()
    expect(person.page.locator("#auto")).to_be_hidden()
    expect(person.page.locator(".hint")).to_have_text(person.say("camera.hint.start"))
    held[0].continue_()
    expect(person.page.locator("#auto")).to_be_visible()


def test_a_page_is_added_and_choices_stay(visit: Visit, portrait: bytes) -> None:
    """Of a paper of several pages, the camera takes the next one."""
    path = "/p/neet-2026/class-10-marksheet"
    person = visit().choose(("first.jpg", portrait), path=path)
    person.page.evaluate(SETS_OPTIONS)
    person.page.reload()
    person.open(f"{path}/camera")
    person.press("camera.shoot")
    person.sees("pages.title", count=2, slot=person.say("slot.class-10-marksheet"))
    (draft,) = person.kept("drafts")
    first, _ = draft["files"]
    assert first["file"] == f"blob of {len(portrait)}"
    assert draft["options"] == {"enhance": "none"}


def test_a_rehearsal_shows_what_the_form_will_look_at(visit: Visit) -> None:
    """The same frame and checks; nothing is sent or kept."""
    person = visit(language="hi").open("/p/ssc")
    person.press("portal.rehearse")
    person.page.wait_for_selector("video")
    before = len(person.requests)
    person.press("camera.shoot")
    person.sees("rehearse.list")
    person.screenshot("rehearsal")
    assert person.kept("drafts") == []
    assert [request.url for request in person.requests[before:] if request.method != "GET"] == []
    person.press("camera.again")
    person.page.wait_for_selector("video")
    person.is_well()


def test_a_rehearsal_does_not_praise_what_it_cannot_judge(visit: Visit) -> None:
    """Where the browser cannot read the picture, it says so; and what forms look at is a list, without ticks."""
    person = visit().open("/p/ssc")
    person.page.evaluate("() => { window.createImageBitmap = () => Promise.reject(new DOMException('no')); }")
    person.open("/p/ssc/rehearse")
    person.press("camera.shoot")
    person.sees("rehearse.unseen")
    expect(person.page.get_by_text(person.say("rehearse.good"))).to_have_count(0)
    ticks = person.page.locator("#main li .icon").evaluate_all("icons => icons.map((icon) => icon.outerHTML)")
    assert len(ticks) == 7
    assert not any("M5 12.5" in tick for tick in ticks)


def test_the_focus_stays_where_things_happen(visit: Visit) -> None:
    """On what is said in place of the button that was used, and never on nothing."""
    person = visit().open("/p/ssc/rehearse")
    shoot = person.page.get_by_role("button", name=person.say("camera.shoot"))
    expect(shoot).to_be_enabled()
    shoot.press("Enter")
    person.sees("rehearse.list")
    focused = person.page.locator("*:focus")
    expect(focused).to_have_js_property("tagName", "H2")
    person.page.evaluate(f"() => {{ {REFUSE % 'NotFoundError'} }}")
    person.page.get_by_role("button", name=person.say("camera.again")).press("Enter")
    person.sees("camera.none")
    expect(focused).to_have_text(person.say("camera.none"))


def test_without_what_measures_a_picture_can_be_taken(visit: Visit) -> None:
    """There are no hints then, in front of the camera and beside the picture, and nothing by itself."""
    person = visit(service_workers="block").open("/p/neet-2026/photo")
    person.page.route(MEASURES, lambda route: route.abort())
    with person.page.expect_event("requestfailed", lambda request: "measures" in request.url):
        person.open("/p/neet-2026/photo/camera")
    expect(person.page.locator("#auto")).to_be_hidden()
    with person.page.expect_event("requestfailed", lambda request: "measures" in request.url):
        person.press("camera.shoot")
        person.page.wait_for_selector(".clauses")
    person.page.evaluate("() => new Promise(requestAnimationFrame)")  # what is not caught has been reported by then
    person.is_well()


def test_a_rehearsal_waits_for_what_measures(visit: Visit) -> None:
    """It would find nothing wrong: so it says that the network is missing, and goes on once it is there."""
    person = visit(service_workers="block").open("/p/ssc")
    person.page.route(MEASURES, lambda route: route.abort())
    person.open("/p/ssc/rehearse")
    person.sees("problem.offline.title")
    person.page.unroute(MEASURES)
    person.page.evaluate("() => dispatchEvent(new Event('online'))")
    person.press("camera.shoot")
    person.sees("rehearse.list")
    second = [request.url for request in person.requests if "measures" in request.url][-1]
    assert second.endswith("?1"), "some browsers remember until a reload that an address failed"
    person.is_well()


def test_a_picture_waits_for_what_reads_it(visit: Visit) -> None:
    """It is not lost where the network is away, and is chosen once it is back."""
    person = visit(service_workers="block")
    person.page.route(READS, lambda route: route.abort())
    person.open("/p/neet-2026/photo/camera")
    person.press("camera.shoot")
    person.sees("problem.offline.title")
    person.page.unroute(READS)
    person.page.evaluate("() => dispatchEvent(new Event('online'))")
    person.page.wait_for_selector(".clauses")
    person.is_well()


def test_a_camera_that_is_not_allowed(visit: Visit, portrait: bytes) -> None:
    """It says where to allow it, and a file does as well."""
    person = visit()
    person.page.add_init_script(REFUSE % "NotAllowedError")
    person.open("/p/neet-2026/photo/camera")
    person.sees("camera.denied")
    person.sees("camera.denied.todo")
    person.screenshot("camera-denied")
    person.accessible("camera.denied")
    person.page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": portrait})
    person.page.wait_for_selector(".clauses")
    person.is_well()


def test_a_device_without_a_camera(visit: Visit) -> None:
    """It says so, and offers to choose a photo."""
    person = visit()
    person.page.add_init_script(REFUSE % "NotFoundError")
    person.open("/p/neet-2026/photo/camera")
    person.sees("camera.none")
    person.accessible("camera.none")
