"""Writes what has changed in the rule book as the next numbered migration: `make seed`.

A released migration is immutable, and so are the rules of a version: jobs may be pinned to them. So the earlier seeds
are read back, other rules under a version that they have are refused, and the new seed holds only the portals and
aliases that differ. Versions that the book no longer has stay in the table, no longer current. A row holds what a slot
states, so that a new rule changes no slot that does not use it.

Source: docs/specification/database.md, docs/specification/portals.md.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rythmiq.contracts.errors import RythmiqError
from rythmiq.contracts.portal import Portal
from rythmiq.portals import all_portals
from rythmiq_cli.operator.migrations import database_dir

SUFFIX = "_portal_schemas.sql"
_HEAD = """\
-- The rule book (core/rythmiq/portals) as rows; made by `make seed`, do not edit.
alter table public.portal_schemas no force row level security;  -- an owner whom it binds could not write them
alter table public.portal_aliases no force row level security;
"""
_TAIL = """\
alter table public.portal_aliases force row level security;
alter table public.portal_schemas force row level security;
"""
_ROWS = "insert into public.portal_schemas (portal, slot, version, name, schema_definition) values\n"
_KEPT = "\non conflict (portal, slot, version) do update set is_current = true;\n"
_ALIASES = "insert into public.portal_aliases (alias, portal) values\n"
_MOVED = "\non conflict (alias) do update set portal = excluded.portal;\n"

_TEXT = r"'((?:[^']|'')*)'"
_STATEMENT = re.compile(
    r"^(?:"  # noqa: S608  a pattern, which is not run
    rf"  \({_TEXT}, {_TEXT}, {_TEXT}, {_TEXT},\n   {_TEXT}\)"  # a slot
    rf"|  \({_TEXT}, {_TEXT}\)"  # an alias
    rf"|update public\.portal_schemas set is_current = false where (?:portal = {_TEXT} and )?is_current;"
    rf"|delete from public\.portal_aliases(?: where alias = {_TEXT})?;"
    r")",
    re.MULTILINE,
)


class RulesChangedError(RythmiqError):
    """The book has other rules under a version that a seed has made public; jobs may be pinned to them."""


@dataclass(frozen=True, slots=True)
class _Slot:
    name: str
    rules: str


@dataclass(slots=True)
class _Book:
    """What a database holds of the rule book.

    Attributes:
        versions: slots by name, of each portal's version.
        current: the version of each portal.
        aliases: the portal of each.
    """

    versions: dict[tuple[str, str], dict[str, _Slot]] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def seed_sql(portals: Sequence[Portal], earlier: Sequence[str] = ()) -> str | None:
    """The migration that makes `portals` the rule book; None when it is that already.

    Args:
        portals: the book.
        earlier: the seeds that a database has, oldest first.

    Raises:
        RulesChangedError: a version has other rules than an earlier seed gave it.
    """
    before, book = _read(earlier), _book_of(portals)
    _require_immutable(before, book)
    changed = [portal for portal, version in book.current.items() if before.current.get(portal) != version]
    gone = [portal for portal in before.current if portal not in book.current]
    statements = [
        f"update public.portal_schemas set is_current = false where portal = {_literal(portal)} and is_current;\n"  # noqa: S608  quoted
        for portal in sorted([*gone, *(portal for portal in changed if portal in before.current)])
    ]
    rows = [
        f"  ({_literal(portal)}, {_literal(slot)}, {_literal(book.current[portal])}, {_literal(entry.name)},\n"
        f"   {_literal(entry.rules)})"
        for portal in changed
        for slot, entry in book.versions[portal, book.current[portal]].items()
    ]
    if rows:
        statements.append(_ROWS + ",\n".join(rows) + _KEPT)
    statements += _alias_statements(before.aliases, book.aliases)
    return _HEAD + "".join(statements) + _TAIL if statements else None


def seeds_in(directory: Path) -> list[Path]:
    """The migrations that hold the rule book, oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def write_seed(directory: Path) -> Path | None:
    """Write the next migration if the book has changed since the newest; its path, or None when nothing has.

    Raises:
        RulesChangedError: see `seed_sql`.
    """
    text = seed_sql(all_portals(), [file.read_text(encoding="utf-8") for file in seeds_in(directory)])
    if text is None:
        return None
    number = max((int(file.name[:4]) for file in directory.glob("*.sql")), default=0) + 1
    written = directory / f"{number:04d}{SUFFIX}"
    written.write_text(text, encoding="utf-8")
    return written


def _book_of(portals: Sequence[Portal]) -> _Book:
    book = _Book()
    for portal in portals:
        book.current[portal.portal] = portal.version
        book.versions[portal.portal, portal.version] = {
            slot.slot: _Slot(portal.name, json.dumps(slot.stated_rules(), ensure_ascii=False, sort_keys=True))
            for slot in portal.slots
        }
        book.aliases |= dict.fromkeys(portal.aliases, portal.portal)
    return book


def _read(seeds: Sequence[str]) -> _Book:
    """What a database holds after these seeds. The first two held the whole book, and replaced rules."""
    book = _Book()
    for text in seeds:
        for found in _STATEMENT.finditer(text):
            portal, slot, version, name, rules, alias, alias_of, ended, alias_gone = (
                None if part is None else part.replace("''", "'") for part in found.groups()
            )
            if portal is not None and slot is not None and version is not None:
                book.current[portal] = version
                book.versions.setdefault((portal, version), {})[slot] = _Slot(name or "", rules or "")
            elif alias is not None and alias_of is not None:
                book.aliases[alias] = alias_of
            elif found[0].startswith("update"):
                for one in [ended] if ended is not None else list(book.current):
                    book.current.pop(one, None)
            else:
                for one in [alias_gone] if alias_gone is not None else list(book.aliases):
                    book.aliases.pop(one, None)
    return book


def _require_immutable(before: _Book, book: _Book) -> None:
    changed = [
        f"{portal} {version}"
        for (portal, version), slots in book.versions.items()
        if (portal, version) in before.versions and before.versions[portal, version] != slots
    ]
    if changed:
        raise RulesChangedError(
            f"the rules of {', '.join(changed)} have changed, and jobs may be pinned to them: raise `version` in "
            "core/rythmiq/portals, and write the seed again"
        )


def _alias_statements(before: Mapping[str, str], aliases: Mapping[str, str]) -> list[str]:
    gone = sorted(before.keys() - aliases.keys())
    new = sorted((alias, portal) for alias, portal in aliases.items() if before.get(alias) != portal)
    statements = [f"delete from public.portal_aliases where alias = {_literal(one)};\n" for one in gone]  # noqa: S608  quoted
    if new:
        pairs = ",\n".join(f"  ({_literal(alias)}, {_literal(portal)})" for alias, portal in new)
        statements.append(_ALIASES + pairs + _MOVED)
    return statements


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def main() -> int:
    """Write the seed; exit 1 when the book changes what jobs may be pinned to."""
    try:
        written = write_seed(database_dir() / "migrations")
    except RulesChangedError as error:
        print(error, file=sys.stderr)
        return 1
    print(written or "the rule book has not changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
