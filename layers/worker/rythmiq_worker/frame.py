"""What travels through the seven stages: the job, and the facts that each stage adds to it."""

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rythmiq.contracts.advice import Notice, WarningCode
from rythmiq.contracts.payload import Payload
from rythmiq.contracts.receipt import Operation, Receipt
from rythmiq.contracts.result import Artifacts
from rythmiq.settings.worker import WorkerSettings
from rythmiq_worker.decode.picture import Picture

if TYPE_CHECKING:
    # Naming their engines costs a job nothing that does not use them.
    from PIL.Image import Image

    from rythmiq_worker.engines.text import TextLine, TextSight
    from rythmiq_worker.ink.sight import InkSight
    from rythmiq_worker.people.portrait import Portrait


@dataclass(frozen=True, slots=True)
class Context:
    """What a job is given: its payload, the worker's settings, and the instant in its artifacts' names."""

    payload: Payload
    settings: WorkerSettings
    dispatched_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the upload is.

    Attributes:
        score: 0..1, two decimals.
        sub_scores: 0..1 by name (sharpness, exposure, contrast, noise, compression, resolution).
        reasons: what is wrong with it, worst first.
        measures: the raw figures by name, for the log and for calibration.
    """

    score: float
    sub_scores: dict[str, float]
    reasons: tuple[WarningCode, ...]
    measures: dict[str, float]


@dataclass(slots=True)
class Frame:
    """The state of one job between stages; each stage fills in its own part.

    Attributes:
        upload: FETCH's bytes, opened.
        originals: DECODE's upright sRGB pictures: the upload, unedited.
        pages: the same at first; ENHANCE may replace them.
        before: DECODE's small copy of the first page as it came, RGB.
        portrait: QUALITY's find on the first page as its owner turned it; None when nobody looked, which is so for
            kinds without faces.
        kind: photo, signature, thumb or document: `auto` resolved once, with the faces.
        quality: QUALITY's judgement of the first page as it came.
        operations: what was done to the pixels, for the receipt.
        ink: what the first page of a signature or thumb shows, on the upload; None for other kinds.
        lines: OCR's text lines in reading order; None when no text was looked for.
        page_lines: the same lines page by page, as far as pages were read.
        sights: how much of each page's text OCR has read; None for a page that was not read in time. Empty when no text
            was looked for.
        document: SCHEMA's conformed file, with its receipt.
        after: a small copy of it, RGB or gray; None of a PDF.
        artifacts: UPLOAD's storage keys.
        more_uploads: FETCH's bytes of the uploads after the first, in their order.
    """

    upload: bytes = b""
    originals: tuple[Picture, ...] = ()
    pages: list[Picture] = field(default_factory=list)
    before: "Image | None" = None
    portrait: "Portrait | None" = None
    kind: "Literal['photo', 'signature', 'thumb', 'document'] | None" = None
    quality: Quality | None = None
    operations: list[Operation] = field(default_factory=list)
    ink: "InkSight | None" = None
    lines: "list[TextLine] | None" = None
    page_lines: "list[list[TextLine]]" = field(default_factory=list)
    sights: "list[TextSight | None]" = field(default_factory=list)
    document: bytes = b""
    after: "Image | None" = None
    receipt: Receipt | None = None
    encodes: int = 0
    artifacts: Artifacts | None = None
    warnings: list[Notice] = field(default_factory=list)
    input_bytes: int | None = None
    more_uploads: tuple[bytes, ...] = ()

    def warn(self, *warnings: WarningCode | Notice) -> None:
        """Add warnings, each code once, in the order of their discovery."""
        for warning in warnings:
            notice = warning if isinstance(warning, Notice) else Notice(warning)
            if notice.code not in {known.code for known in self.warnings}:
                self.warnings.append(notice)
