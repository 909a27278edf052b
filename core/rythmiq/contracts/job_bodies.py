"""Bodies of the HTTP API for jobs: the request, one job's view, and the lines of a list.

Source: docs/specification/http-api.md.
"""

import datetime as dt
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from rythmiq.contracts.bodies import MEDIA_TYPE, SLUG, AnswerBody, RequestBody, Text, fields_error, one_of
from rythmiq.contracts.choices import (
    AtLeast,
    Caption,
    CornersByPage,
    Crop,
    JobStatus,
    OcrLanguage,
    Point,
    TurnByPage,
    Uuid4,
    WholeByPage,
    one_of_the_shapes,
)


class JobOptions(RequestBody):
    """What the owner chose; see the worker's `options`."""

    crop: Crop | None = Field(default=None, description="a part of the picture, in shares of it")
    rotate: TurnByPage | None = Field(
        default=None,
        description="degrees clockwise, before everything else; when left out, a picture on its side is turned by what "
        "it shows, and 0 leaves it as it is; of several pages a list, null where nothing is said",
    )
    ocr_language: OcrLanguage | None = Field(default=None, description="of the text; goes before the slot's own")
    face: Point | None = Field(default=None, description="a point on the face to take, inside `crop`")
    background: Literal["white"] | None = Field(
        default=None, description="replace a photo's background, where the slot says `background_edit: allowed`"
    )
    caption: Caption | None = Field(
        default=None,
        description="a strip at the photo's foot, where the slot says `caption: allowed` or `required`: `name`, 1 to "
        "60 Latin letters, digits, spaces and . ' - , ( ) /, and `date`, YYYY-MM-DD, printed DD-MM-YYYY",
    )
    corners: CornersByPage | None = Field(
        default=None,
        description="of a document: the page's corners clockwise from its upper left, each [x, y] in shares; in place "
        "of `crop`; of several pages a list, null where the page is to be found",
    )
    page: WholeByPage | None = Field(
        default=None,
        description="of a document: the picture is the page, and nothing of it is cut off or flattened; of several "
        "pages a list, null where the page is to be found",
    )
    text_layer: bool | None = Field(
        default=None,
        description="put the text that is read into the PDF, unseen, so that it can be searched; where the slot's rule "
        "`text_layer` allows it",
    )

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if names := one_of_the_shapes(self.corners, self.page, self.crop):
            raise fields_error("CONFLICT", "say the same thing in several ways", names)
        return self


_RawPath = Annotated[str, Field(min_length=1, max_length=1_024)]
_SEVERAL = Field(max_length=100, json_schema_extra={"minItems": 2})


class JobRequest(RequestBody):
    """POST /jobs."""

    model_config = ConfigDict(json_schema_extra={"oneOf": one_of(("raw_path",), ("raw_paths",), ("artifact_url",))})

    portal: Annotated[str, Field(pattern=SLUG, max_length=64, description="a portal of the rule book")]
    slot: Annotated[str, Field(pattern=SLUG, max_length=64)] | None = Field(
        default=None, description="one of its slots; may be left out when it has one"
    )
    portal_version: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None, description="of the rules; the latest when left out"
    )
    raw_path: _RawPath | None = Field(default=None, description="of one's own upload, or of a master of one's own")
    raw_paths: Annotated[tuple[_RawPath, ...], _SEVERAL, AfterValidator(AtLeast(2))] | None = Field(
        default=None,
        description="in place of raw_path: of several uploads of one's own, at most MAX_PAGES, the pages of one PDF in "
        "this order; the first one's id is the job's, and one credit is charged",
    )
    artifact_url: Annotated[str, Field(min_length=1, max_length=4_096)] | None = Field(
        default=None, description="in place of raw_path: where the file can be fetched, from an allowed origin"
    )
    mime_type: Annotated[str, Field(pattern=MEDIA_TYPE)] | None = Field(
        default=None, description="of the file, or of the first"
    )
    original_filename: Text | None = Field(
        default=None, description="of the file, or of the first: names the document, by the slot's pattern"
    )
    options: JobOptions = Field(
        default_factory=JobOptions,
        description="what the owner chose; shares refer to the picture upright by EXIF and turned by `rotate`",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        names = ["raw_path", "raw_paths", "artifact_url"]
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            code, message = ("CONFLICT", "are several sources") if given else ("REQUIRED", "one of these is needed")
            raise fields_error(code, message, given or names)
        return self


class JobLinks(AnswerBody):
    """Addresses.

    `self` is this API's, and takes the token. The others are the object store's, signed, for a GET without a token;
    null until the object is there. What they give is sealed when `encryption` is not null: open `links.X` with
    `artifacts.X_path` as its storage key.
    """

    self: str
    preview: str | None = None
    before: str | None = None
    document: str | None = None
    text: str | None = Field(default=None, description="the text that was read; null where there is none")
    output: str | None = Field(default=None, description="the ZIP with the document, its receipt and the text")


class JobAccepted(AnswerBody):
    """202 of POST /jobs, also for a replay."""

    job_id: Uuid4
    status: JobStatus
    links: JobLinks


class JobKey(AnswerBody):
    """The key that opens the job's objects: base64 with padding."""

    kid: int
    data_key: str


class JobAdvice(AnswerBody):
    """One of `warnings` as a code and what it speaks of, so that a page can say it in another language."""

    code: str
    parameters: dict[str, str | int | float] = Field(default_factory=dict)


class JobError(AnswerBody):
    """Why a job failed: a code of docs/errors.md, the stage, and a sentence; `detail` is for programs."""

    code: str
    stage: str
    message: str | None = None
    retryable: bool
    detail: dict[str, Any] | None = None


class JobArtifacts(AnswerBody):
    """Storage keys of a completed job's objects, which are needed to open what is sealed."""

    master_path: str = Field(description="the upload, unedited: more jobs are made from it")
    preview_path: str
    document_path: str
    text_path: str | None = None
    before_path: str | None = None
    output_path: str | None = None


class JobView(AnswerBody):
    """200 of GET /jobs/{id}."""

    job_id: Uuid4
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    portal_version: str
    document_id: Uuid4 | None
    quality_score: float | None
    warnings: tuple[str, ...]
    advice: tuple[JobAdvice, ...] = ()
    error: dict[str, Any] | None
    charged: bool = Field(
        default=False,
        description="whether the credit is spent: of a completed job, and of one that failed of its input after the "
        "day's refunds were used up",
    )
    metrics: dict[str, Any] | None
    receipt: dict[str, Any] | None
    conforms: bool | None
    artifacts: dict[str, str] | None
    hashes: dict[str, str] | None = Field(
        default=None,
        description="SHA-256 of preview, document, text, master and output as they were made, before they were sealed",
    )
    links: JobLinks
    encryption: JobKey | None
    queue_position: int | None
    expected_start_at: dt.datetime | None
    created_at: dt.datetime
    expires_at: dt.datetime | None


class JobItem(AnswerBody):
    """One line of GET /jobs: no keys, no receipts."""

    job_id: Uuid4
    status: JobStatus
    stage: str | None
    attempt: int
    portal: str
    slot: str | None
    portal_version: str
    quality_score: float | None
    conforms: bool | None
    error_code: str | None
    created_at: dt.datetime
    links: JobLinks


class JobPage(AnswerBody):
    """200 of GET /jobs."""

    jobs: tuple[JobItem, ...]
    next_cursor: str | None
