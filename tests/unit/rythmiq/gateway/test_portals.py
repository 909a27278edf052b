"""What `api/portals` answers on a day, and on the next."""

import datetime as dt

import pytest

from rythmiq.contracts.problems import ProblemCode, ProblemError
from rythmiq.gateway.routes.portals import Dependencies
from rythmiq.portals import list_portals, show_portal

LAST_DAY, NEW_YEAR = dt.date(2026, 12, 31), dt.date(2027, 1, 1)


@pytest.fixture
def days() -> list[dt.date]:
    """The calendar: its last entry is today."""
    return [LAST_DAY]


@pytest.fixture
def rules(days: list[dt.date]) -> Dependencies:
    return Dependencies(list_portals, show_portal, lambda: days[-1])


@pytest.mark.parametrize("portal", ["neet", "neet-2026"])
def test_the_new_year_brings_a_warning_and_another_tag(rules: Dependencies, days: list[dt.date], portal: str) -> None:
    before, tag = rules.document(portal)
    days.append(NEW_YEAR)
    after, next_tag = rules.document(portal)
    assert (before["warnings"], before["advice"]) == ([], [])
    assert after["advice"] == [{"code": "PORTAL_RULES_OLD", "parameters": {"year": 2026, "next_year": 2027}}]
    assert after["slots"] == before["slots"]
    assert tag != next_tag


def test_a_portal_without_a_year_is_the_same_in_the_new_one(rules: Dependencies, days: list[dt.date]) -> None:
    before = rules.document("ibps")
    days.append(NEW_YEAR)
    assert rules.document("ibps") == before


def test_the_list_warns_of_those_that_have_ended(rules: Dependencies, days: list[dt.date]) -> None:
    days.append(NEW_YEAR)
    document, _ = rules.document(None)
    warned = {portal["portal"] for portal in document["portals"] if portal["warnings"]}
    assert {"neet-2026", "jee-main-2026", "gate-2026", "upsc-2026"} <= warned
    assert "ibps" not in warned


def test_a_document_is_made_once_a_day(days: list[dt.date]) -> None:
    made: list[dt.date] = []

    def everything(today: dt.date) -> dict[str, list[object]]:
        made.append(today)
        return {"portals": []}

    rules = Dependencies(everything, show_portal, lambda: days[-1])
    for _ in range(3):
        rules.document(None)
    days.append(NEW_YEAR)
    rules.document(None)
    assert made == [LAST_DAY, NEW_YEAR]


def test_an_unknown_portal_is_refused_with_the_nearest() -> None:
    with pytest.raises(ProblemError) as caught:
        show_portal("neet-2025", LAST_DAY)
    assert caught.value.code == ProblemCode.PORTAL_UNKNOWN
    assert "neet-2026" in str(caught.value)
