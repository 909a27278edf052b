"""What an owner chooses on the command line, for `conform` and `submit`: read, and held against the slot's rules.

Whatever is wrong ends the command with exit code 2 and one sentence, before anything is read or sent. No sentence
quotes the caption's name.
"""

from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from rythmiq.contracts.choices import why_refused
from rythmiq.contracts.payload import Caption, Crop, Options, Point, refused_options
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq_cli.exits import usage

CropText = Annotated[
    str | None, typer.Option("--crop", help="x,y,width,height in shares of the picture, after --rotate.")
]
Rotate = Annotated[
    int | None,
    typer.Option(
        "--rotate",
        help="0, 90, 180 or 270 degrees clockwise, before all; without it a picture on its side is turned upright.",
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
_RULES = {"background": "background_edit", "caption": "caption"}
_FLAGS = {"background": "--background", "caption": "--caption-name"}
_CAPTION = {
    "name": "--caption-name is 1 to 60 Latin letters, digits, spaces and . ' - , ( ) /",
    "date": "--caption-date is a date of the calendar, YYYY-MM-DD",
}


def options_of(  # noqa: PLR0913  as many as there are to choose
    *,
    crop: str | None = None,
    rotate: int | None = None,
    face: str | None = None,
    background: Literal["white"] | None = None,
    caption_name: str | None = None,
    caption_date: str | None = None,
) -> Options:
    """Read the flags."""
    if rotate not in {None, 0, 90, 180, 270}:
        usage("--rotate is 0, 90, 180 or 270")
    return Options.model_validate(
        {
            "rotate": rotate,
            "crop": _shares(Crop, crop, "--crop is x,y,width,height, each a share 0..1 of the picture, inside it"),
            "face": _shares(Point, face, "--face is x,y, each a share 0..1 of the picture"),
            "background": background,
            "caption": _caption(caption_name, caption_date),
        }
    )


def hold_to_rules(options: Options, rules: SchemaDefinition) -> None:
    """End the command when the slot's rules do not allow an option."""
    for name in refused_options(options, rules):
        source = rules.source_of(_RULES[name])
        usage(f"leave {_FLAGS[name]} out: {why_refused(source.model_dump(mode='json') if source else None)}")


def _shares(model: type[Crop | Point], text: str | None, advice: str) -> Crop | Point | None:
    if text is None:
        return None
    try:
        numbers: list[Any] = [float(part) for part in text.split(",")]
        return model.model_validate(dict(zip(model.model_fields, numbers, strict=True)))
    except ValueError:  # pydantic's is one
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
