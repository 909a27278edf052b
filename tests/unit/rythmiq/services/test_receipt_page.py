"""The receipt as a page: nothing of a file's name or a rule is markup, and it asks nobody for anything."""

import base64
import datetime as dt
import re
from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rythmiq.contracts.portal import Source
from rythmiq.contracts.result import Clause, ClauseName, DocumentFacts, Operation, Receipt
from rythmiq.services.output import receipt_page

SOURCE = Source(
    source_url="https://portal.example/rules",
    source_kind="official",
    checked_on=dt.date(2026, 1, 2),
    confidence="medium",
    note="page 4",
)
EVIL = '"><script>alert(1)</script>'


def clause(**changes: Any) -> Clause:
    facts = {"clause": "bytes", "wanted": "10 to 200 KB", "measured": "99000 bytes", "verdict": "pass", "hard": True}
    return Clause.model_validate({**facts, **changes})


def receipt(*clauses: Clause, **changes: Any) -> Receipt:
    clauses = clauses or (clause(),)
    document = DocumentFacts(
        filename=changes.pop("filename", "photo.jpg"),
        sha256="0" * 64,
        bytes=99_000,
        width_px=413,
        height_px=531,
        dpi=300,
        format="jpeg",
    )
    conforms = all(one.verdict != "fail" for one in clauses)
    facts: dict[str, Any] = {"portal": "neet-2026", "slot": "photo", "version": "2026.1"}
    return Receipt.model_validate({**facts, "conforms": conforms, "clauses": clauses, "document": document, **changes})


