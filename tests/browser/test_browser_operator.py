"""The operator's view, by METRICS_TOKEN, and the reference of the API: what they show, and what they keep nowhere."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

from playwright.sync_api import Locator, Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.e2e.cloud_process import CloudProcess
from tests.support import loopback, worker_uploads

EVERY_MS = 15_000
BROKEN = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(2_000)


def _tile(page: Page, name: str) -> Locator:
    return page.locator(".tiles li", has_text=name)


def _row(page: Page, title: str, name: str) -> Locator:
    """A line of a section, by the words at its beginning."""
    section = page.locator("section", has=page.get_by_role("heading", name=title, exact=True))
    return section.locator("tr", has=page.get_by_role("rowheader", name=name, exact=True))


def _counted(cloud: CloudProcess, sample: str) -> int:
    """A sample of the metrics as they are, by its name and labels."""
    headers = {"Authorization": f"Bearer {cloud.file.metrics_token}"}
    text = loopback.get(f"{cloud.file.base_url}/internal/metrics", headers=headers).text
    (value,) = re.findall(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return int(float(value))


def test_an_operator_sees_what_waits_runs_fails_and_is_granted(
    visit: Visit, seasoned: CloudProcess, busy: Callable[[], AbstractContextManager[None]]
) -> None:
    """A failure, a job that runs and one that waits: each section has its number, and the next look draws a line."""
    client = seasoned.client()
    failed = client.submit(BROKEN, "sbi", "signature", filename="s.jpg").job_id
    seasoned.wait_for(failed, "failed")
    person = visit("desktop")
    page = person.page
    page.clock.install()
    with busy():
        waits = client.submit(worker_uploads.blank(), "sbi", "signature", filename="s.jpg").job_id
        page.goto(f"{seasoned.file.base_url}/app/operator")
        page.fill("#token", seasoned.file.metrics_token)
        page.get_by_role("button", name="Show").click()
        expect(_tile(page, "Waiting")).to_have_text(re.compile(r"^Waiting1(Look here: )?oldest \d"))
        expect(_tile(page, "Running")).to_have_text(re.compile(r"^Running1(Look here: )?longest \d"))
        expect(_tile(page, "Last tick")).to_have_text(re.compile(r"^Last tick\d.* ago[1-9]\d* so far$"))
        granted = _counted(seasoned, 'rythmiq_credits_total{kind="granted"}')
        expect(_tile(page, "Credits granted").locator("strong")).to_have_text(str(granted))
        expect(_tile(page, "Credits granted")).to_contain_text(re.compile(r"\d+ spent$"))
        expect(_row(page, "Jobs by state", "pending").locator(".number")).to_have_text("1")
        failures = _counted(seasoned, 'rythmiq_job_failures_total{code="DECODE_FAILED"}')
        expect(_row(page, "Failures by code", "DECODE_FAILED").locator(".number")).to_have_text(str(failures))
        expect(_row(page, "Credits by kind of entry", "granted").locator(".number")).to_have_text(str(granted))
        expect(page.locator(".chart")).to_have_count(0)
        page.clock.fast_forward(EVERY_MS)
        expect(page.locator("figcaption")).to_contain_text("1 waiting now. Dashed: 1 running now. Most of either: 1,")
        for line in page.locator(".chart polyline").all():
            assert len((line.get_attribute("points") or "").split()) >= 2
    seasoned.wait_for(waits, "completed", "failed")
    assert {request.method for request in person.requests} == {"GET"}, "the view only reads"
    person.is_well()


def test_the_token_is_kept_nowhere(built: CloudProcess, visit: Visit) -> None:
    """One that is wrong is asked for again; axe finds nothing in the form, its refusal and the view."""
    person = Visitor(visit().page, built)
    page = person.page
    page.goto(f"{built.file.base_url}/app/operator")
    page.wait_for_selector("#token")
    assert violations(page) == []
    page.fill("#token", "not the token")
    page.click("button")
    expect(page.locator("#problem")).to_contain_text("METRICS_TOKEN")
    assert violations(page) == []
    page.fill("#token", built.file.metrics_token)
    page.click("button")
    page.wait_for_selector(".tiles")
    assert violations(page) == []
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])")
    assert built.file.metrics_token not in kept
    assert not [request for request in person.requests if built.file.metrics_token in request.url]
    person.is_well()


def test_the_reference_shows_every_call_without_a_script(built: CloudProcess, visit: Visit) -> None:
    """Every call has its place, every link within leads somewhere, and axe finds nothing."""
    person = Visitor(visit().page, built)
    page = person.page
    page.goto(f"{built.file.base_url}/app/docs")
    described = loopback.get(f"{built.file.base_url}/app/openapi.json").json()
    names = {call["operationId"] for methods in described["paths"].values() for call in methods.values()}
    assert {name for name in names if page.locator(f"#{name}").count() == 1} == names
    assert page.locator("script").count() == 0
    broken = "[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.getElementById(a.hash.slice(1)))"
    assert page.evaluate(f"{broken}.map(a => a.hash)") == []
    assert violations(page) == []
    person.is_well()
