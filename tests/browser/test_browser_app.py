"""The page as an app: without a network, from the share sheet, from desktop to phone, and gone by one deploy."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visit
from tests.browser.service_worker import ON_DEMAND, install, kept, until
from tests.browser.visitor import PAGE_DIRECTORY, Visitor

_FIRST_LINE = '    self.addEventListener("install", () => self.skipWaiting());'


def test_preflight_works_offline(visit: Visit, portrait: bytes) -> None:
    """After one visit the page opens, finds a form and checks a file without a network."""
    person = visit().open()
    install(person.page)
    person.page.reload()
    person.page.wait_for_selector("h1")
    person.page.context.set_offline(True)
    person.page.reload()
    person.page.wait_for_selector("#search")
    person.choose(("a.jpg", portrait))
    person.sees("check.make")
    person.screenshot("offline-preflight")


def test_the_list_of_this_device_works_offline(visit: Visit, portrait: bytes) -> None:
    """What was made here is named; to be shown it needs the network, and is there again with it."""
    person = visit().make(("asha.jpg", portrait))
    person.has_file()
    person.open()
    install(person.page)
    person.page.context.set_offline(True)
    person.page.reload()
    person.page.wait_for_selector("#search")
    person.open("/device")
    line = person.page.locator("#main a.line", has_text="asha_photo.jpg")
    expect(line).to_have_count(1)
    line.click()
    person.page.wait_for_selector("#main[data-path^='/o/']")
    person.sees("problem.offline.title")
    person.page.context.set_offline(False)  # which is enough, as it says
    person.has_file()


def test_what_is_asked_for_on_demand_is_kept_before_it_is(visit: Visit) -> None:
    """At each start: a deploy brings new files, and the worker that keeps them stays the same one."""
    person = visit().open()
    install(person.page)
    assert {"file-facts.js", "measures.js", "qr.js", "zip.js", "print-sheet.js"} == ON_DEMAND
    assert kept(person.page) >= ON_DEMAND
    for name in sorted(ON_DEMAND):
        address = person.page.evaluate(
            """async (name) => {
              const cache = await caches.open("rythmiq-page");
              const { url } = (await cache.keys()).find(({ url }) => url.endsWith(`/${name}`));
              await cache.delete(url);
              return url;
            }""",
            name,
        )
        assert name in address
    person.page.reload()
    until(person.page, "() => navigator.serviceWorker.controller !== null")
    install(person.page)
    person.page.context.set_offline(True)
    person.open("/p/ssc/rehearse")
    person.press("camera.shoot")
    person.sees("rehearse.list")


def _share(person: Visitor, name: str, content: bytes) -> None:
    """Send a photo as Android's share sheet does."""
    person.page.evaluate(
        """([name, bytes]) => {
          const form = document.createElement("form");
          Object.assign(form, { method: "POST", action: "/app/share", enctype: "multipart/form-data" });
          const input = document.createElement("input");
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
          Object.assign(input, { type: "file", name: "photo", files: files.files });
          form.append(input);
          document.body.append(form);
          form.submit();
        }""",
        [name, list(content)],
    )
    person.page.wait_for_url("**/app#/shared")
    person.sees("shared.title")


def test_a_photo_from_the_share_sheet(visit: Visit, portrait: bytes) -> None:
    """What another app shares waits on the device until a form is chosen for it, or something else is shared."""
    person = visit().open()
    install(person.page)
    person.page.reload()
    person.page.wait_for_selector("h1")
    _share(person, "never-taken.jpg", portrait)
    _share(person, "shared.jpg", portrait)
    assert len(person.kept("shared")) == 1
    person.accessible("shared.title")
    person.page.fill("#search", "photo neet")
    person.page.locator("button.line").first.click()
    person.page.wait_for_selector(".clauses")
    person.page.get_by_text("shared.jpg").first.wait_for()
    assert person.kept("shared") == []


def test_the_manifest_can_be_installed(visit: Visit) -> None:
    """Name, icons, scope, and a share target within the scope."""
    person = visit().open()
    person.page.locator("h1").click()
    base = str(person.page.locator("link[rel=manifest]").evaluate("link => link.href"))
    answer = person.page.request.get(base)
    assert answer.headers["content-type"] == "application/manifest+json"
    manifest = json.loads(answer.text())
    resolved = person.page.evaluate(
        "([address, base]) => new URL(address, base).pathname", [manifest["start_url"], base]
    )
    assert resolved == "/app"
    share = person.page.evaluate(
        "([address, base]) => new URL(address, base).pathname", [manifest["share_target"]["action"], base]
    )
    assert share == "/app/share"
    for icon in manifest["icons"]:
        address = person.page.evaluate("([address, base]) => new URL(address, base).href", [icon["src"], base])
        assert person.page.request.get(address).status == 200


