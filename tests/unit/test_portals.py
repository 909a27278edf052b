"""The rule book: every portal loads, every number has its source, and what nobody knows is refused."""

import datetime as dt
import re
import tomllib
from importlib import resources
from typing import Any

import pytest
from pydantic import ValidationError

from rythmiq.contracts.portal import Portal, Slot
from rythmiq.portals import PortalUnknownError, all_portals, load_portal, portals_document
from rythmiq_cli.commands.portals import STALE_AFTER_DAYS, stale_rules

TODAY = dt.date(2026, 6, 1)
NUMBERS = {
    "target_width", "target_height", "min_width", "max_width", "min_height", "max_height", "width_mm", "height_mm",
    "aspect_min", "aspect_max", "target_dpi", "min_kb", "max_kb", "face_ratio", "max_compression_ratio",
}  # fmt: skip
SLOTS = [(portal, slot) for portal in all_portals() for slot in portal.slots]
NAMES = [f"{portal.portal}/{slot.slot}" for portal, slot in SLOTS]
SOURCE = {
    "source_url": "https://portal.example/",
    "source_kind": "official",
    "checked_on": TODAY.isoformat(),
    "confidence": "high",
}


def portal_with(**rules: Any) -> Portal:
    """A portal of one slot."""
    return Portal.model_validate(
        {"portal": "made-up", "name": "Made up", "version": "1", "slots": [{"slot": "photo", **rules}]}
    )


def test_the_rule_book_holds_the_portals_that_the_specification_names() -> None:
    found = {portal.portal for portal in all_portals()}
    assert found >= {
        "neet-2026", "jee-main-2026", "aadhaar-update", "passport-india", "college-generic", "ibps", "gate-2026",
        "upsc-2026", "ssc", "pan-protean", "pan-utiitsl", "us-visa",
    }  # fmt: skip


def test_a_file_is_named_after_its_portal() -> None:
    files = {file.name: file for file in resources.files("rythmiq.portals").iterdir() if file.name.endswith(".toml")}
    named = {name: tomllib.loads(file.read_text(encoding="utf-8"))["portal"] for name, file in files.items()}
    assert named == {name: name.removesuffix(".toml") for name in files}


@pytest.mark.parametrize(("portal", "slot"), SLOTS, ids=NAMES)
def test_every_number_has_a_source(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    given = slot.model_fields_set & NUMBERS
    assert given <= set(slot.sources)


@pytest.mark.parametrize(("portal", "slot"), SLOTS, ids=NAMES)
def test_every_source_is_an_https_address_or_our_own_page(portal: Portal, slot: Slot) -> None:
    own = f"docs/portals.md#{portal.portal}"
    for source in slot.sources.values():
        assert source.source_url == own or re.match(r"https://\S+$", source.source_url)


@pytest.mark.parametrize(("portal", "slot"), SLOTS, ids=NAMES)
def test_the_rules_of_a_slot_survive_the_way_through_a_payload(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    rules = slot.schema_definition
    assert type(rules).model_validate(rules.model_dump(mode="json", exclude_none=True)) == rules


def test_the_document_leaves_out_rules_that_a_slot_does_not_have() -> None:
    slots = portals_document([portal_with(max_kb=50)])["portals"][0]["slots"]
    assert "min_kb" not in slots[0]
    assert slots[0]["max_kb"] == 50


def test_the_document_begins_each_slot_with_its_name_and_kind() -> None:
    for portal in portals_document(all_portals())["portals"]:
        for slot in portal["slots"]:
            assert list(slot)[:2] == ["slot", "kind"]


def test_an_unknown_portal_is_answered_with_the_nearest() -> None:
    with pytest.raises(PortalUnknownError, match="did you mean neet-2026") as caught:
        load_portal("neet-2025")
    assert "neet-2026" in caught.value.near


def test_an_unknown_portal_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(PortalUnknownError, match="known are aadhaar-update, college-generic"):
        load_portal("zzzz")


def test_a_path_is_no_portal() -> None:
    with pytest.raises(PortalUnknownError):
        load_portal("../portals/neet-2026")


def test_a_rule_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_kilobytes"):
        portal_with(max_kilobytes=50)


def test_a_source_of_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="sources name no rule: max_kilobytes"):
        portal_with(max_kb=50, sources={"max_kilobytes": SOURCE})


def test_a_slot_that_is_listed_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="listed twice"):
        Portal.model_validate(
            {"portal": "p", "name": "P", "version": "1", "slots": [{"slot": "photo"}, {"slot": "photo"}]}
        )


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"min_kb": 20, "max_kb": 10}, "min_kb is above max_kb"),
        ({"min_kb": 99, "max_kb": 100}, "no file is above min_kb x 1024 and below max_kb x 1000"),
        ({"target_width": 100}, "come together"),
        ({"width_mm": 35, "height_mm": 45}, "come together"),
        ({"target_width": 100, "target_height": 100, "min_width": 50}, "in one way"),
        ({"face_ratio": [0.8, 0.5]}, "least, most"),
        ({"formats": ["png"], "output_format": "jpeg"}, "not among formats"),
        ({"filename_pattern": "{user}"}, "knows"),
        ({"filename_pattern": "{"}, "filename_pattern"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(rules: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        portal_with(**rules)


def test_the_first_format_is_the_one_that_is_made() -> None:
    assert portal_with(formats=["pdf", "jpeg"]).slots[0].output_format == "pdf"


def test_both_readings_of_kb_are_met() -> None:
    slot = portal_with(min_kb=10, max_kb=200).slots[0]
    assert (slot.min_bytes, slot.max_bytes) == (10_240, 200_000)


def test_a_rule_is_stale_when_its_source_was_not_checked_for_long() -> None:
    checked = TODAY - dt.timedelta(days=STALE_AFTER_DAYS + 1)
    portal = portal_with(max_kb=50, sources={"max_kb": {**SOURCE, "checked_on": checked.isoformat()}})
    assert list(stale_rules([portal], TODAY)) == [
        {
            "portal": "made-up",
            "slot": "photo",
            "reason": "not checked for long",
            "rules": "max_kb",
            "source_url": "https://portal.example/",
            "checked_on": checked.isoformat(),
        }
    ]


def test_a_rule_is_fresh_on_the_last_day() -> None:
    checked = TODAY - dt.timedelta(days=STALE_AFTER_DAYS)
    portal = portal_with(max_kb=50, sources={"max_kb": {**SOURCE, "checked_on": checked.isoformat()}})
    assert not list(stale_rules([portal], TODAY))


def test_a_slot_past_its_date_is_stale_however_lately_it_was_checked() -> None:
    over = TODAY - dt.timedelta(days=1)
    portal = portal_with(max_kb=50, valid_to=over.isoformat(), sources={"max_kb": SOURCE})
    assert [row["reason"] for row in stale_rules([portal], TODAY)] == [f"rules ended on {over}"]


def test_rules_of_one_source_stand_in_one_row() -> None:
    checked = (TODAY - dt.timedelta(days=400)).isoformat()
    source = {**SOURCE, "checked_on": checked}
    portal = portal_with(min_kb=5, max_kb=50, sources={"min_kb": source, "max_kb": source})
    assert [row["rules"] for row in stale_rules([portal], TODAY)] == ["min_kb, max_kb"]
