"""The rule book: every portal loads, every rule has its source, and what nobody knows is refused."""

import datetime as dt
import json
import re
import tomllib
from collections import Counter
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rythmiq.contracts.portal import Portal, Slot
from rythmiq.portals import PortalUnknownError, all_portals, load_portal, portal_document, portals_document
from rythmiq_cli.commands.portals import (
    ENDS_SOON_DAYS,
    NUMBERS,
    STALE_AFTER_DAYS,
    Stale,
    lowest,
    pixels_of,
    stale_rules,
)

TODAY = dt.date(2026, 6, 1)
OF_OURS = {"slot", "kind", "output_format", "filename_pattern", "fit", "enhance", "ocr", "ocr_language", "valid_from"}
OF_OURS |= {"valid_to", "sources"}
SLOTS = [(portal, slot) for portal in all_portals() for slot in portal.slots]
NAMES = [f"{portal.portal}/{slot.slot}" for portal, slot in SLOTS]
EVERY_SLOT = pytest.mark.parametrize(("portal", "slot"), SLOTS, ids=NAMES)
SOURCE = {
    "source_url": "https://portal.example/rules",
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


@EVERY_SLOT
def test_every_rule_that_a_slot_states_has_a_source(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    ours = OF_OURS | ({"face"} if slot.face == "off" else set())
    assert slot.model_fields_set - ours <= set(slot.sources) <= slot.model_fields_set


@EVERY_SLOT
def test_a_file_name_without_the_owners_own_is_a_rule(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    assert "{original}" in slot.filename_pattern or "filename_pattern" in slot.sources


@EVERY_SLOT
def test_every_source_is_the_address_of_a_page_and_no_bare_host(portal: Portal, slot: Slot) -> None:
    own = f"docs/portals.md#{portal.portal}"
    for source in slot.sources.values():
        address = urlsplit(source.source_url)
        page = address.scheme == "https" and address.path.strip("/") and not re.search(r"\s", source.source_url)
        assert source.source_url == own or page


@EVERY_SLOT
def test_no_source_is_of_the_future(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    assert all(source.checked_on <= dt.datetime.now(tz=dt.UTC).date() for source in slot.sources.values())


@EVERY_SLOT
def test_nothing_found_is_said_of_edits_alone_and_says_what_was_searched(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    searched = {rule: source for rule, source in slot.sources.items() if source.source_kind == "none_found"}
    assert set(searched) <= {"background_edit"}
    assert all(source.note for source in searched.values())


def test_what_is_compared_with_a_living_person_keeps_its_background() -> None:
    compared = ("passport", "visa", "neet", "jee", "cuet", "net-", "upsc", "nda", "gate", "oci", "dv-lottery")
    for portal, slot in SLOTS:
        if any(word in portal.portal for word in compared):
            assert slot.background_edit == "forbidden"


@EVERY_SLOT
def test_only_a_photo_has_rules_about_people(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    people = {"face_ratio", "eye_line", "faces", "pose", "eyes", "mouth", "glasses", "grey", "face_light", "caption"}
    assert slot.kind == "photo" or not slot.model_fields_set & (people | {"background_edit", "level", "roll"})


@EVERY_SLOT
def test_a_rule_in_a_file_says_something(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    for rule in slot.sources:
        assert getattr(slot, rule) != Slot.model_fields[rule].default


@EVERY_SLOT
def test_the_rules_of_a_slot_survive_the_way_through_a_payload(portal: Portal, slot: Slot) -> None:  # noqa: ARG001
    rules = slot.schema_definition
    assert type(rules).model_validate(rules.model_dump(mode="json", exclude_none=True)) == rules


def test_the_document_leaves_out_rules_that_a_slot_does_not_have() -> None:
    slots = portals_document([portal_with(max_kb=50)], TODAY)["portals"][0]["slots"]
    assert {"min_kb", "eye_line", "glasses", "background_edit"}.isdisjoint(slots[0])
    assert slots[0]["max_kb"] == 50


@EVERY_SLOT
def test_a_slot_is_read_from_the_document_as_it_is(portal: Portal, slot: Slot) -> None:
    shown = portal_document(portal, TODAY)["slots"][portal.slots.index(slot)]
    assert Slot.model_validate(shown) == slot


def test_the_whole_document_is_far_from_what_a_function_may_answer() -> None:
    assert len(json.dumps(portals_document(all_portals(), TODAY))) < 600_000


def test_the_document_begins_each_slot_with_its_name_and_kind() -> None:
    for portal in portals_document(all_portals(), TODAY)["portals"]:
        for slot in portal["slots"]:
            assert list(slot)[:2] == ["slot", "kind"]


def test_an_unknown_portal_is_answered_with_the_nearest() -> None:
    with pytest.raises(PortalUnknownError, match="neet-2026") as caught:
        load_portal("neet-2025")
    assert "neet-2026" in caught.value.near


def test_an_unknown_portal_that_is_like_none_is_answered_with_all() -> None:
    with pytest.raises(PortalUnknownError, match=r"aadhaar-update, .*us-visa"):
        load_portal("zzzz")


def test_names_and_aliases_lead_to_one_portal_each() -> None:
    names = Counter(name for portal in all_portals() for name in (portal.portal, *portal.aliases))
    assert [name for name, times in names.items() if times > 1] == []


@pytest.mark.parametrize(
    ("alias", "slug"), [("neet", "neet-2026"), ("jee-main", "jee-main-2026"), ("ds-160", "us-visa")]
)
def test_a_name_without_a_year_leads_to_the_newest(alias: str, slug: str) -> None:
    assert load_portal(alias) is load_portal(slug)


def test_every_portal_of_a_year_has_a_name_without_it() -> None:
    for portal in all_portals():
        if re.search(r"-20\d\d$", portal.portal):
            assert portal.portal[:-5] in portal.aliases


def test_a_portal_of_a_year_is_dated() -> None:
    for portal, slot in SLOTS:
        assert (slot.valid_to is not None) == bool(re.search(r"-20\d\d$", portal.portal))


@pytest.mark.parametrize("alias", ["Neet", "neet ug", "", "-neet"])
def test_an_alias_that_is_no_slug_is_refused(alias: str) -> None:
    with pytest.raises(ValidationError, match="aliases"):
        Portal.model_validate(portal_with(max_kb=50).model_dump() | {"aliases": [alias]})


def test_rules_on_their_last_day_warn_of_nothing() -> None:
    portal = portal_with(max_kb=50, valid_to="2026-12-31")
    assert portal.as_of(dt.date(2026, 12, 31)).warnings == ()


def test_rules_past_their_date_are_shown_and_say_so() -> None:
    document = portal_document(portal_with(max_kb=50, valid_to="2026-12-31"), dt.date(2027, 1, 1))
    assert document["slots"][0]["max_kb"] == 50
    assert document["advice"] == [{"code": "PORTAL_RULES_OLD", "parameters": {"year": 2026, "next_year": 2027}}]
    assert "numbers of 2026; those of 2027 are not published" in document["warnings"][0]


@given(st.sampled_from(SLOTS), st.integers(0, 4_000))
def test_a_portal_warns_exactly_when_a_slot_of_it_has_ended(chosen: tuple[Portal, Slot], days: int) -> None:
    portal, today = chosen[0], dt.date(2026, 1, 1) + dt.timedelta(days=days)
    ended = any(slot.valid_to is not None and slot.valid_to < today for slot in portal.slots)
    assert [advice.code for advice in portal.as_of(today).advice] == ["PORTAL_RULES_OLD"] * ended


def test_a_path_is_no_portal() -> None:
    with pytest.raises(PortalUnknownError):
        load_portal("../portals/neet-2026")


def test_a_rule_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_kilobytes"):
        portal_with(max_kilobytes=50)


def test_a_source_of_a_rule_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_kilobytes"):
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


@given(st.integers(0, 400), st.integers(1, 400))
def test_kilobytes_are_taken_exactly_when_a_file_is_right_in_both_readings(least: int, most: int) -> None:
    possible = least * 1024 <= most * 1000
    try:
        slot = portal_with(min_kb=least, max_kb=most).slots[0]
    except ValidationError:
        assert not possible
        return
    assert possible
    assert slot.min_bytes is not None
    assert slot.max_bytes is not None
    assert slot.min_bytes <= slot.max_bytes


def test_the_first_format_is_the_one_that_is_made() -> None:
    assert portal_with(formats=["pdf", "jpeg"]).slots[0].output_format == "pdf"


def test_both_readings_of_kb_are_met() -> None:
    slot = portal_with(min_kb=10, max_kb=200).slots[0]
    assert (slot.min_bytes, slot.max_bytes) == (10_240, 200_000)


@given(st.sampled_from(["jpeg", "png", "pdf"]), st.permutations(["jpeg", "png", "pdf"]))
def test_what_a_slot_states_is_read_back_as_the_slot(output: str, formats: list[str]) -> None:
    slot = portal_with(formats=formats, output_format=output, glasses="none").slots[0]
    assert Slot.model_validate({"slot": "photo", **slot.stated_rules()}) == slot


def test_a_rule_that_is_its_default_is_not_stated() -> None:
    assert portal_with(max_kb=50, glasses="any", level="allowed").slots[0].stated_rules() == {"max_kb": 50}


# --- what to look up ----------------------------------------------------------------------------------------------


def checked(days_ago: int, **rules: Any) -> Portal:
    """A portal of one slot, whose one source was looked at so long ago."""
    source = {**SOURCE, "checked_on": (TODAY - dt.timedelta(days=days_ago)).isoformat()}
    return portal_with(**rules, sources={name: source for name in rules if name != "valid_to"})


@pytest.mark.parametrize("days", [0, 30, STALE_AFTER_DAYS])
def test_a_rule_is_stale_when_its_source_was_not_checked_for_long(days: int) -> None:
    assert list(stale_rules([checked(days, max_kb=50)], TODAY, days)) == []
    since = (TODAY - dt.timedelta(days=days + 1)).isoformat()
    why = f"not checked for {days + 1} days"
    expected = Stale("made-up", why, SOURCE["source_url"], since, {"photo": ["max_kb"]})
    assert list(stale_rules([checked(days + 1, max_kb=50)], TODAY, days)) == [expected]


@pytest.mark.parametrize(
    ("days_left", "reasons"),
    [
        (-1, ["rules ended on 2026-05-31"]),
        (0, ["rules end on 2026-06-01"]),
        (ENDS_SOON_DAYS, ["rules end on 2026-07-31"]),
        (ENDS_SOON_DAYS + 1, []),
    ],
)
def test_a_slot_near_its_date_is_stale_however_lately_it_was_checked(days_left: int, reasons: list[str]) -> None:
    portal = checked(0, max_kb=50, valid_to=(TODAY + dt.timedelta(days=days_left)).isoformat())
    assert [row.reason for row in stale_rules([portal], TODAY, STALE_AFTER_DAYS)] == reasons


def test_rules_of_one_address_stand_in_one_row() -> None:
    rows = list(stale_rules([checked(400, min_kb=5, max_kb=50)], TODAY, STALE_AFTER_DAYS))
    assert [row.rules for row in rows] == [{"photo": ["min_kb", "max_kb"]}]


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_shorter_limit_lists_no_fewer_addresses(one: int, other: int) -> None:
    few, many = (len(list(stale_rules(all_portals(), TODAY, days))) for days in sorted((one, other), reverse=True))
    assert few <= many


# --- in a few words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, "any"),
        ({"aspect_min": 0.5, "aspect_max": 0.75}, "aspect 0.5-0.75"),
        ({"target_width": 200, "target_height": 230}, "200x230"),
        ({"width_mm": 35, "height_mm": 45, "target_dpi": 300}, "413x531 @300"),
        ({"min_width": 350, "max_width": 500, "min_height": 350, "max_height": 600}, "350x350 to 500x600"),
        ({"min_width": 600, "min_height": 750}, "at least 600x750"),
    ],
)
def test_pixels_are_said_in_a_few_words(rules: dict[str, Any], said: str) -> None:
    assert pixels_of(portal_with(**rules).slots[0]) == said


# --- how sure the book is -----------------------------------------------------------------------------------------


def test_a_slot_is_as_sure_as_the_least_of_its_numbers() -> None:
    sources = {"max_kb": SOURCE, "min_kb": {**SOURCE, "confidence": "medium"}}
    assert lowest(portal_with(min_kb=5, max_kb=50, sources=sources).slots[0]) == "medium"


def test_a_rule_that_is_no_number_makes_a_slot_no_less_sure() -> None:
    sources = {"max_kb": SOURCE, "pose": {**SOURCE, "confidence": "low"}}
    assert lowest(portal_with(max_kb=50, pose="frontal", sources=sources).slots[0]) == "high"


def test_the_numbers_are_rules_of_a_slot() -> None:
    assert set(Slot.model_fields) >= NUMBERS
