"""The worker's payload on STDIN.

Unknown fields are ignored, so that a newer API can talk to an older worker; `schema_definition` alone refuses them.

Source: docs/specification/worker.md.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from rythmiq.contracts.choices import (
    INTEGER,
    MAX_PAGES_CHOSEN,
    Caption,
    Corners,
    Crop,
    OcrLanguage,
    Point,
    QuarterTurn,
    Uuid4,
    WholePage,
    is_by_page,
    one_of_the_shapes,
)
from rythmiq.contracts.keys import MAX_ATTEMPTS, format_timestamp, parse_key
from rythmiq.contracts.portal import SchemaDefinition
from rythmiq.contracts.validation import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

__all__ = [
    "PAYLOAD_VERSION",
    "Caption",
    "Corners",
    "Crop",
    "DataKey",
    "Encryption",
    "InputReference",
    "Options",
    "PageChoices",
    "Payload",
    "Point",
    "PortalSchema",
    "StorageReference",
    "Uuid4",
    "WholePage",
    "WrappedKey",
    "payload_version",
    "refused_options",
    "require_own_source",
    "require_owned",
    "validate_artifact_source",
]


PAYLOAD_VERSION = 2
"""The newest `v` that this worker knows."""
_OPTIONS_OF_V2 = frozenset({"face", "background", "caption", "corners", "page", "text_layer"})
_BY_PAGE = ("rotate", "corners", "page")
_RULES_OF_V2 = frozenset(
    {
        "eye_line", "faces", "centring", "roll", "pose", "eyes", "mouth", "glasses", "headwear", "grey", "face_light",
        "level", "background_edit", "caption", "signatures", "text_layer",
    }
)  # fmt: skip


def payload_version(
    options: Mapping[str, object], schema_definition: Mapping[str, object], *, several: bool = False
) -> int:
    """The `v` that a worker must know for these options and rules: 2 where one of them is newer than v 1.

    Args:
        options: as the payload has them.
        schema_definition: ditto.
        several: whether the job has several uploads.
    """
    sources = schema_definition.get("sources")
    kinds = {source.get("source_kind") for source in sources.values()} if isinstance(sources, Mapping) else set()
    by_page = isinstance(options.get("rotate"), list | tuple)
    rules = _RULES_OF_V2 & schema_definition.keys() or "none_found" in kinds
    return PAYLOAD_VERSION if several or by_page or rules or _OPTIONS_OF_V2 & options.keys() else 1


def refused_options(options: "Options", rules: SchemaDefinition) -> tuple[str, ...]:
    """The names of the options that a slot's rules do not allow: two are for photos, a text layer is for a PDF."""
    photo, document = rules.kind in {"photo", "auto"}, rules.kind in {"document", "auto"}
    searchable = document and rules.output_format == "pdf" and rules.text_layer == "allowed"
    wanted = {
        "background": options.background is not None and not (photo and rules.background_edit == "allowed"),
        "caption": options.caption is not None and not (photo and rules.caption != "none"),
        "text_layer": options.text_layer is True and not searchable,
    }
    return tuple(name for name, refused in wanted.items() if refused)


def validate_artifact_source(
    artifact_url: str | None, raw_path: str | None, raw_paths: Sequence[str] | None = None
) -> Literal["url", "path", "paths"]:
    """Say which one of the sources a payload names.

    Raises:
        ValueError: several or none are given (PAYLOAD_INVALID).
    """
    if [bool(artifact_url), bool(raw_path), bool(raw_paths)].count(True) != 1:
        raise ValueError("give exactly one of artifact_url, raw_path and raw_paths")
    return "url" if artifact_url else "path" if raw_path else "paths"


def _key_bytes(length: int) -> BeforeValidator:
    """Read base64 with padding into exactly `length` bytes; the message never shows the value."""

    def read(value: object) -> bytes:
        if not isinstance(value, str):
            raise ValueError("is not a base64 string")  # noqa: TRY004  pydantic reports a ValueError, not a TypeError
        try:
            decoded = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not base64") from None
        if len(decoded) != length:
            raise ValueError(f"is not {length} bytes")
        return decoded

    return BeforeValidator(read)


DataKey = Annotated[bytes, _key_bytes(32)]
WrappedKey = Annotated[bytes, _key_bytes(40)]


class _Lenient(BaseModel):
    # hide_input: a validation message must never quote a key or a name.
    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)


class PortalSchema(_Lenient):
    """The rules of one slot, with the names they go by."""

    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True
    )

    id: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=200)]
    version: Annotated[str, Field(max_length=100)]
    schema_definition: SchemaDefinition
    portal: Annotated[str, Field(max_length=64)] | None = None
    slot: Annotated[str, Field(max_length=64)] | None = None


