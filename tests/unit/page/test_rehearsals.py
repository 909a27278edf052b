"""The portals that take a photo with the person's own camera, as the page lists them."""

import re
from pathlib import Path

import pytest

from rythmiq.portals import all_portals

_SOURCE = (Path(__file__).parents[3] / "page" / "view-portal.js").read_text(encoding="utf-8")
(_LIST,) = re.findall(r"LIVE_PHOTO = Object\.freeze\(\[(.*?)\]\)", _SOURCE, re.DOTALL)
LISTED = re.findall(r'"([^"]+)"', _LIST)


@pytest.mark.parametrize("name", LISTED)
def test_each_is_in_the_rule_book(name: str) -> None:
    """The next year's portal has a name of its own, and with the old one's its rehearsal would go without a word."""
    assert name in {portal.portal for portal in all_portals()}


@pytest.mark.parametrize("family", ["ssc", "rrb", "upsc", "neet", "jee-main", "cuet", "ugc-net", "csir-net"])
def test_whoever_takes_a_live_photo_is_listed(family: str) -> None:
    """SSC, RRB, UPSC and what NTA holds, of whatever year."""
    theirs = {portal.portal for portal in all_portals() if portal.portal.startswith(family)}
    assert theirs
    assert theirs <= set(LISTED)