class Elements(HTMLParser):
    """Tags with their attributes, in order; and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_verdict_stands_in_words() -> None:
    assert "This file fits" in Elements(receipt_page(receipt())).text


def test_a_file_that_does_not_fit_is_said_to() -> None:
    page = receipt_page(receipt(clause(clause="background", verdict="fail", hard=False)))
    assert "This file does not fit in every point" in Elements(page).text


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("pass", "fits"), ("fail", "does not fit"), ("advice", "look again"), ("not_checked", "not checked")],
)
def test_each_verdict_of_a_clause_stands_in_words(verdict: str, words: str) -> None:
    row = re.search(r"<tr class=.*?</tr>", receipt_page(receipt(clause(verdict=verdict))), re.DOTALL)
    assert row is not None
    assert f" {words}" in Elements(row[0]).text


def test_what_was_not_checked_is_said_before_the_table_with_what_the_portal_wants() -> None:
    told = receipt_page(receipt(clause(clause="headwear", wanted="none but for religion", verdict="not_checked")))
    before_table = told.partition("<table>")[0]
    assert "Not checked: look at these yourself" in before_table
    assert "Headwear: none but for religion" in before_table
    assert "Not checked" not in receipt_page(receipt())


def test_a_file_of_several_pages_has_a_section_for_each() -> None:
    clauses = (
        clause(),
        *(clause(clause="sharpness", page=page, measured=f"as on {page}", verdict="not_checked") for page in (2, 1)),
        clause(clause="pixels"),
    )
    page = receipt_page(receipt(*clauses))
    table = page.partition("<tbody>")[2].partition("</tbody>")[0]
    places = [table.index(text) for text in ("File size", "Pixels", ">Page 1<", "as on 1", ">Page 2<", "as on 2")]
    assert places == sorted(places)
    assert "Sharpness, page 2" in page.partition("<table>")[0]
    assert ">Page " not in receipt_page(receipt())


def test_a_source_that_stands_with_the_first_clause_of_its_name_is_cited_for_every_page() -> None:
    first, second = clause(clause="sharpness", page=1, source=SOURCE), clause(clause="sharpness", page=2)
    page = receipt_page(receipt(first, second, clause(), clause(clause="sharpness")))
    assert page.count('href="#source-1"') == 2
    assert page.count('id="source-1"') == 1
    assert page.count("our own rule") == 2


def test_a_background_that_was_replaced_is_said_beside_the_pictures_and_only_then() -> None:
    words = "The background was replaced with white."
    replaced = Operation(op="background", parameters={"to": "white"})
    page = receipt_page(receipt(operations=[replaced]), before=b"b", after=b"a")
    assert words in page.partition("<table>")[0]
    assert words not in receipt_page(receipt(operations=[Operation(op="background_division")]))


@pytest.mark.parametrize("name", get_args(ClauseName))
def test_every_clause_has_a_row_with_what_was_wanted_and_found(name: str) -> None:
    page = receipt_page(receipt(clause(clause=name, wanted="this much", measured="that much")))
    assert page.count("this much") == page.count("that much") == 1


def test_a_clause_that_was_not_checked_shows_a_dash() -> None:
    page = receipt_page(receipt(clause(measured=None, verdict="not_checked")))
    assert 'data-label="The file has">–<' in page


def test_a_number_cites_its_source_once() -> None:
    page = receipt_page(receipt(clause(source=SOURCE), clause(clause="pixels", source=SOURCE)))
    assert page.count('href="#source-1"') == 2
    assert page.count('id="source-1"') == 1
    assert "confidence medium, checked 2026-01-02; page 4" in Elements(page).text


def test_a_source_that_is_no_https_address_is_no_link() -> None:
    page = receipt_page(receipt(clause(source=SOURCE.model_copy(update={"source_url": "javascript:alert(1)"}))))
    assert not [attrs for tag, attrs in Elements(page).found if tag == "a" and "javascript" in (attrs["href"] or "")]


@pytest.mark.parametrize(
    "page",
    [
        receipt_page(receipt(filename=EVIL)),
        receipt_page(receipt(portal=EVIL)),
        receipt_page(receipt(slot=EVIL)),
        receipt_page(receipt(version=EVIL)),
        receipt_page(receipt(clause(wanted=EVIL))),
        receipt_page(receipt(clause(measured=EVIL))),
        receipt_page(receipt(clause(source=SOURCE.model_copy(update={"source_url": "https://x/" + EVIL})))),
        receipt_page(receipt(clause(source=SOURCE.model_copy(update={"note": EVIL})))),
        receipt_page(receipt(operations=[Operation(op=EVIL, parameters={EVIL: EVIL})])),
        receipt_page(receipt(versions={EVIL: EVIL})),
        receipt_page(receipt(), warnings=[f"CODE: {EVIL}"]),
    ],
    ids=[
        "filename",
        "portal",
        "slot",
        "version",
        "wanted",
        "measured",
        "url",
        "note",
        "operation",
        "versions",
        "warning",
    ],
)
def test_markup_in_what_is_shown_is_text(page: str) -> None:
    elements = Elements(page)
    assert "script" not in {tag for tag, _ in elements.found}
    assert "<script>alert(1)</script>" in elements.text


@given(st.text(), st.text())
def test_any_text_is_shown_as_it_is(wanted: str, measured: str) -> None:
    tags = [tag for tag, _ in Elements(receipt_page(receipt(clause(wanted="x", measured="x")))).found]
    shown = Elements(receipt_page(receipt(clause(wanted=wanted, measured=measured))))
    assert [tag for tag, _ in shown.found] == tags


def test_the_page_asks_nobody_for_anything() -> None:
    page = receipt_page(receipt(clause(source=SOURCE)), before=b"before", after=b"after")
    for tag, attributes in Elements(page).found:
        assert tag not in {"script", "iframe", "object", "embed"}
        assert tag != "link"
        assert (attributes.get("src") or "data:").startswith("data:")
    assert "url(" not in page
    assert "@import" not in page


def test_before_and_after_are_inside_the_page_with_words_for_those_who_do_not_see_them() -> None:
    page = receipt_page(receipt(), before=b"before", after=b"after")
    pictures = [attributes for tag, attributes in Elements(page).found if tag == "img"]
    assert [picture["src"] for picture in pictures] == [
        f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" for data in (b"before", b"after")
    ]
    assert all(picture["alt"] for picture in pictures)


def test_without_pictures_there_is_no_place_for_them() -> None:
    assert "img" not in {tag for tag, _ in Elements(receipt_page(receipt())).found}


def test_a_warning_is_shown_without_its_code() -> None:
    text = Elements(receipt_page(receipt(), warnings=["UPSCALED: The picture is small."])).text
    assert "The picture is small." in text
    assert "UPSCALED" not in text


def test_padding_is_told() -> None:
    assert "12 of the bytes are padding." in Elements(receipt_page(receipt(padded_bytes=12))).text


def test_what_was_done_to_the_pixels_is_listed_with_its_parameters() -> None:
    page = receipt_page(receipt(operations=[Operation(op="turn", parameters={"degrees_clockwise": 90})]))
    assert "turn degrees_clockwise 90" in Elements(page).text


def test_the_same_receipt_makes_the_same_page() -> None:
    assert receipt_page(receipt(), before=b"b") == receipt_page(receipt(), before=b"b")


def test_every_element_that_is_opened_is_closed() -> None:
    void = {"meta", "img", "br", "hr", "link", "input"}
    page = receipt_page(receipt(clause(source=SOURCE)), before=b"b", after=b"a", warnings=["A: b"])
    opened: list[str] = []
    for closing, tag in re.findall(r"<(/?)([a-z][a-z0-9]*)", page):
        if tag in void:
            continue
        if closing:
            assert opened.pop() == tag
        else:
            opened.append(tag)
    assert not opened


def test_nothing_in_the_page_turns_the_direction_of_text_or_steers_a_terminal() -> None:
    """A receipt that is older than the rule against such characters, or that a client made."""
    evil = "gpj.\u202eexe\x1b[2J\u2066\x9b"
    page = receipt_page(
        receipt(clause(wanted=evil, measured=evil), filename=evil, versions={evil: evil}), warnings=[f"BLURRED: {evil}"]
    )
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", page)
    assert "gpj.exe" in page
