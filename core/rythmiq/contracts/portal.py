"""A portal's rules: one `SchemaDefinition` a slot, each number with its source.

The flat v1 schema of the hand-off (`target_width, target_height, target_dpi, max_kb, filename_pattern, output_format,
quality`) is a subset of it. A field that is not listed here is refused: a rule we do not know is a rule we would
break. KB have two readings; the cap is kb x 1000 and the floor kb x 1024 bytes, so that a file is right in both.

Source: docs/specification/portals.md.
"""

import datetime as dt
import string
from typing import Annotated, Any, Literal, Self

from rythmiq.contracts.advice import Advice, Notice, WarningCode
from rythmiq.contracts.choices import INTEGER, NUMBER, OcrLanguage
from rythmiq.contracts.validation import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = [
    "EXTENSIONS",
    "KB_CAP_BYTES",
    "KB_FLOOR_BYTES",
    "MM_PER_INCH",
    "PLACEHOLDERS",
    "Confidence",
    "Kind",
    "OcrLanguage",
    "OutputFormat",
    "PixelBounds",
    "Portal",
    "PortalsAnswer",
    "SchemaDefinition",
    "Slot",
    "Slug",
    "Source",
]

KB_CAP_BYTES = 1000
KB_FLOOR_BYTES = 1024
MM_PER_INCH = 25.4
PLACEHOLDERS = frozenset({"job_id", "portal", "slot", "original"})

Kind = Literal["photo", "signature", "thumb", "document", "auto"]
Confidence = Literal["high", "medium", "low"]


def _format_word(value: object) -> object:
    word = value.lower() if isinstance(value, str) else value
    return "jpeg" if word == "jpg" else word


OutputFormat = Annotated[Literal["jpeg", "png", "pdf"], BeforeValidator(_format_word)]
EXTENSIONS: dict[str, Literal["jpg", "png", "pdf"]] = {"jpeg": "jpg", "png": "png", "pdf": "pdf"}

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
PositivePx = Annotated[int, Field(ge=1, le=20_000), INTEGER]
PositiveMm = Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False), NUMBER]
Ratio = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False), NUMBER]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), NUMBER]


class Source(BaseModel):
    """Where a number comes from, so that a receipt can cite it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    source_url: str
    source_kind: Annotated[
        Literal["official", "press", "secondary", "none_found"],
        Field(description="none_found: nothing was found that forbids it; source_url is the page that was searched"),
    ]
    checked_on: dt.date
    confidence: Confidence
    note: str | None = None


class PixelBounds(BaseModel):
    """The pixel sizes that a portal takes, inclusive; equal ends mean an exact size."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    min_width_px: int
    max_width_px: int
    min_height_px: int
    max_height_px: int

    @property
    def exact(self) -> bool:
        """Whether one size only will do."""
        return self.min_width_px == self.max_width_px and self.min_height_px == self.max_height_px

    def holds(self, width_px: int, height_px: int) -> bool:
        """Whether a picture of this size is within the bounds."""
        return (
            self.min_width_px <= width_px <= self.max_width_px and self.min_height_px <= height_px <= self.max_height_px
        )