class InputReference(_Lenient):
    """Where the upload is, or the uploads in their order, and what its owner called it, or the first of them."""

    artifact_url: Annotated[str, Field(max_length=4_096)] | None = None
    raw_path: Annotated[str, Field(max_length=1_024)] | None = None
    raw_paths: tuple[Annotated[str, Field(max_length=1_024)], ...] | None = Field(
        default=None, min_length=2, max_length=100
    )
    mime_type: Annotated[str, Field(max_length=200)] | None = None
    original_filename: Annotated[str, Field(max_length=1_000)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        validate_artifact_source(self.artifact_url, self.raw_path, self.raw_paths)
        return self


class StorageReference(_Lenient):
    """The store that holds the job's objects; it must be the worker's own."""

    bucket: str
    region: str
    endpoint: str


def _is_empty(value: object) -> bool:
    return value == ()


class PageChoices(_Lenient):
    """What the owner chose for one page of several; what is None is said for all pages, or not at all."""

    rotate: QuarterTurn | None = None
    corners: Corners | None = None
    page: WholePage | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        _shaped_once(self.corners, self.page, None)
        return self


class Options(_Lenient):
    """What the owner chose, and the text's language.

    A photo's order is turn, face, level, crop, background, caption; level is no choice but the head's lean, mended.
    Of a document, `corners` says where the page lies and `page` that the picture is the page; either stands for `crop`.

    Shares are of the picture upright by EXIF and turned by `rotate`. Without `rotate` a photo that lies on its side is
    turned; 0 leaves it as it is. `face` is a point on the face to take, inside the crop when there is one. The language
    goes before the slot's own. In a payload `rotate`, `corners` and `page` may be lists by page; they are read into
    `by_page`, and `of_page` says what holds for one.
    """

    crop: Crop | None = None
    rotate: QuarterTurn | None = None
    ocr_language: OcrLanguage | None = None
    face: Point | None = None
    background: Literal["white"] | None = None
    caption: Caption | None = Field(default=None, repr=False)
    corners: Corners | None = None
    page: WholePage | None = None
    text_layer: bool | None = None
    by_page: tuple[PageChoices, ...] = Field(default=(), max_length=MAX_PAGES_CHOSEN, exclude_if=_is_empty)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_by_page(cls, data: object) -> object:
        if not isinstance(data, Mapping) or "by_page" in data:
            return data
        listed = {name: data[name] for name in _BY_PAGE if is_by_page(name, data.get(name))}
        pages = max(map(len, listed.values()), default=0)
        if not pages:
            return data
        choices = [
            {name: values[index] for name, values in listed.items() if index < len(values)} for index in range(pages)
        ]
        return {name: value for name, value in data.items() if name not in listed} | {"by_page": choices}

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        _shaped_once(self.corners, self.page, self.crop)
        for choices in self.by_page:
            corners, page = choices.corners or self.corners, choices.page or self.page
            _shaped_once(corners, page, self.crop)
        return self

    def of_page(self, index: int) -> "Options":
        """What holds for one page, counted from 0: its own choices before those for all."""
        if index >= len(self.by_page):
            return self
        own = {name: value for name, value in self.by_page[index] if value is not None}
        return self.model_copy(update=own)


def _shaped_once(corners: Corners | None, page: WholePage | None, crop: Crop | None) -> None:
    if names := one_of_the_shapes(corners, page, crop):
        raise ValueError(f"{' and '.join(names)} say the same thing in several ways; give one of them")


class Encryption(_Lenient):
    """The job's data key as the API unwrapped it, and what goes into every header the worker writes.

    `input_data_key` opens the upload when that was sealed under another key (a master of an earlier job);
    `input_data_keys` open the uploads of `input.raw_paths`, in the same order.
    """

    kid: Annotated[int, Field(ge=1, le=65_535), INTEGER]
    wrapped_key: WrappedKey = Field(repr=False)
    data_key: DataKey = Field(repr=False)
    input_data_key: DataKey | None = Field(default=None, repr=False)
    input_data_keys: tuple[DataKey, ...] | None = Field(default=None, repr=False)


class Payload(_Lenient):
    """One job."""

    job_id: Uuid4
    user_id: Uuid4
    portal_schema: PortalSchema
    input: InputReference
    storage: StorageReference
    v: Annotated[int, Field(ge=1, le=PAYLOAD_VERSION), INTEGER] = 1
    attempt: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS), INTEGER] = 1
    dispatched_at: dt.datetime | None = None
    document_id: Uuid4 | None = None
    options: Options = Field(default_factory=Options)
    encryption: Encryption | None = None

    @model_validator(mode="after")
    def _input_is_the_owners(self) -> Self:
        if self.dispatched_at is not None:
            format_timestamp(self.dispatched_at)  # it becomes part of file names
        require_own_source(self.input, self.user_id, self.job_id)
        if self.input.raw_paths is not None:
            if self.portal_schema.schema_definition.output_format != "pdf":
                raise ValueError("raw_paths are the pages of one PDF, and the slot's file is none")
            keys = self.encryption.input_data_keys if self.encryption is not None else None
            if self.encryption is not None and len(keys or ()) != len(self.input.raw_paths):
                raise ValueError("input_data_keys are one a key of raw_paths")
        return self


def require_own_source(source: InputReference, user_id: str, job_id: str) -> None:
    """Refuse a source that is not uploads of this user and job; a single key may be a master of the same user.

    Raises:
        ValueError: it is another's (PAYLOAD_INVALID).
    """
    if source.raw_path is not None:
        require_owned(source.raw_path, user_id, job_id)
    if source.raw_paths is not None:
        _require_uploads(source.raw_paths, user_id, job_id)


def _require_uploads(keys: Sequence[str], user_id: str, job_id: str) -> None:
    """Refuse a list that is not distinct uploads of this user, this job's own first.

    Raises:
        ValueError: it is not (PAYLOAD_INVALID).
    """
    if len(set(keys)) != len(keys):
        raise ValueError("a key is twice in raw_paths")
    for index, text in enumerate(keys):
        key = parse_key(text)
        if key.kind != "raw":
            raise ValueError("raw_paths are uploads")
        require_owned(text, user_id, job_id if index == 0 else key.job_id)


def require_owned(key_text: str, user_id: str, job_id: str) -> None:
    """Refuse a storage key that is not this user's and this job's upload (a master of the same user excepted).

    Raises:
        ValueError: the key is outside the grammar or belongs to another user (PAYLOAD_INVALID).
    """
    key = parse_key(key_text)
    if key.user_id != user_id:
        raise ValueError("the key belongs to another user")
    if key.kind == "master":
        return
    if key.kind != "raw" or key.job_id != job_id or key.is_dispatch:
        raise ValueError("the key is not an upload of this job")
