"""`rythmiq portals`: the rule book."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rythmiq.contracts.portal import Slot
from rythmiq.portals import PortalUnknownError, all_portals, load_portal, portals_document
from rythmiq.portals.book import portal_document
from rythmiq_cli.exits import usage


def portals(
    portal: Annotated[str | None, typer.Argument(help="One portal, whole.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /portals answers.")] = False,
) -> None:
    """List the portals and their slots, or one portal with its sources."""
    try:
        chosen = all_portals() if portal is None else (load_portal(portal),)
    except PortalUnknownError as error:
        usage(str(error))
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
    Console().print(table)


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
