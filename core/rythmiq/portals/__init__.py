"""Loads the rule book: one TOML a portal, each number with its source.

A slot's `sources` say which of its rules rest on which entry of the file's `[sources]`, so that one article is written
once::

    [sources.pw-live]
    source_url = "..."
    [[slots]]
    slot = "photo"
    max_kb = 200
    [slots.sources]
    pw-live = ["max_kb"]

A name without a year (`aliases` of the file) leads to the portal that has it; that is the newest, and when its rules
are past their date they are still used, with a warning.

Source: docs/specification/portals.md.
"""

import datetime as dt
import difflib
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from rythmiq.contracts.portal import Portal, Slot
from rythmiq.contracts.problems import ProblemCode, ProblemError

_ALWAYS_SHOWN = {
    "kind",
    "output_format",
    "filename_pattern",
    "background",
    "face",
    "color",
    "enhance",
    "ocr",
    "sources",
}


class PortalUnknownError(LookupError):
    """The rule book has no such portal; the message names the nearest."""

    def __init__(self, slug: str, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(slug, known, n=3, cutoff=0.4)
        advice = f"; did you mean {' or '.join(near)}?" if near else f"; known are {', '.join(known)}"
        super().__init__(f"the rule book has no portal {slug!r}{advice}")
        self.near = tuple(near)


@lru_cache(maxsize=1)
def _files() -> dict[str, str]:
    """TOML texts by slug, sorted."""
    files = resources.files("rythmiq.portals").iterdir()
    found = {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}
    return {slug: found[slug].read_text(encoding="utf-8") for slug in sorted(found)}


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    """The portal's slug by alias."""
    return {alias: portal.portal for portal in all_portals() for alias in portal.aliases}


def load_portal(name: str) -> Portal:
    """Load one portal by its slug or an alias.

    Raises:
        PortalUnknownError: there is none of this name.
    """
    files = _files()
    if name in files:
        return _load(name)
    aliases = _aliases()
    if name in aliases:
        return _load(aliases[name])
    raise PortalUnknownError(name, sorted([*files, *aliases]))


@lru_cache(maxsize=256)
def _load(slug: str) -> Portal:
    return _portal(tomllib.loads(_files()[slug]))


def all_portals() -> tuple[Portal, ...]:
    """Every portal, by name."""
    return tuple(_load(slug) for slug in _files())


def portals_document(portals: Sequence[Portal], today: dt.date) -> dict[str, list[dict[str, Any]]]:
    """The rule book as `GET /portals` answers it on that day."""
    return {"portals": [portal_document(portal, today) for portal in portals]}


def portal_document(portal: Portal, today: dt.date) -> dict[str, Any]:
    """One portal as `GET /portals/{portal}` answers it on that day; rules that a slot does not have are left out."""
    document = portal.as_of(today).model_dump(mode="json", exclude={"slots"})
    return {**document, "slots": [_slot_document(slot) for slot in portal.slots]}


def list_portals(today: dt.date) -> dict[str, Any]:
    """Return the answer of GET /portals: every portal, with its warnings of that day."""
    return portals_document(all_portals(), today)


def show_portal(portal: str, today: dt.date) -> dict[str, Any]:
    """Return the answer of GET /portals/{portal}: one portal, by its slug or an alias.

    Raises:
        ProblemError: PORTAL_UNKNOWN.
    """
    try:
        return portal_document(load_portal(portal), today)
    except PortalUnknownError as error:
        near = f" Did you mean {' or '.join(error.near)}?" if error.near else ""
        raise ProblemError(ProblemCode.PORTAL_UNKNOWN, f"The rule book has no such portal.{near}") from None


def _slot_document(slot: Slot) -> dict[str, Any]:
    """What the slot states, and the defaults that were always shown; a client reads the others as their defaults."""
    shown = slot.model_dump(mode="json", include=_ALWAYS_SHOWN)
    rules = {**shown, **slot.stated_rules()}
    return {"slot": slot.slot, "kind": rules.pop("kind", slot.kind), **dict(sorted(rules.items()))}


def _portal(raw: dict[str, Any]) -> Portal:
    """Give each rule its source.

    Raises:
        ValueError: a slot names a source that the file does not have, a rule twice, or a rule that we do not know.
    """
    sources = raw.pop("sources", {})
    for slot in raw.get("slots", []):
        where = f"{raw.get('portal')}/{slot.get('slot')}"
        cited: dict[str, Any] = {}
        for name, rules in slot.get("sources", {}).items():
            if name not in sources:
                raise ValueError(f"{where} names no known source: {name}")
            for rule in rules:
                if rule in cited:
                    raise ValueError(f"{where} has two sources of {rule}")
                cited[rule] = sources[name]
        slot["sources"] = cited
    return Portal.model_validate(raw)
