"""`rythmiq portals`: the rule book."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rythmiq.contracts.portal import Portal, Slot
from rythmiq.portals import PortalUnknownError, all_portals, load_portal, portals_document
from rythmiq.portals.book import portal_document
from rythmiq_cli.exits import usage

STALE_AFTER_DAYS = 180
_PIPE_COLUMNS = 140


def portals(
    portal: Annotated[str | None, typer.Argument(help="One portal, whole.", show_default=False)] = None,
    stale: Annotated[bool, typer.Option("--stale", help="List what has to be checked again, instead.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /portals answers.")] = False,
) -> None:
    """List the portals and their slots, or one portal.

    With --stale: the numbers whose rules are past their date, or that nobody checked for 180 days.
    """
    try:
        chosen = all_portals() if portal is None else (load_portal(portal),)
    except PortalUnknownError as error:
        usage(str(error))
    if stale:
        _print_stale(list(stale_rules(chosen, dt.datetime.now(tz=dt.UTC).date())), as_json=as_json)
        return
    if as_json:
        print(json.dumps(portal_document(chosen[0]) if portal else portals_document(chosen), ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("portal", "slot", "kind", "pixels", "KB", "formats", "confidence"):
        table.add_column(heading, no_wrap=heading in {"portal", "slot"}, overflow="fold")
    for entry in chosen:
        for slot in entry.slots:
            formats = " ".join(slot.formats or (slot.output_format,))
            table.add_row(entry.portal, slot.slot, slot.kind, pixels_of(slot), kb_of(slot), formats, lowest(slot))
    _print(table)


def stale_rules(portals: Sequence[Portal], today: dt.date) -> Iterator[dict[str, str]]:
    """What has to be checked again: one row a slot and source, with the reason and the rules that rest on it."""
    for portal in portals:
        for slot in portal.slots:
            over = slot.valid_to is not None and slot.valid_to < today
            rules: dict[tuple[str, dt.date], list[str]] = {}
            for rule, source in slot.sources.items():
                rules.setdefault((source.source_url, source.checked_on), []).append(rule)
            for (url, checked_on), names in rules.items():
                if over or (today - checked_on).days > STALE_AFTER_DAYS:
                    yield {
                        "portal": portal.portal,
                        "slot": slot.slot,
                        "reason": f"rules ended on {slot.valid_to}" if over else "not checked for long",
                        "rules": ", ".join(names),
                        "source_url": url,
                        "checked_on": checked_on.isoformat(),
                    }


def _print_stale(rows: Sequence[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"stale": rows}, ensure_ascii=False))
        return
    if not rows:
        print(f"Nothing: no rule is past its date, and all were checked within {STALE_AFTER_DAYS} days.")
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row.values())
    _print(table)


def _print(table: Table) -> None:
    """A terminal's width where there is one; enough for whole words in a pipe or a file."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    console.print(table)


def pixels_of(slot: Slot) -> str:
    """The pixel rule in a few words."""
    bounds = slot.pixel_bounds
    if bounds is None:
        return f"aspect {slot.aspect_min:g}-{slot.aspect_max:g}" if slot.aspect_min and slot.aspect_max else "any"
    if not bounds.exact:
        return f"{bounds.min_width_px}x{bounds.min_height_px} to {bounds.max_width_px}x{bounds.max_height_px}"
    dpi = f" @{slot.target_dpi}" if slot.target_dpi else ""
    return f"{bounds.min_width_px}x{bounds.min_height_px}{dpi}"


def kb_of(slot: Slot) -> str:
    """The byte rule in a few words."""
    if slot.max_kb is None:
        return "any"
    return f"{slot.min_kb:g}-{slot.max_kb:g}" if slot.min_kb else f"up to {slot.max_kb:g}"


def lowest(slot: Slot) -> str:
    """The lowest confidence among the slot's numbers."""
    ranks = ("low", "medium", "high")
    found = [source.confidence for source in slot.sources.values()]
    return min(found, key=ranks.index) if found else "none"
