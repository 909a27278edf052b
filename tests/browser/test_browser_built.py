"""The page as it is deployed: joined, from the function's bundle, as an exported site, and on a shared origin."""

import contextlib
import fnmatch
import functools
import gzip
import html
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from typer.testing import CliRunner

from rythmiq_cli.commands import app
from tests.browser.conftest import Visit
from tests.browser.service_worker import install
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import CloudProcess
from tests.support import loopback

FIRST_CALLS, RETURN_CALLS, FIRST_BYTES = 5, 1, 100_000
MARKUP_FROM_A_STRING = """() => {
  try { document.createElement("div").innerHTML = "<b>x</b>"; return "done"; } catch (error) { return error.name; }
}"""
SHARED = "https://faas.example/api/v1/web/fn-1"


@dataclass
class Seen:
    """A browser of somebody new, and what it complained of."""

    context: BrowserContext
    errors: list[str] = field(default_factory=list)

    def open(self, url: str) -> Page:
        """Load a page until nothing moves any more."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.goto(url, wait_until="networkidle")
        page.wait_for_selector("h1")
        return page


@pytest.fixture
def seen(browser: Browser) -> Iterator[Seen]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="en-IN")
    context.set_default_timeout(30_000)
    yield Seen(context)
    context.close()


def calls(process: CloudProcess) -> list[str]:
    """The paths that were asked for so far, in their order."""
    lines = (json.loads(line) for line in process.log.read_text(encoding="utf-8").splitlines() if line.startswith("{"))
    return [line["path"] for line in lines if line.get("event") == "request" and line["method"] == "GET"]


def test_a_first_visit_is_few_calls_and_a_return_is_one(built: CloudProcess, seen: Seen) -> None:
    before = len(calls(built))
    seen.open(f"{built.file.base_url}/app").close()
    first = calls(built)[before:]
    assert len(first) <= FIRST_CALLS, first
    seen.open(f"{built.file.base_url}/app").close()
    again = calls(built)[before + len(first) :]
    assert len(again) <= RETURN_CALLS, again
    assert seen.errors == []


def test_a_return_with_the_worker_asks_for_it_too(built: CloudProcess, seen: Seen) -> None:
    """Within five minutes the document and the worker alone, whatever it has to keep."""
    page = seen.open(f"{built.file.base_url}/app")
    install(page)
    page.close()
    before = len(calls(built))
    page = seen.open(f"{built.file.base_url}/app")
    assert page.evaluate("() => navigator.serviceWorker.controller !== null")
    install(page)
    again = [path.rsplit("/", 1)[-1] for path in calls(built)[before:]]
    assert sorted(again) in (["app"], ["app", "sw.js"]), again


def test_the_first_load_is_small(built: CloudProcess) -> None:
    """As a CDN sends it: each file compressed by itself."""
    base = built.file.base_url
    document = loopback.get(f"{base}/app").text
    (script,) = {part for part in document.split('"') if part.endswith("/main.js")}
    parts = [document.encode(), *(loopback.get(f"{base}/{path}").content for path in (script, "portals"))]
    assert sum(len(gzip.compress(part)) for part in parts) <= FIRST_BYTES


def test_everything_comes_from_the_page_s_own_origin(built: CloudProcess, seen: Seen) -> None:
    foreign: list[str] = []
    base = built.file.base_url
    seen.context.on(
        "request", lambda request: foreign.append(request.url) if not request.url.startswith(base) else None
    )
    seen.open(f"{base}/app")
    assert foreign == []


def test_a_slash_at_the_end_leads_to_the_page_too(built: CloudProcess, seen: Seen) -> None:
    page = seen.open(f"{built.file.base_url}/app/")
    assert page.url.startswith(f"{built.file.base_url}/app")
    assert seen.errors == []


def test_a_whole_job_on_the_joined_page(built: CloudProcess, visit: Visit, portrait: bytes) -> None:
    """From choosing to the download, with the worker that seals, and nothing is complained of."""
    person = Visitor(visit().page, built)
    filename, content = person.make(("asha.jpg", portrait)).download()
    assert filename == "asha_photo.jpg"
    assert content[:3] == b"\xff\xd8\xff"
    assert [status for _, status in person.jobs()] == ["completed"]
    person.is_well()


# --- an exported site --------------------------------------------------------


class _Host(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        """Send what `_headers` names, as hosts of static pages do."""
        said, applies = Path(self.directory, "_headers").read_text(encoding="utf-8"), False
        for line in said.splitlines():
            if not line.startswith(" "):
                applies = fnmatch.fnmatchcase(self.path.partition("?")[0], line)
            elif applies:
                self.send_header(*line.strip().split(": ", 1))
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """A static host that knows nothing of the page but its `_headers`."""
    handler = functools.partial(_Host, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def exported(built: CloudProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page exported for the service, on a host of its own; where."""
    file, site = built.file, tmp_path_factory.mktemp("export") / "site"
    options = {
        "--api": file.base_url,
        "--supabase-url": file.supabase_url,
        "--supabase-anon-key": "sb_publishable_local",
        "--store-origin": file.s3.endpoint,
    }
    words = [word for pair in options.items() for word in pair]
    done = CliRunner().invoke(app, ["page", "export", str(site), *words])
    assert done.exit_code == 0, done.output
    with served(site) as url:
        yield url


