"""Three people's tasks from a cold start on a phone: how many taps each takes is what docs/page.md says."""

import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload

from tests.browser.conftest import Visit
from tests.browser.visitor import SCREENSHOTS, Visitor
from tests.samples.pages import letter
from tests.samples.signature import signature_photo
from tests.support.worker_uploads import encoded, portrait

DOCS = Path(__file__).parents[2] / "docs" / "page.md"
ROW = re.compile(r"^\| ([^|]+?) \| (\d+) \| (\d+) and an address and a code \|", re.MULTILINE)
COUNTED = {name: (int(taps), int(letters)) for name, taps, letters in ROW.findall(DOCS.read_text(encoding="utf-8"))}


class Hands:
    """What a person does: each tap is one of these."""

    def __init__(self, person: Visitor) -> None:
        self.person = person
        self.taps = 0

    def tap(self, key: str, **parameters: object) -> None:
        """Press something by its words."""
        self.person.press(key, **parameters)
        self.taps += 1

    def choose(self, *pictures: bytes) -> None:
        """The button, and the picture in the system's own list: two taps; pages are marked together."""
        files = [
            FilePayload(name=f"{number}.jpg", mimeType="image/jpeg", buffer=content)
            for number, content in enumerate(pictures, start=1)
        ]
        self.person.page.set_input_files("#file", files)
        self.person.page.wait_for_selector("main .card h2:not(#wanted)")
        self.taps += 1 + len(pictures)


@pytest.mark.parametrize(
    ("task", "words", "slot"),
    [
        ("a photo for NEET", "neet photo", "neet-2026/photo"),
        ("a signature of 10 to 20 KB for SBI", "sbi signature", "sbi/signature"),
        ("a marksheet of two pages as one PDF", "college marksheet", "college-generic/document-pdf"),
    ],
)
def test_a_task_takes_the_taps_that_are_told(visit: Visit, task: str, words: str, slot: str) -> None:
    """Search, choose, sign in, agree, download; the machine's seconds are kept beside the screenshots."""
    pictures = {
        "photo": lambda: [portrait()],
        "signature": lambda: [encoded(signature_photo((1200, 600)), quality=90)],
        "document-pdf": lambda: [
            encoded(letter(page, 900, rows=8).image.convert("RGB"), quality=80) for page in (1, 2)
        ],
    }[slot.split("/")[1]]()
    began = time.monotonic()
    person = visit()
    person.page.goto(f"{person.cloud.file.base_url}/app")
    hands = Hands(person)
    person.page.fill("#search", words)
    hands.taps += 1  # into the field
    person.page.locator(f'#results a[href="#/p/{slot}"]').click()
    hands.taps += 1
    hands.choose(*pictures)
    hands.tap("pages.make" if len(pictures) > 1 else "check.make")
    person.page.fill("#email", person.email)
    hands.tap("signin.send")
    person.page.wait_for_selector("#code")
    person.page.fill("#code", person.code())
    person.page.check("#agree")
    hands.taps += 1
    hands.tap("consent.start")
    name, content = person.download()
    hands.taps += 1
    took_s = time.monotonic() - began
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    told = {"task": task, "taps": hands.taps, "letters": len(words), "seconds": round(took_s, 1)}
    (SCREENSHOTS / f"task-{words.replace(' ', '-')}.json").write_text(json.dumps(told), encoding="utf-8")
    assert content[:4] in {b"\xff\xd8\xff\xe0", b"%PDF"}, name
    assert (hands.taps, len(words)) == COUNTED[task]
    person.is_well()
