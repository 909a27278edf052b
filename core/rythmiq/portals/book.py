"""Loads the rule book.

A slot's `sources` table names sources of the file's `[sources]` table, so that one article is written once::

    [sources.pw-live]
    source_url = "..."
    [[slots]]
    slot = "photo"
    max_kb = 200
    sources = { max_kb = "pw-live" }

Source: SPEC 9.
"""

import difflib
import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from rythmiq.contracts.portal import Portal


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


@lru_cache(maxsize=64)
def load_portal(slug: str) -> Portal:
    """Load one portal.

    Raises:
        PortalUnknownError: there is none of this name.
    """
    files = _files()
    if slug not in files:
        raise PortalUnknownError(slug, list(files))
    return _portal(tomllib.loads(files[slug]))


def all_portals() -> tuple[Portal, ...]:
    """Every portal, by name."""
    return tuple(load_portal(slug) for slug in _files())


def portals_document(portals: Sequence[Portal]) -> dict[str, list[dict[str, Any]]]:
    """The rule book as `GET /portals` answers it; rules that a slot does not have are left out."""
    return {"portals": [portal_document(portal) for portal in portals]}


def portal_document(portal: Portal) -> dict[str, Any]:
    """One portal as `GET /portals/{portal}` answers it."""
    slots = []
    for slot in portal.slots:
        rules = slot.model_dump(mode="json", exclude_none=True)
        slots.append({"slot": rules.pop("slot"), "kind": rules.pop("kind"), **rules})
    return {"portal": portal.portal, "name": portal.name, "version": portal.version, "slots": slots}


def _portal(raw: dict[str, Any]) -> Portal:
    """Put each source in the place of its name.

    Raises:
        ValueError: a slot names a source that the file does not have, or a rule that we do not know.
    """
    sources = raw.pop("sources", {})
    for slot in raw.get("slots", []):
        named = slot.get("sources", {})
        missing = sorted(set(named.values()) - set(sources))
        if missing:
            raise ValueError(f"{raw.get('portal')}/{slot.get('slot')} names no known source: {', '.join(missing)}")
        slot["sources"] = {rule: sources[name] for rule, name in named.items()}
    return Portal.model_validate(raw)
