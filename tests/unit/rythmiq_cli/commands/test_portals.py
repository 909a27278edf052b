"""`rythmiq portals`: the rule book as a table and as JSON, and the rules that have to be checked again."""

import datetime as dt
import json

import pytest

from rythmiq.contracts.portal import Portal, Slot, Source
from rythmiq.portals import all_portals, load_portal
from tests.support.command_line import misused, rythmiq_command


def test_portals_lists_every_slot() -> None:
    listed = rythmiq_command("portals").stdout
    for portal in all_portals():
        for slot in portal.slots:
            assert any(portal.portal in line and slot.slot in line for line in listed.splitlines())


def test_portals_prints_what_the_api_answers() -> None:
    document = json.loads(rythmiq_command("portals", "--json").stdout)
    assert [portal["portal"] for portal in document["portals"]] == [portal.portal for portal in all_portals()]


def test_one_portal_is_printed_whole() -> None:
    document = json.loads(rythmiq_command("portals", "ibps", "--json").stdout)
    assert document["portal"] == "ibps"
    assert {"photo", "signature"} <= {slot["slot"] for slot in document["slots"]}


def test_an_unknown_portal_is_a_misuse() -> None:
    assert "did you mean ibps" in misused("portals", "ibp")


def test_a_name_without_a_year_is_as_good() -> None:
    assert json.loads(rythmiq_command("portals", "neet", "--json").stdout)["portal"] == "neet-2026"


def test_one_portal_is_listed_with_its_other_names() -> None:
    assert "Also named neet and neet-ug." in rythmiq_command("portals", "neet-2026").stdout
    assert "Also named" not in rythmiq_command("portals", "ssc").stdout


@pytest.fixture
def new_year(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command believes that it is 1 January 2027."""
    monkeypatch.setattr("rythmiq_cli.commands.portals.today", lambda: dt.date(2027, 1, 1))


@pytest.mark.usefixtures("new_year")
def test_rules_past_their_date_say_so_below_the_table() -> None:
    listed = rythmiq_command("portals", "neet").stdout
    assert "10-200" in listed
    assert "neet-2026: PORTAL_RULES_OLD: These are the portal's numbers of 2026" in listed


@pytest.mark.usefixtures("new_year")
def test_rules_past_their_date_say_so_as_codes() -> None:
    document = json.loads(rythmiq_command("portals", "neet", "--json").stdout)
    assert document["advice"] == [{"code": "PORTAL_RULES_OLD", "parameters": {"year": 2026, "next_year": 2027}}]
    assert document["slots"]


@pytest.mark.usefixtures("new_year")
def test_rules_past_their_date_are_to_be_looked_up_by_whole_addresses() -> None:
    lines = rythmiq_command("portals", "neet", "--stale").stdout.splitlines()
    assert lines[0].startswith("neet-2026: rules ended on 2026-12-31, checked on ")
    addresses = {source.source_url for slot in load_portal("neet").slots for source in slot.sources.values()}
    assert {line.strip() for line in lines[1::2]} == addresses


def test_stale_rules_are_printed_as_json() -> None:
    document = json.loads(rythmiq_command("portals", "--stale", "--days", 0, "--json").stdout)
    assert list(document) == ["stale"]
    assert all({"portal", "reason", "rules", "source_url", "checked_on"} == set(row) for row in document["stale"])


@pytest.fixture
def checked_thirty_days_ago(monkeypatch: pytest.MonkeyPatch) -> str:
    """The book has one number; the address that it rests on."""
    looked = dt.datetime.now(tz=dt.UTC).date() - dt.timedelta(days=30)
    source = Source(source_url="https://a.example/b", source_kind="press", checked_on=looked, confidence="low")
    slot = Slot(slot="photo", max_kb=50, sources={"max_kb": source})
    book = (Portal(portal="made-up", name="Made up", version="1", slots=(slot,)),)
    monkeypatch.setattr("rythmiq_cli.commands.portals.all_portals", lambda: book)
    return source.source_url


def test_an_address_that_was_looked_up_too_long_ago_is_listed(checked_thirty_days_ago: str) -> None:
    assert checked_thirty_days_ago in rythmiq_command("portals", "--stale", "--days", 29).stdout


def test_without_stale_rules_it_says_so(checked_thirty_days_ago: str) -> None:
    shown = rythmiq_command("portals", "--stale", "--days", 30).stdout
    assert checked_thirty_days_ago not in shown
    assert "Nothing: no rule is past its date or near it, and all were checked within 30 days." in shown


def test_days_go_with_stale() -> None:
    assert "--days goes with --stale" in misused("portals", "--days", 30)
