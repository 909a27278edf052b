"""Writes the rule book as a numbered migration: `make seed`.

A migration never changes once it is out, so a changed rule book makes a new one; an unchanged one makes none. Every
such migration is the whole book: the rules of a version that is there already become what the book says; versions that
the book no longer has stay, for the jobs that are pinned to them, and are no longer current. Aliases are replaced as a
whole. A row holds what a slot states, so that a new rule changes no slot that does not use it.

Source: docs/specification/database.md, docs/specification/portals.md.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from rythmiq.contracts.portal import Portal
from rythmiq.portals import all_portals
from rythmiq_cli.operator.migrations import database_dir

SUFFIX = "_portal_schemas.sql"
_HEAD = """\
-- The rule book (core/rythmiq/portals) as rows; made by `make seed`, do not edit.
alter table public.portal_schemas no force row level security;  -- an owner whom it binds could not write them
alter table public.portal_aliases no force row level security;
update public.portal_schemas set is_current = false where is_current;
insert into public.portal_schemas (portal, slot, version, name, schema_definition) values
"""
_BETWEEN = """
on conflict (portal, slot, version) do update
  set name = excluded.name, schema_definition = excluded.schema_definition, is_current = true;
delete from public.portal_aliases;
"""
_ALIASES = "insert into public.portal_aliases (alias, portal) values\n"
_TAIL = """\
alter table public.portal_aliases force row level security;
alter table public.portal_schemas force row level security;
"""


def seed_sql(portals: Sequence[Portal]) -> str:
    """The migration's text; the same for the same book."""
    rows = [
        f"  ({_literal(portal.portal)}, {_literal(slot.slot)}, {_literal(portal.version)}, {_literal(portal.name)},\n"
        f"   {_literal(_json(slot.stated_rules()))})"
        for portal in portals
        for slot in portal.slots
    ]
    aliases = sorted((alias, portal.portal) for portal in portals for alias in portal.aliases)
    pairs = [f"  ({_literal(alias)}, {_literal(slug)})" for alias, slug in aliases]
    also = _ALIASES + ",\n".join(pairs) + ";\n" if pairs else ""
    return _HEAD + ",\n".join(rows) + _BETWEEN + also + _TAIL


def latest_seed(directory: Path) -> Path | None:
    """The newest migration that holds the rule book."""
    return max(directory.glob(f"*{SUFFIX}"), default=None)


def write_seed(directory: Path) -> Path | None:
    """Write a new migration if the book has changed since the newest; its path, or None when nothing has."""
    text, latest = seed_sql(all_portals()), latest_seed(directory)
    if latest is not None and latest.read_text(encoding="utf-8") == text:
        return None
    number = max((int(file.name[:4]) for file in directory.glob("*.sql")), default=0) + 1
    written = directory / f"{number:04d}{SUFFIX}"
    written.write_text(text, encoding="utf-8")
    return written


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    print(write_seed(database_dir() / "migrations") or "the rule book has not changed")
