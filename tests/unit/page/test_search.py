"""What people type finds the slot that they mean, in both languages of the page."""

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest

from rythmiq.portals import list_portals
from tests.support.node import node

SCRIPT = Path(__file__).with_name("find.mjs")
PAGE = Path(__file__).parents[3] / "page"
FOUND = {
    "10th marksheet": "neet-2026/class-10-marksheet",
    "10th marksheet neet": "neet-2026/class-10-marksheet",
    "10th class marksheet for neet": "neet-2026/class-10-marksheet",
    "my daughter's class 10 marksheet for NEET, two pages": "neet-2026/class-10-marksheet",
    "X marksheet": "neet-2026/class-10-marksheet",
    "tenth mark sheet neet": "neet-2026/class-10-marksheet",
    "marks card": "neet-2026/class-10-marksheet",
    "statement of marks": "neet-2026/class-10-marksheet",
    "हाई स्कूल अंकपत्र": "neet-2026/class-10-marksheet",
    "दसवीं की मार्कशीट": "neet-2026/class-10-marksheet",
    "नीट के लिए 10वीं का अंक पत्र": "neet-2026/class-10-marksheet",
    "12th marksheet": "nsp/marksheet",
    "XII marksheet": "nsp/marksheet",
    "बारहवीं की मार्कशीट": "nsp/marksheet",
    "scholarship marks card": "nsp/marksheet",
    "10th certificate upsc": "upsc-2026/class-10-certificate",
    "caste certificate": "neet-2026/category-certificate",
    "caste certificate cuet": "cuet-ug-2026/category-certificate",
    "जाति प्रमाण पत्र": "neet-2026/category-certificate",
    "disability certificate cuet": "cuet-ug-2026/pwd-certificate",
    "pic neet": "neet-2026/photo",
    "dp for neet": "neet-2026/photo",
    "passport size photo neet": "neet-2026/photo",
    "sbi ka sign": "sbi/signature",
    "thumb print sbi": "sbi/left-thumb",
    "aadhar card": "aadhaar-update/document",
    "आधार कार्ड": "aadhaar-update/document",
    "id proof gate": "gate-2026/identity-proof",
    "marksheet ssc": "ssc/signature",
    "photo neet": "neet-2026/photo",
    "signature 20 kb ibps": "ibps/signature",
    "passport photo": "passport-india/photo",
    "हस्ता": "neet-2026/signature",
    "marks": "neet-2026/class-10-marksheet",
    "qwertz": None,
}

pytestmark = pytest.mark.node


@pytest.fixture(scope="module", params=["en", "hi"])
def found(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """The first hit of every query."""
    asked = {
        "portals": list_portals(dt.date(2026, 11, 29))["portals"],
        "language": request.param,
        "sentences": json.loads((PAGE / f"{request.param}.json").read_text(encoding="utf-8")),
        "queries": list(FOUND),
    }
    done = subprocess.run(
        [node(), str(SCRIPT)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(zip(FOUND, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("query", FOUND)
def test_a_search_finds_first_what_is_meant(query: str, found: dict[str, str | None]) -> None:
    """Filler words and words that nothing answers do not stand in the way of the others."""
    assert found[query] == FOUND[query]
