"""Which rules a command was asked for: a slot of the rule book, or a `schema_definition` in a file."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.portals import PortalUnknownError, load_portal
from rythmiq_cli.exits import usage


@dataclass(frozen=True, slots=True)
class Rules:
    """A slot's rules and the names they go by."""

    portal: str
    slot: str | None
    name: str
    version: str
    definition: SchemaDefinition


def rules_for(portal: str | None, slot: str | None, schema_file: Path | None) -> Rules:
    """Find the rules; whatever is wrong ends the command with exit code 2 and one sentence."""
    if (portal is None) == (schema_file is None):
        usage("give either --portal (see `rythmiq portals`) or --schema")
    if schema_file is not None:
        return _from_file(schema_file, slot)
    return _from_book(portal or "", slot)


def _from_file(path: Path, slot: str | None) -> Rules:
    try:
        definition = SchemaDefinition.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        usage(f"{path}: {error.strerror}")
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'schema'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False, include_input=False)
        )
        usage(f"{path} is not a schema_definition: {problems}")
    except ValueError:
        usage(f"{path} is not JSON")
    return Rules(path.stem, slot, path.stem, "file", definition)


def _from_book(slug: str, slot: str | None) -> Rules:
    try:
        portal = load_portal(slug)
    except PortalUnknownError as error:
        usage(str(error))
    names = [entry.slot for entry in portal.slots]
    if slot is None and len(names) > 1:
        usage(f"{slug} has several slots; give --slot with one of {', '.join(names)}")
    chosen = next((entry for entry in portal.slots if entry.slot == (slot or names[0])), None)
    if chosen is None:
        near = difflib.get_close_matches(slot or "", names, n=2, cutoff=0.4)
        advice = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(names)}"
        usage(f"{slug} has no slot {slot!r}; {advice}")
    return Rules(portal.portal, chosen.slot, portal.name, portal.version, chosen.schema_definition)


def for_several(rules: Rules) -> Rules:
    """The same for several files, the pages of one PDF; where the slot takes none, that ends the command."""
    definition = rules.definition
    if definition.output_format == "pdf":
        return rules
    if "pdf" not in (definition.formats or ()):
        usage(f"{' '.join(filter(None, (rules.portal, rules.slot)))} takes no PDF, so it takes one file")
    return replace(rules, definition=definition.model_copy(update={"output_format": "pdf"}))


def read_files(paths: Sequence[Path], max_bytes: int) -> list[bytes]:
    """Read input files, which together are no larger than one may be; whatever is wrong ends the command."""
    contents = [read_file(path, max_bytes) for path in paths]
    if sum(map(len, contents)) > max_bytes:
        usage(f"together these files have more than {max_bytes} bytes")
    return contents


def read_file(path: Path, max_bytes: int) -> bytes:
    """Read an input file; whatever is wrong ends the command with exit code 2 and one sentence."""
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        usage(f"{path}: {error.strerror}")
    if not content:
        usage(f"{path} is empty")
    if len(content) > max_bytes:
        usage(f"{path} has more than {max_bytes} bytes")
    return content