class SchemaDefinition(BaseModel):
    """The rules of one slot. Every rule is optional; what is absent is not checked."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    kind: Kind = "auto"
    target_width: PositivePx | None = None
    target_height: PositivePx | None = None
    min_width: PositivePx | None = None
    max_width: PositivePx | None = None
    min_height: PositivePx | None = None
    max_height: PositivePx | None = None
    width_mm: PositiveMm | None = None
    height_mm: PositiveMm | None = None
    aspect_min: Ratio | None = Field(default=None, description="width over height, inclusive")
    aspect_max: Ratio | None = Field(default=None, description="width over height, inclusive")
    target_dpi: Annotated[int, Field(ge=1, le=2_400), INTEGER] | None = None
    min_kb: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False), NUMBER] | None = None
    max_kb: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False), NUMBER] | None = None
    formats: tuple[OutputFormat, ...] | None = Field(default=None, min_length=1)
    output_format: OutputFormat = "jpeg"
    filename_pattern: Annotated[str, Field(min_length=1, max_length=200)] = "{portal}_{slot}_{original}"
    background: Literal["any", "light", "white"] = "any"
    face: Literal["required", "prefer", "off"] = "prefer"
    face_ratio: tuple[Share, Share] | None = Field(default=None, description="head height over picture height")
    eye_line: tuple[Share, Share] | None = Field(
        default=None, description="height of the eyes above the lower edge over picture height"
    )
    faces: Literal["any", "one"] = Field(default="any", description="one: nobody else may be in the picture")
    centring: Literal["any", "centred"] = Field(default="any", description="the head in the middle, left to right")
    roll: Literal["any", "level"] = Field(default="any", description="level: the head does not lean")
    pose: Literal["any", "frontal"] = "any"
    eyes: Literal["any", "open"] = "any"
    mouth: Literal["any", "closed"] = "any"
    glasses: Literal["any", "clear", "none"] = Field(default="any", description="clear: no dark ones; none: no glasses")
    headwear: Literal["any", "religious", "none"] = Field(
        default="any", description="religious: none but for religion; never measured"
    )
    grey: Literal["any", "forbidden"] = Field(default="any", description="forbidden: a colour photo is due")
    face_light: Literal["any", "even"] = "any"
    level: Literal["allowed", "forbidden"] = Field(default="allowed", description="whether a leaning head is levelled")
    background_edit: Literal["forbidden", "allowed"] = Field(
        default="forbidden", description="whether `options.background` may replace the background"
    )
    caption: Literal["none", "allowed", "required"] = Field(
        default="none", description="a strip with name and date at the foot of the photo, by `options.caption`"
    )
    signatures: Annotated[int, Field(ge=1, le=9), INTEGER] | None = Field(
        default=None, description="how many signatures the picture shows, one below the other"
    )
    text_layer: Literal["forbidden", "allowed"] = Field(
        default="forbidden",
        description="whether `options.text_layer` may put invisible text into the PDF, so that it can be searched",
    )
    color: Literal["rgb", "gray", "bw"] = "rgb"
    fit: Literal["cover", "contain"] | None = Field(default=None, description="default: cover for a photo")
    enhance: Literal["off", "auto"] = "auto"
    ocr: Literal["off", "auto"] = "auto"
    ocr_language: OcrLanguage | None = Field(default=None, description="of the text; default: en")
    quality: Annotated[int, Field(ge=1, le=100), INTEGER] | None = Field(
        default=None, description="a cap, in Pillow's scale"
    )
    max_compression_ratio: Ratio | None = Field(default=None, description="raw RGB bytes over file bytes")
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    sources: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _former_name_of_the_caption(cls, data: object) -> object:
        """Read `name_date_strip` of rules that were stored before there was `caption`; jobs are pinned to them."""
        if not isinstance(data, dict) or "name_date_strip" not in data or "caption" in data:
            return data
        rules = dict(data)
        if rules.pop("name_date_strip") is True:
            rules["caption"] = "required"
        sources = rules.get("sources")
        if isinstance(sources, dict) and "name_date_strip" in sources:
            renamed = {"caption" if rule == "name_date_strip" else rule: source for rule, source in sources.items()}
            rules["sources"] = renamed
        return rules

    @model_validator(mode="before")
    @classmethod
    def _first_format_is_the_output(cls, data: object) -> object:
        formats = data.get("formats") if isinstance(data, dict) and "output_format" not in data else None
        if isinstance(data, dict) and isinstance(formats, list | tuple) and formats:
            return {**data, "output_format": formats[0]}
        return data

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        for low, high in (
            ("min_kb", "max_kb"),
            ("min_width", "max_width"),
            ("min_height", "max_height"),
            ("aspect_min", "aspect_max"),
            ("valid_from", "valid_to"),
        ):
            lower, upper = getattr(self, low), getattr(self, high)
            if lower is not None and upper is not None and lower > upper:
                raise ValueError(f"{low} is above {high}")
        for name in ("face_ratio", "eye_line"):
            shares = getattr(self, name)
            if shares is not None and shares[0] > shares[1]:
                raise ValueError(f"{name} is [least, most]")
        if self.formats is not None and self.output_format not in self.formats:
            raise ValueError("output_format is not among formats")
        if self.min_bytes is not None and self.max_bytes is not None and self.min_bytes > self.max_bytes:
            raise ValueError("no file is above min_kb x 1024 and below max_kb x 1000 bytes")
        self._one_pixel_rule()
        self._known_placeholders()
        unknown = set(self.sources) - set(type(self).model_fields)
        if unknown:
            raise ValueError(f"sources name no rule: {', '.join(sorted(unknown))}")
        return self

    def _one_pixel_rule(self) -> None:
        exact = self.target_width is not None or self.target_height is not None
        ranged = any(v is not None for v in (self.min_width, self.max_width, self.min_height, self.max_height))
        physical = self.width_mm is not None or self.height_mm is not None
        if exact + ranged + physical > 1:
            raise ValueError("give pixels in one way: exact, as a range, or in millimetres")
        if exact and (self.target_width is None or self.target_height is None):
            raise ValueError("target_width and target_height come together")
        if physical and (self.width_mm is None or self.height_mm is None or self.target_dpi is None):
            raise ValueError("width_mm, height_mm and target_dpi come together")

    def _known_placeholders(self) -> None:
        try:
            parts = list(string.Formatter().parse(self.filename_pattern))
        except ValueError as error:
            raise ValueError(f"filename_pattern: {error}") from error
        for _, name, spec, conversion in parts:
            if name is not None and (name not in PLACEHOLDERS or spec or conversion):
                raise ValueError(f"filename_pattern knows {', '.join(sorted(PLACEHOLDERS))} only")

    @property
    def max_bytes(self) -> int | None:
        """The cap that holds in both readings of KB, bytes."""
        return None if self.max_kb is None else int(self.max_kb * KB_CAP_BYTES)

    @property
    def min_bytes(self) -> int | None:
        """The floor that holds in both readings of KB, bytes."""
        return None if self.min_kb is None else -int(-self.min_kb * KB_FLOOR_BYTES // 1)

    @property
    def pixel_bounds(self) -> PixelBounds | None:
        """The sizes that this slot takes, or None when the portal names none."""
        if self.target_width is not None and self.target_height is not None:
            width, height = self.target_width, self.target_height
        elif self.width_mm is not None and self.height_mm is not None and self.target_dpi is not None:
            width = round(self.width_mm / MM_PER_INCH * self.target_dpi)
            height = round(self.height_mm / MM_PER_INCH * self.target_dpi)
        elif any(v is not None for v in (self.min_width, self.max_width, self.min_height, self.max_height)):
            return PixelBounds(
                min_width_px=self.min_width or 1,
                max_width_px=self.max_width or 20_000,
                min_height_px=self.min_height or 1,
                max_height_px=self.max_height or 20_000,
            )
        else:
            return None
        return PixelBounds(min_width_px=width, max_width_px=width, min_height_px=height, max_height_px=height)

    @property
    def extension(self) -> Literal["jpg", "png", "pdf"]:
        """File extension of the output, without the dot."""
        return EXTENSIONS[self.output_format]

    def source_of(self, *rules: str) -> Source | None:
        """The source of the first of these rules that has one."""
        return next((self.sources[rule] for rule in rules if rule in self.sources), None)


class Slot(SchemaDefinition):
    """One file that a portal asks for: its name beside its rules."""

    slot: Slug

    @property
    def schema_definition(self) -> SchemaDefinition:
        """The rules alone, as a worker's payload carries them."""
        return SchemaDefinition.model_validate(self.stated_rules())

    def stated_rules(self) -> dict[str, Any]:
        """What the slot states, as JSON: a rule of ours that it does not use changes nothing of it."""
        rules = self.model_dump(mode="json", exclude={"slot"}, exclude_defaults=True)
        # Left out, it would be read as the first of the formats.
        return rules if self.formats is None else {**rules, "output_format": self.output_format}


