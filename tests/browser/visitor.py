"""Somebody with a browser: what they do on the page, and what it must never do meanwhile."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect

from tests.browser.axe import violations
from tests.e2e.cloud_process import CloudProcess

PAGE_DIRECTORY = Path(__file__).parents[2] / "page"
SENTENCES: dict[str, dict[str, str]] = {
    language: json.loads((PAGE_DIRECTORY / f"{language}.json").read_text(encoding="utf-8")) for language in ("en", "hi")
}
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


class Visitor:
    """A page and who looks at it.

    Args:
        page: of a context of its own.
        cloud: the service.
        address: of the page, where it is not the service's own.
    """

    def __init__(self, page: Page, cloud: CloudProcess, address: str | None = None) -> None:
        self.page = page
        self.cloud = cloud
        self.address = address or f"{cloud.file.base_url}/app"
        self.email = f"{uuid.uuid4().hex[:12]}@example.com"
        self.requests: list[Request] = []
        self.errors: list[str] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108  Playwright marks it
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        # What the network refuses is logged by the browser itself; a policy that is broken is our fault.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    # --- words ----------------------------------------------------------------------------------------------------

    @property
    def language(self) -> str:
        """The language that the page speaks."""
        return self.page.locator("html").get_attribute("lang") or "en"

    def say(self, key: str, **parameters: Any) -> str:
        """A sentence of the page, in its language."""
        sentences = SENTENCES[self.language]
        sentence = sentences.get(f"{key}.one" if str(parameters.get("count")) == "1" else key, sentences[key])
        return re.sub(r"\{(\w+)\}", lambda match: str(parameters.get(match[1], match[0])), sentence)

    # --- moving about ---------------------------------------------------------------------------------------------

    def open(self, path: str = "/") -> "Visitor":
        """Go to a view; the page is loaded if it is not there."""
        self.page.goto(f"{self.address}#{path}")
        # Going from one view to another loads nothing, and for a moment shows the view before.
        self.page.wait_for_selector(f'#main[data-path="{path}"] h1')
        return self

    def source(self, name: str) -> str:
        """Where a test may import one of the page's modules by itself: what is deployed has it joined with others."""
        folder = f"{self.cloud.file.base_url}/sources/"
        self.page.route(
            f"{folder}**", lambda route: route.fulfill(path=PAGE_DIRECTORY / route.request.url.removeprefix(folder))
        )
        return f"{folder}{name}"

    def choose(self, *files: tuple[str, bytes], path: str = "/p/neet-2026/photo") -> "Visitor":
        """Choose files for a slot."""
        self.open(path)
        self.page.set_input_files("#file", [_payload(name, content) for name, content in files])
        self.page.wait_for_selector("main .card h2:not(#wanted)")
        return self

    def press(self, key: str, **parameters: Any) -> None:
        """Press a button or follow a link by its words."""
        words = self.say(key, **parameters)
        self.page.locator("main").get_by_text(words, exact=True).first.click()

    def sees(self, key: str, *, timeout_s: float = 60, **parameters: Any) -> None:
        """Wait until some words are to be seen."""
        words = self.page.locator("main").get_by_text(self.say(key, **parameters), exact=True).first
        expect(words).to_be_visible(timeout=timeout_s * 1_000)

    # --- the way to a file ----------------------------------------------------------------------------------------

    def code(self) -> str:
        """The code of the latest e-mail to this person."""
        lines = (self.cloud.data_dir / "mail.jsonl").read_text(encoding="utf-8").splitlines()
        return str([mail["code"] for mail in map(json.loads, lines) if mail["to"] == self.email][-1])

    def sign_in(self) -> None:
        """Sign in by e-mail, where the page asks for it; the sixth digit sends the code."""
        self.page.fill("#email", self.email)
        self.press("signin.send")
        self.page.wait_for_selector("#code")
        self.page.fill("#code", self.code())
        self.page.locator("#code").wait_for(state="detached")

    link = sign_in
    """Give a guest an e-mail address, where the page asks for it."""

    def agree(self, button: str = "consent.start", **parameters: Any) -> None:
        """Agree, and start."""
        self.page.check("#agree")
        self.press(button, **parameters)

    def make(self, *files: tuple[str, bytes], path: str = "/p/neet-2026/photo") -> "Visitor":
        """Choose, sign in, agree: the job is on its way."""
        self.choose(*files, path=path)
        self.press("check.make")
        self.sign_in()
        self.agree()
        return self

    def has_file(self) -> Locator:
        """Wait until the job is done and its document can be downloaded; where."""
        link = self.page.locator("a[download].main")
        link.wait_for(timeout=90_000)
        return link

    def download(self) -> tuple[str, bytes]:
        """Download the document: its name and its bytes."""
        link = self.has_file()
        with self.page.expect_download() as waiting:
            link.click()
        return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()

    # --- what must hold -------------------------------------------------------------------------------------------

    def credits(self) -> tuple[int, int]:
        """Credits left, and held by open jobs, as the database has them."""
        rows = self.cloud.rows(
            "select c.balance, c.reserved from public.user_credits c where c.user_id = %s", self.user_id()
        )
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def user_id(self) -> str:
        """Whose session this is."""
        return str(self.page.evaluate("JSON.parse(localStorage.getItem('rythmiq.session')).user.id"))

    def jobs(self) -> list[tuple[Any, ...]]:
        """The person's jobs, as the database has them."""
        return self.cloud.rows("select id::text, status from public.jobs where user_id = %s", self.user_id())

    def kept(self, store: str) -> list[dict[str, Any]]:
        """What the device keeps; blobs are named as such."""
        records: list[dict[str, Any]] = self.page.evaluate(_KEPT, store)
        return records

    def is_well(self) -> None:
        """Nothing was thrown, no policy was broken, nothing of another origin was asked for, no token in an address."""
        assert self.errors == [], "\n".join(self.errors)
        origins = {self.address, self.cloud.file.base_url, self.cloud.file.s3.endpoint.rstrip("/")}
        for request in self.requests:
            assert any(request.url.startswith(origin) for origin in (*origins, "blob:", "data:")), request.url
            assert "eyJ" not in request.url

    def accessible(self, key: str | None = None, **parameters: Any) -> None:
        """Axe finds nothing in this state, in both themes, and in both languages.

        Args:
            key: words of the state, which is drawn anew in the other language, and then in its own; None for what would
                not be the same then: its own language alone.
            parameters: of these words.
        """
        found = violations(self.page)
        if key is not None:
            self._turn_language(key, **parameters)
            found += violations(self.page)
            self._turn_language(key, **parameters)
        assert found == []

    def _turn_language(self, key: str, **parameters: Any) -> None:
        before = self.language
        self.page.locator("#top button").click()
        self.page.wait_for_function("before => document.documentElement.lang !== before", arg=before)
        self.sees(key, **parameters)

    def screenshot(self, name: str, *, whole: bool = True) -> None:
        """Keep a picture of the state, as an artefact of the run."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(150)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=whole, animations="disabled")


_KEPT = """async (store) => {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open("rythmiq", 1);
    request.onsuccess = () => resolve(request.result);
  });
  if (!database.objectStoreNames.contains(store)) return [];
  const records = await new Promise((resolve) => {
    const request = database.transaction(store).objectStore(store).getAll();
    request.onsuccess = () => resolve(request.result);
  });
  database.close();
  return JSON.parse(JSON.stringify(records, (_, value) => (value instanceof Blob ? `blob of ${value.size}` : value)));
}"""


def _payload(name: str, content: bytes) -> Any:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}