def test_one_deploy_removes_the_worker(browser: Browser) -> None:
    """The worker of docs/page.md takes the place of the page's own, unregisters, and takes the cache along."""
    deployed = [(PAGE_DIRECTORY / "sw.js").read_bytes()]

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_worker = self.path == "/app/sw.js"
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if is_worker else "text/html")
            self.send_header("Service-Worker-Allowed", "/app")
            self.end_headers()
            self.wfile.write(deployed[0] if is_worker else b"<h1>page</h1>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/app")
        page.evaluate(
            """async () => {
              await navigator.serviceWorker.register("/app/sw.js", { scope: "/app" });
              await navigator.serviceWorker.ready;
            }"""
        )
        until(page, "async () => (await caches.keys()).includes('rythmiq-page')")
        script = (PAGE_DIRECTORY.parent / "docs" / "page.md").read_text(encoding="utf-8")
        lines = [line for line in script.splitlines() if line.startswith("    ")]
        deployed[0] = "\n".join(lines[lines.index(_FIRST_LINE) :]).encode()
        page.evaluate("async () => { await (await navigator.serviceWorker.getRegistration('/app')).update(); }")
        until(page, "async () => !(await caches.keys()).includes('rythmiq-page')")
        page.goto("about:blank")
        page.goto(f"http://127.0.0.1:{server.server_port}/other")
        until(page, "async () => (await navigator.serviceWorker.getRegistrations()).length === 0")
        page.close()
        server.shutdown()


def test_a_code_leads_the_phone_to_the_same_form(visit: Visit) -> None:
    """The QR code holds this form's address and nothing else."""
    person = visit("desktop").open("/p/sbi/photo")
    person.press("phone.title")
    address = f"{person.cloud.file.base_url}/app#/p/sbi/photo"
    code = person.page.get_by_role("img", name=person.say("phone.alt", address=address))
    expect(code).to_be_visible()
    person.screenshot("hand-off")
    assert _read(person) == address


def test_a_code_that_cannot_be_drawn_leaves_its_address(visit: Visit) -> None:
    """To be typed on the phone."""
    person = visit("desktop").open("/p/sbi/photo")
    person.page.route("**/qr.js", lambda route: route.abort())
    person.press("phone.title")
    expect(person.page.get_by_text(f"{person.cloud.file.base_url}/app#/p/sbi/photo", exact=True)).to_be_visible()
    expect(person.page.locator(".qr")).to_have_count(0)


def test_a_job_of_one_device_is_shown_on_another(visit: Visit, portrait: bytes) -> None:
    """Whoever signs in elsewhere with the same address sees the file by its job."""
    phone = visit().make(("a.jpg", portrait))
    phone.has_file()
    ((job_id, _),) = phone.jobs()
    desktop = visit("desktop")
    desktop.email = phone.email
    desktop.open("/device")
    desktop.sign_in()
    desktop.sees("device.as", email=phone.email)
    desktop.page.locator(f'a[href="#/o/{job_id}"]').click()
    filename, _ = desktop.download()
    assert filename == "a_photo.jpg"


def test_somebody_elses_order_is_not_shown(visit: Visit, portrait: bytes) -> None:
    """Another account gets nothing of it."""
    owner = visit().make(("a.jpg", portrait))
    owner.has_file()
    ((job_id, _),) = owner.jobs()
    other = visit().open("/device")
    other.sign_in()
    other.sees("device.as", email=other.email)
    other.open(f"/o/{job_id}")
    other.sees("missing.home")
    other.accessible("missing.home")


def test_everything_on_the_device_is_forgotten(visit: Visit, portrait: bytes) -> None:
    """Two taps, and neither files nor list are left."""
    person = visit().make(("a.jpg", portrait))
    person.has_file()
    person.open("/device")
    person.press("device.forget")
    person.press("device.forget.sure")
    person.sees("device.history.none")
    assert person.kept("orders") == person.kept("drafts") == []


def _read(person: Visitor) -> str:
    """Read the QR code from the screen."""
    import cv2  # noqa: PLC0415  only here
    import numpy as np  # noqa: PLC0415

    picture = person.page.locator(".qr").screenshot()
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(image)
    return text
