"""The guided camera and the rehearsal, on Chromium's own moving test picture."""

from playwright.sync_api import expect

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


def test_a_picture_that_comes_once_one_has_gone_elsewhere(visit: Visit) -> None:
    """Whoever goes to another slot while it is taken stays there, and no file is chosen for them."""
    person = visit().open("/p/neet-2026/photo")
    person.page.evaluate(TAKES_LATE)
    person.open("/p/neet-2026/photo/camera")
    person.press("camera.shoot")
    person.page.wait_for_function("() => window.goOn")
    person.open("/p/neet-2026")
    person.page.evaluate("() => window.goOn()")
    person.page.wait_for_timeout(100)
    assert person.page.evaluate("location.hash") == "#/p/neet-2026"
    assert person.kept("drafts") == []
    person.is_well()


def test_a_rehearsal_shows_what_the_form_will_look_at(visit: Visit) -> None:
    """The same frame and checks; nothing is sent or kept."""
    person = visit(language="hi").open("/p/ssc/rehearse")
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


def test_without_what_measures_a_picture_can_be_taken(visit: Visit) -> None:
    """There are no hints then, in front of the camera and beside the picture."""
    person = visit().open("/p/neet-2026/photo")
    person.page.route("**/measures.js", lambda route: route.abort())
    person.open("/p/neet-2026/photo/camera")
    person.press("camera.shoot")
    person.page.wait_for_selector(".clauses")
    person.is_well()


def test_a_rehearsal_waits_for_what_measures(visit: Visit) -> None:
    """It would find nothing wrong: so it says that the network is missing, and goes on once it is there."""
    person = visit().open("/p/ssc")
    person.page.route("**/measures.js", lambda route: route.abort())
    person.open("/p/ssc/rehearse")
    person.sees("problem.offline.title")
    person.page.unroute("**/measures.js")
    person.page.evaluate("() => dispatchEvent(new Event('online'))")
    person.press("camera.shoot")
    person.sees("rehearse.list")
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