def test_an_exported_page_reads_the_rule_book_of_the_service_elsewhere(exported: str, seen: Seen) -> None:
    page = seen.open(f"{exported}/")
    page.wait_for_url(f"{exported}/app/**")
    page.wait_for_selector("a[href='#/p/neet-2026']")
    page.wait_for_function("async () => (await indexedDB.databases()).length === 1")  # an origin of one's own
    assert seen.errors == []


def test_a_whole_job_on_the_exported_page(built: CloudProcess, exported: str, visit: Visit, portrait: bytes) -> None:
    """Page, service, sign-in and store are each another origin: from choosing to the download."""
    person = Visitor(visit().page, built, f"{exported}/app/")
    filename, content = person.make(("asha.jpg", portrait)).download()
    assert filename == "asha_photo.jpg"
    assert content[:3] == b"\xff\xd8\xff"
    assert [status for _, status in person.jobs()] == ["completed"]
    person.is_well()
    assert person.page.url.startswith(exported)


@pytest.mark.parametrize("path", ["/app", "/app/operator", "/app/docs"])
def test_every_document_has_the_policy(built: CloudProcess, exported: str, seen: Seen, path: str) -> None:
    """As the service serves it and as it is exported: nothing unsafe or inline, and Trusted Types, which hold."""
    answer = loopback.get(f"{built.file.base_url}{path}")
    copy = loopback.get(f"{exported}{path}/")
    (in_markup,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)"', copy.text)
    policies = (answer.headers["content-security-policy"], html.unescape(in_markup))
    for policy in policies:
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert "unsafe" not in policy
        assert (rules["default-src"], rules["script-src"], rules["base-uri"]) == ("'none'", "'self'", "'none'")
        assert (rules["require-trusted-types-for"], rules["trusted-types"]) == ("'script'", "rythmiq")
    assert "frame-ancestors 'none'" in policies[0]
    by_host = loopback.get(f"{exported}/_headers").text
    for address in (path, f"{path}/"):
        (said,) = re.findall(rf"^{address}\n((?:  .+\n)+)", by_host, re.MULTILINE)
        assert f"{policies[1].split('; require', 1)[0]}; frame-ancestors 'none'; require" in said
    for text in (answer.text, copy.text):
        assert not re.search(r"""<[^>]*\s(?:on\w+|style)=["']|<script(?![^>]*\bsrc=)""", text)
    for url in (f"{built.file.base_url}{path}", f"{exported}{path}/"):
        page = seen.open(url)
        assert page.evaluate(MARKUP_FROM_A_STRING) == "TypeError"


@pytest.mark.parametrize("path", ["/app/", "/app"])
def test_an_exported_page_works_offline(exported: str, seen: Seen, portrait: bytes, path: str) -> None:
    """By the address that the host leads on to, and by the one that it leads on from."""
    page = seen.open(f"{exported}/app/")
    install(page)
    seen.context.set_offline(True)
    answer = page.goto(f"{exported}{path}?")
    assert answer is not None
    assert answer.from_service_worker
    page.wait_for_selector("#search")
    page.goto(f"{page.url}#/p/neet-2026/photo")
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": portrait})
    page.wait_for_selector(".clauses")


# --- an origin that is shared ------------------------------------------------


def test_on_a_shared_origin_nobody_signs_in_and_nothing_is_kept(
    tmp_path_factory: pytest.TempPathFactory, seen: Seen
) -> None:
    process = CloudProcess(tmp_path_factory.mktemp("shared") / "cloud", "--port", "0", environ={"PUBLIC_URL": SHARED})
    process.start()
    try:
        page = seen.open(f"{process.file.base_url}/app#/p/neet-2026/photo")
        page.wait_for_timeout(500)
        assert page.evaluate("(async () => (await indexedDB.databases()).length)()") == 0
        assert page.evaluate("(async () => (await navigator.serviceWorker.getRegistrations()).length)()") == 0
        assert page.evaluate("localStorage.length + document.cookie.length") == 0
        operator = seen.open(f"{process.file.base_url}/app/operator")
        assert operator.locator("#token").count() == 0
        assert not [path for path in calls(process) if path.startswith("/auth/")]
    finally:
        process.stop()
