"""`rythmiq portals`: the rule book."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rythmiq.contracts.portal import Portal, Slot
from rythmiq.portals import PortalUnknownError, all_portals, load_portal, portal_document, portals_document
from rythmiq_cli.output import usage

STALE_AFTER_DAYS = 180
ENDS_SOON_DAYS = 60
NUMBERS = frozenset(
    {
        "target_width", "target_height", "min_width", "max_width", "min_height", "max_height", "width_mm", "height_mm",
        "aspect_min", "aspect_max", "target_dpi", "min_kb", "max_kb", "face_ratio", "eye_line", "signatures",
        "max_compression_ratio",
    }
)  # fmt: skip
"""The rules that are numbers."""
_PIPE_COLUMNS = 140


def portals(
    portal: Annotated[
        str | None, typer.Argument(help="One portal, whole; a name without a year will do.", show_default=False)
    ] = None,
    stale: Annotated[bool, typer.Option("--stale", help="List what has to be checked again, instead.")] = False,
    days: Annotated[
        int | None, typer.Option("--days", min=0, help="With --stale: how old a check may be; 180 without it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /portals answers.")] = False,
) -> None:
    """List the portals and their slots, or one portal.

    With --stale: what to check again, by address: rules that are past their date or within 60 days of it, and rules
    that were not checked for so many days. The exit code is 0 whether there are any or not.
    """
    try:
        chosen = all_portals() if portal is None else (load_portal(portal),)
    except PortalUnknownError as error:
        usage(str(error))
    if days is not None and not stale:
        usage("--days goes with --stale")
    day = today()
    if stale:
        limit_days = STALE_AFTER_DAYS if days is None else days
        _print_stale(list(stale_rules(chosen, day, limit_days)), limit_days, as_json=as_json)
        return
    if as_json:
        document = portal_document(chosen[0], day) if portal else portals_document(chosen, day)
        print(json.dumps(document, ensure_ascii=False))
        return
    _print_slots(chosen, day)


def _print_slots(chosen: Sequence[Portal], day: dt.date) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("portal", "slot", "kind", "pixels", "KB", "formats", "confidence"):
        table.add_column(heading, no_wrap=heading in {"portal", "slot"}, overflow="fold")
    for entry in chosen:
        for slot in entry.slots:
            formats = " ".join(slot.formats or (slot.output_format,))
            table.add_row(entry.portal, slot.slot, slot.kind, pixels_of(slot), kb_of(slot), formats, lowest(slot))
    _print(table)
    if len(chosen) == 1 and chosen[0].aliases:
        print(f"Also named {' and '.join(chosen[0].aliases)}.")
    for entry in chosen:
        for warning in entry.as_of(day).warnings:
            print(f"{entry.portal}: {warning}")


def today() -> dt.date:
    """The day in UTC; rules end with theirs."""
    return dt.datetime.now(tz=dt.UTC).date()


@dataclass(frozen=True, slots=True)
class Stale:
    """One address to check again: why, since when, and the rules that rely on it, by slot."""

    portal: str
    reason: str
    source_url: str
    checked_on: str
    rules: dict[str, list[str]] = field(default_factory=dict)


def stale_rules(portals: Sequence[Portal], today: dt.date, days: int) -> Iterator[Stale]:
    """List the sources to check again: one entry for each portal, reason and address."""
    for portal in portals:
        found: dict[tuple[str, str, dt.date], Stale] = {}
        for slot in portal.slots:
            for rule, source in slot.sources.items():
                reason = _why_stale(slot, (today - source.checked_on).days, today, days)
                if reason is None:
                    continue
                key = reason, source.source_url, source.checked_on
                new = Stale(portal.portal, reason, source.source_url, source.checked_on.isoformat())
                found.setdefault(key, new).rules.setdefault(slot.slot, []).append(rule)
        yield from found.values()


def _why_stale(slot: Slot, age_days: int, today: dt.date, days: int) -> str | None:
    if slot.valid_to is not None and slot.valid_to < today:
        return f"rules ended on {slot.valid_to}"
    if slot.valid_to is not None and (slot.valid_to - today).days <= ENDS_SOON_DAYS:
        return f"rules end on {slot.valid_to}"
    return f"not checked for {age_days} days" if age_days > days else None


def _print_stale(rows: Sequence[Stale], days: int, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"stale": [asdict(row) for row in rows]}, ensure_ascii=False))
        return
    if not rows:
        print(f"Nothing: no rule is past its date or near it, and all were checked within {days} days.")
        return
    for row in rows:
        print(f"{row.portal}: {row.reason}, checked on {row.checked_on}: {', '.join(row.rules)}\n    {row.source_url}")


def _print(table: Table) -> None:
    """Print at the terminal's width; in a pipe or a file wide enough for whole words."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    console.print(table)


def pixels_of(slot: Slot) -> str:
    """The pixel rule in a few words."""
    bounds = slot.pixel_bounds
    if bounds is None:
        return f"aspect {slot.aspect_min:g}-{slot.aspect_max:g}" if slot.aspect_min and slot.aspect_max else "any"
    least = f"{bounds.min_width_px}x{bounds.min_height_px}"
    if slot.max_width is None and slot.max_height is None and not bounds.exact:
        return f"at least {least}"
    if not bounds.exact:
        return f"{least} to {bounds.max_width_px}x{bounds.max_height_px}"
    dpi = f" @{slot.target_dpi}" if slot.target_dpi else ""
    return f"{least}{dpi}"


def kb_of(slot: Slot) -> str:
    """The byte rule in a few words."""
    if slot.max_kb is None:
        return "any"
    return f"{slot.min_kb:g}-{slot.max_kb:g}" if slot.min_kb else f"up to {slot.max_kb:g}"


def lowest(slot: Slot) -> str:
    """The lowest confidence among the slot's numbers."""
    ranks = ("low", "medium", "high")
    found = [source.confidence for rule, source in slot.sources.items() if rule in NUMBERS]
    return min(found, key=ranks.index) if found else "none"