class Portal(BaseModel):
    """One portal of the rule book.

    `warnings` and `advice` are made when it is shown (`as_of`), never stored; they say the same, in the same order.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    portal: Slug
    name: str
    version: str
    aliases: tuple[Slug, ...] = Field(
        default=(), description="names that lead here as well, such as one without a year"
    )
    warnings: tuple[str, ...] = Field(default=(), description="what to know before these rules are relied on today")
    advice: tuple[Advice, ...] = Field(default=(), description="the warnings as codes and parameters")
    slots: tuple[Slot, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _slots_are_distinct(self) -> Self:
        names = [slot.slot for slot in self.slots]
        if len(names) != len(set(names)):
            raise ValueError("a slot is listed twice")
        return self

    def as_of(self, today: dt.date) -> "Portal":
        """This portal with what its rules warn of on that day: that they are past their date."""
        ended = [slot.valid_to.year for slot in self.slots if slot.valid_to is not None and slot.valid_to < today]
        if not ended:
            return self
        old = Notice(WarningCode.PORTAL_RULES_OLD, {"year": max(ended), "next_year": max(ended) + 1})
        advice = Advice(code=old.code.value, parameters=dict(old.parameters))
        return self.model_copy(update={"warnings": (str(old),), "advice": (advice,)})


class PortalsAnswer(BaseModel):
    """200 of GET /portals; rules that a slot does not have are left out."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    portals: tuple[Portal, ...]
