"""Types and small models that requests, payloads and rows share: ids, states, and an owner's options for a file.

Portal rules live apart, because the functions that take requests do not need them.
"""

import datetime as dt
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeVar, cast

from rythmiq.contracts.keys import UUID4_PATTERN
from rythmiq.contracts.validation import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PydanticCustomError,
    PydanticKnownError,
    Tag,
    model_validator,
)

_Entry = TypeVar("_Entry")
ONE, BY_PAGE = "one", "by page"
"""What is one for all pages, and a list by page; pydantic names a union's members so in the place of an error."""
JobStatus = Literal["pending", "processing", "completed", "failed"]
LedgerKind = Literal["grant", "reserve", "settle", "refund"]


def _integer(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise PydanticKnownError("int_type")
    return value


def _number(value: object) -> object:
    if isinstance(value, bool | str | bytes):
        raise PydanticKnownError("float_type")
    return value


INTEGER, NUMBER = BeforeValidator(_integer), BeforeValidator(_number)
"""Refuse `true` and "1", which pydantic would read as 1. They follow a field's bounds, so that OpenAPI shows these."""

Uuid4 = Annotated[str, Field(pattern=UUID4_PATTERN)]
OcrLanguage = Literal["en", "hi"]
"""Languages that text is read in: en is Latin script, hi Devanagari with Latin letters and digits among it."""
TextLanguage = Literal["hin", "ben", "tam", "tel", "guj", "mar", "kan", "mal", "pan", "ori", "asm", "nep", "urd"]
"""Languages that may stand beside Latin script, as Tesseract names them (OCR_LANGUAGES)."""

QuarterTurn = Annotated[Literal[0, 90, 180, 270], INTEGER]
"""Degrees clockwise."""
_NAME_PUNCTUATION = frozenset(" .'-,()/0123456789")


def _latin_name(text: str) -> str:
    """Hold a name to the letters that the caption's typeface has; the message never quotes it."""
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    if not plain:
        raise ValueError("is empty")
    if not all(letter in _NAME_PUNCTUATION or is_latin(letter) for letter in plain):
        raise ValueError("takes Latin letters, digits, spaces and . ' - , ( ) / only")
    return plain


def is_latin(letter: str) -> bool:
    """Whether a character is a letter of Europe's or Vietnam's Latin alphabets."""
    return (letter <= "\u017e" or "\u1ea0" <= letter <= "\u1ef9") and unicodedata.name(letter, "").startswith("LATIN ")


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


_NO_EDITED_BACKGROUND = "nothing says that it takes an edited background, and many portals compare with a live picture"


def why_refused(option: str, source: Mapping[str, object] | None) -> str:
    """Say why a slot does not take an option.

    Args:
        option: its name.
        source: of the slot's rule on it (`portal.Source`, as a mapping), where there is one.
    """
    reason = "the portal's rules do not allow it"
    if source is None:
        return f"{reason}: {_NO_EDITED_BACKGROUND}" if option == "background" else reason
    url, note = (source or {}).get("source_url"), (source or {}).get("note")
    if note:
        return f"{reason}: {note}{f' ({url})' if url else ''}"
    return f"{reason}; see {url}" if url else reason


class Point(BaseModel):
    """A point of the upright picture, in shares of its width and height from the upper left."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    x: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER]
    y: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER]


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

    x: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), NUMBER]
    y: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), NUMBER]
    width: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), NUMBER]
    height: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), NUMBER]

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


_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), NUMBER]
_Corner = tuple[_Share, _Share]
Corners = Annotated[tuple[_Corner, _Corner, _Corner, _Corner], AfterValidator(_real_quadrilateral)]
"""A page's corners clockwise from its upper left, each [x, y] in shares of the upright picture, as in a receipt."""
WholePage = Literal["whole"]
"""The picture is the page: nothing is cut off and nothing is flattened."""


MAX_PAGES_CHOSEN = 100


def _one_or_by_page(value: object) -> str:
    return BY_PAGE if isinstance(value, list | tuple) else ONE


def _corners_or_by_page(value: object) -> str:
    """By page is what has no numbers on its second level."""
    if not isinstance(value, list | tuple):
        return ONE
    first = next((entry for entry in value if entry is not None), None)
    inner = first[0] if isinstance(first, list | tuple) and first else None
    return BY_PAGE if first is None or isinstance(inner, list | tuple) else ONE


def is_by_page(name: str, value: object) -> bool:
    """Whether what was chosen as `rotate`, `corners` or `page` is a list by page."""
    return (_corners_or_by_page if name == "corners" else _one_or_by_page)(value) == BY_PAGE


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Holds a list to a length once its entries are right: pydantic's own counts the right ones, and tells twice."""

    entries: int

    def __call__(self, listed: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
        """Return the list, or refuse it."""
        if len(listed) < self.entries:
            raise PydanticCustomError("too_short", "has fewer than {least} entries", {"least": self.entries})
        return listed


_Listed = Field(max_length=MAX_PAGES_CHOSEN, json_schema_extra={"minItems": 1})
_Some = AfterValidator(AtLeast(1))
TurnByPage = Annotated[
    Annotated[QuarterTurn, Tag(ONE)] | Annotated[tuple[QuarterTurn | None, ...], _Listed, _Some, Tag(BY_PAGE)],
    Discriminator(_one_or_by_page),
]
CornersByPage = Annotated[
    Annotated[Corners, Tag(ONE)] | Annotated[tuple[Corners | None, ...], _Listed, _Some, Tag(BY_PAGE)],
    Discriminator(_corners_or_by_page),
]
WholeByPage = Annotated[
    Annotated[WholePage, Tag(ONE)] | Annotated[tuple[WholePage | None, ...], _Listed, _Some, Tag(BY_PAGE)],
    Discriminator(_one_or_by_page),
]


def one_of_the_shapes(corners: object, page: object, crop: object) -> list[str]:
    """The names of those that are given although another is: a person says in one way what of a picture is the page.

    Corners and `page` may take turns where both are lists by page.
    """
    given = {"corners": corners, "page": page, "crop": crop}
    names = [name for name, value in given.items() if value is not None]
    if len(names) < 2:  # noqa: PLR2004  two ways
        return []
    if crop is None and _corners_or_by_page(corners) == _one_or_by_page(page) == BY_PAGE:
        both = zip(cast("Sequence[object]", corners), cast("Sequence[object]", page), strict=False)
        return names if any(one is not None and other is not None for one, other in both) else []
    return names
