"""The arguments of a job on the command line: the portal's rules, the owner's options and the files.

Whatever is wrong ends the command with exit code 2 and one sentence, before anything is read or sent. No sentence
quotes the caption's name.
"""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from rythmiq.contracts.choices import why_refused
from rythmiq.contracts.job_bodies import JobOptions
from rythmiq.contracts.payload import Caption, Crop, Options, Point, refused_options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.portals import PortalUnknownError, load_portal
from rythmiq_cli.output import usage


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


CropText = Annotated[
    str | None, typer.Option("--crop", help="x,y,width,height in shares of the picture, after --rotate.")
]
Rotate = Annotated[
    str | None,
    typer.Option(
        "--rotate",
        help="0, 90, 180 or 270 degrees clockwise, before all; without it a picture on its side is turned upright. "
        "Of several pages a list, e.g. 90,,180.",
    ),
]
Face = Annotated[
    str | None, typer.Option("--face", help="x,y of a point on the face to take, in shares of the picture.")
]
Background = Annotated[
    Literal["white"] | None,
    typer.Option("--background", help="white: replace the background, where the portal allows it."),
]
CaptionName = Annotated[
    str | None,
    typer.Option("--caption-name", help="Print this name in a strip at the foot, where the portal takes one."),
]
CaptionDate = Annotated[
    str | None, typer.Option("--caption-date", help="The date in that strip, YYYY-MM-DD; printed DD-MM-YYYY.")
]
CornersText = Annotated[
    list[str] | None,
    typer.Option(
        "--corners",
        help="Where a document's page lies: x,y of its corners, clockwise from its upper left, eight shares in all. "
        "Repeated, page by page; - where it is to be found.",
    ),
]
PageText = Annotated[
    list[str] | None,
    typer.Option("--page", help="whole: the picture is the page. Repeated, page by page; - where it is to be found."),
]
TextLayer = Annotated[
    bool,
    typer.Option("--text-layer", help="Put the text that is read into the PDF, unseen, where the portal allows it."),
]
_RULES = {"background": "background_edit", "caption": "caption", "text_layer": "text_layer"}
_FLAGS = {"background": "--background", "caption": "--caption-name", "text_layer": "--text-layer"}
_TURNS = {"0": 0, "90": 90, "180": 180, "270": 270, "": None}
_LEFT_OUT = "-"
_CORNERS, _COORDINATES = 4, 2
_WRONG = {
    "rotate": "--rotate is 0, 90, 180 or 270, or a list of these by page",
    "corners": "--corners is x,y four times, clockwise from the page's upper left, each a share 0..1 of the picture",
    "page": "--page is whole, or - where a page is to be found",
}
_CAPTION = {
    "name": "--caption-name is 1 to 60 Latin letters, digits, spaces and . ' - , ( ) /",
    "date": "--caption-date is a date of the calendar, YYYY-MM-DD",
}


def options_of(  # noqa: PLR0913  as many as there are to choose
    *,
    crop: str | None = None,
    rotate: str | None = None,
    face: str | None = None,
    background: Literal["white"] | None = None,
    caption_name: str | None = None,
    caption_date: str | None = None,
    corners: Sequence[str] | None = None,
    page: Sequence[str] | None = None,
    text_layer: bool = False,
) -> JobOptions:
    """Read the flags."""
    chosen = {
        "rotate": _turns(rotate),
        "crop": _shares(Crop, crop, "--crop is x,y,width,height, each a share 0..1 of the picture, inside it"),
        "face": _shares(Point, face, "--face is x,y, each a share 0..1 of the picture"),
        "background": background,
        "caption": _caption(caption_name, caption_date),
        "corners": _one_or_by_page([_corners(text) for text in corners or ()]),
        "page": _one_or_by_page([None if text == _LEFT_OUT else text for text in page or ()]),
        "text_layer": text_layer or None,
    }
    try:
        return JobOptions.model_validate(chosen)
    except ValidationError as error:
        [wrong, *_] = error.errors(include_url=False, include_input=False)
        if wrong["type"] == "CONFLICT":
            flags = " and ".join(f"--{name}" for name in wrong["ctx"]["fields"])
            usage(f"give one of {flags}: each of them selects the page within the picture")
        usage(_WRONG.get(str(wrong["loc"][0]), wrong["msg"]))


def worker_options(options: JobOptions) -> Options:
    """The same as a payload has them."""
    return Options.model_validate(options.model_dump(exclude_none=True))


def hold_to_rules(options: JobOptions, rules: SchemaDefinition) -> None:
    """End the command when the slot's rules do not allow an option."""
    for name in refused_options(worker_options(options), rules):
        source = rules.source_of(_RULES[name])
        usage(f"leave {_FLAGS[name]} out: {why_refused(name, source.model_dump(mode='json') if source else None)}")


def _turns(text: str | None) -> Any:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not set(parts) <= _TURNS.keys() or parts == [""]:
        usage(_WRONG["rotate"])
    return _one_or_by_page([_TURNS[part] for part in parts])


def _corners(text: str) -> Any:
    if text == _LEFT_OUT:
        return None
    numbers = _numbers(text, _WRONG["corners"])
    if len(numbers) != _CORNERS * _COORDINATES:
        usage(_WRONG["corners"])
    return list(zip(numbers[::_COORDINATES], numbers[1::_COORDINATES], strict=True))


def _one_or_by_page(values: list[Any]) -> Any:
    return None if not values else values[0] if len(values) == 1 else values


def _shares(model: type[Crop | Point], text: str | None, advice: str) -> Crop | Point | None:
    if text is None:
        return None
    try:
        return model.model_validate(dict(zip(model.model_fields, _numbers(text, advice), strict=True)))
    except ValueError:  # pydantic's is one
        usage(advice)


def _numbers(text: str, advice: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        usage(advice)


def _caption(name: str | None, date: str | None) -> Caption | None:
    if name is None and date is None:
        return None
    if name is None or date is None:
        usage("--caption-name and --caption-date go together")
    try:
        return Caption(name=name, date=date)
    except ValidationError as error:
        usage(_CAPTION[str(error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"][0])])
