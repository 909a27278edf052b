"""What an owner chooses for a file, in requests and payloads alike, and how ids look.

Apart from the rules of portals, which the functions that take requests do not need.
"""

import datetime as dt
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from rythmiq.contracts.keys import UUID4_PATTERN

Uuid4 = Annotated[str, Field(pattern=UUID4_PATTERN)]
OcrLanguage = Literal["en", "hi"]
"""Languages that text is read in: en is Latin script, hi Devanagari with Latin letters and digits among it."""


QuarterTurn = Literal[0, 90, 180, 270]
"""Degrees clockwise."""
_NAME_LETTERS = frozenset(" .'-,()/0123456789")


def _latin_name(text: str) -> str:
    """Hold a name to what every Latin typeface prints; the message never quotes it."""
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    if not plain:
        raise ValueError("is empty")
    if not all(letter in _NAME_LETTERS or unicodedata.name(letter, "").startswith("LATIN ") for letter in plain):
        raise ValueError("takes Latin letters, digits, spaces and . ' - , ( ) / only")
    return plain


def _real_date(text: str) -> str:
    """Hold a date to the calendar."""
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a date of the calendar, YYYY-MM-DD") from None
    return text


def _visible(text: str) -> str:
    """Refuse what does not show: controls, marks of direction, ends of lines; `split` would take some for spaces."""
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for letter in text):
        raise ValueError("holds a character that does not show")
    return text


def why_refused(source: Mapping[str, object] | None) -> str:
    """Say why a slot does not take an option, by the source of its rule (`portal.Source`, as a mapping)."""
    reason = "the portal's rules do not allow it"
    url, note = (source or {}).get("source_url"), (source or {}).get("note")
    if note:
        return f"{reason}: {note}{f' ({url})' if url else ''}"
    return f"{reason}; see {url}" if url else reason


class Point(BaseModel):
    """A point of the upright picture, in shares of its width and height from the upper left."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    x: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    y: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Caption(BaseModel):
    """What is printed in the strip at the foot of a photo. It stands in no receipt, result or log."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[
        str, Field(min_length=1, max_length=60, repr=False), AfterValidator(_visible), AfterValidator(_latin_name)
    ]
    date: Annotated[
        str,
        Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", repr=False, description="YYYY-MM-DD; printed DD-MM-YYYY"),
        AfterValidator(_real_date),
    ]


class Crop(BaseModel):
    """A rectangle of the upright picture, in shares of its width and height."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    x: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    y: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
    width: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    height: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.x + self.width > 1 + 1e-6 or self.y + self.height > 1 + 1e-6:
            raise ValueError("the crop leaves the picture")
        return self


_LEAST_AREA = 0.01


def _real_quadrilateral(corners: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """Hold four corners to what a page can look like: no corner bent inwards, clockwise, not a splinter."""
    sides = list(zip(corners, corners[1:] + corners[:1], strict=True))
    for ((ax, ay), (bx, by)), ((_, _), (cx, cy)) in zip(sides, sides[1:] + sides[:1], strict=True):
        if (bx - ax) * (cy - by) - (by - ay) * (cx - bx) <= 0:  # y grows downwards, so clockwise is positive
            raise ValueError("are not the corners of a convex shape, clockwise from the upper left")
    if sum(ax * by - bx * ay for (ax, ay), (bx, by) in sides) / 2 < _LEAST_AREA:
        raise ValueError("enclose less than a hundredth of the picture")
    return corners


_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Corner = tuple[_Share, _Share]
Corners = Annotated[tuple[_Corner, _Corner, _Corner, _Corner], AfterValidator(_real_quadrilateral)]
"""A page's corners clockwise from its upper left, each [x, y] in shares of the upright picture, as in a receipt."""
WholePage = Literal["whole"]
"""The picture is the page: nothing is cut off and nothing is flattened."""


def one_of_the_shapes(corners: object, page: object, crop: object) -> list[str]:
    """The names of those that are given although another is: a person says in one way what of a picture is the page."""
    given = {"corners": corners, "page": page, "crop": crop}
    names = [name for name, value in given.items() if value is not None]
    return names if len(names) > 1 else []
