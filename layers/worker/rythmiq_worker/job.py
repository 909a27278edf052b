"""A job's context, and the values that its stages hand on: each stage takes earlier values and returns its own."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rythmiq.contracts.advice import Notice, WarningCode

if TYPE_CHECKING:
    # Naming their rooms costs a job nothing that does not enter them.
    from contextlib import AbstractContextManager

    from PIL.Image import Image

    from rythmiq.adapters.spaces import SpacesStore
    from rythmiq.contracts.payload import Payload
    from rythmiq.contracts.result import Artifacts, Hashes, Operation, Receipt
    from rythmiq.settings.worker import WorkerSettings
    from rythmiq_worker.conform.geometry import ResolvedKind
    from rythmiq_worker.decode.picture import Picture
    from rythmiq_worker.engines import PageText, TextLine, TextSight
    from rythmiq_worker.ink.judge import InkSight
    from rythmiq_worker.people.portrait import Portrait
    from rythmiq_worker.stages.quality import Quality


class PageReader(Protocol):
    """Reads the text of a page somewhere else."""

    def frame(self, image: "Image") -> "AbstractContextManager[object]":
        """Take the picture, RGB, so that nobody need hold it while it is read."""

    def read(self, frame: object, *, turn: bool, timeout_s: float) -> "PageText":
        """Read it.

        Raises:
            JobError: OCR_FAILED or OCR_TIMEOUT.
        """


@dataclass(frozen=True)
class Context:
    """What a job is given, and what it collects on its way.

    Attributes:
        payload: the job's input.
        settings: the worker's own; in the walled process those alone that its stages read.
        dispatched_at: the instant in the artifacts' names.
        warnings: each code once, in the order of discovery.
        reader: of text; None for one that this process starts itself.
    """

    payload: "Payload"
    settings: "WorkerSettings"
    dispatched_at: dt.datetime
    warnings: list[Notice] = field(default_factory=list)
    reader: "PageReader | None" = None

    @cached_property
    def store(self) -> "SpacesStore":
        """The worker's store, which tries each call once; one client serves the whole job."""
        return open_store(self.settings)

    def warn(self, *warnings: WarningCode | Notice) -> None:
        """Add warnings; a code that is there already is not repeated."""
        for warning in warnings:
            notice = warning if isinstance(warning, Notice) else Notice(warning)
            if notice.code not in {known.code for known in self.warnings}:
                self.warnings.append(notice)

    @cached_property
    def stored_sha256(self) -> dict[str, str]:
        """SHA-256 of what was stored, by storage key, as it was before it was sealed."""
        return {}

    def hashes(self, artifacts: "Artifacts") -> "Hashes":
        """Return the hashes of the result's artifacts, so that older ones cannot take their place."""
        from rythmiq.contracts.result import Hashes  # noqa: PLC0415  a job without artifacts has none

        stored = self.stored_sha256
        return Hashes(
            preview=stored[artifacts.preview_path],
            document=stored[artifacts.document_path],
            text=None if artifacts.text_path is None else stored[artifacts.text_path],
            master=stored[artifacts.master_path],
        )


class Upload(NamedTuple):
    """FETCH's value: the decrypted bytes of each upload, in order."""

    contents: tuple[bytes, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all uploads together."""
        return sum(map(len, self.contents))


class Decoded(NamedTuple):
    """DECODE's value.

    Attributes:
        pages: upright sRGB pictures, unedited.
        before: a small copy of the first page, RGB or gray.
    """

    pages: "tuple[Picture, ...]"
    before: "Image"


class Assessment(NamedTuple):
    """QUALITY's value, of the first page as it came.

    Attributes:
        kind: `auto` resolved once, with the faces.
        quality: its score and reasons.
        portrait: the face found on the page as its owner turned it; None for kinds without faces.
    """

    kind: "ResolvedKind"
    quality: "Quality"
    portrait: "Portrait | None"


class Enhanced(NamedTuple):
    """ENHANCE's value.

    Attributes:
        pages: what is conformed.
        operations: what was done to the pixels, for the receipt.
        ink: what the first page of a signature or thumb shows, measured on the upload; None for other kinds.
    """

    pages: "tuple[Picture, ...]"
    operations: "tuple[Operation, ...]" = ()
    ink: "InkSight | None" = None


class Texts(NamedTuple):
    """OCR's value.

    Attributes:
        enhanced: ENHANCE's value, with the pages turned that their text shows to lie wrong.
        pages: the text lines of each page that was read, in reading order; None when no text was looked for.
        sights: how much of each page's text was read; None for a page that was not read in time. Empty when no text
            was looked for.
    """

    enhanced: Enhanced
    pages: "tuple[tuple[TextLine, ...], ...] | None" = None
    sights: "tuple[TextSight | None, ...]" = ()

    @property
    def lines(self) -> "list[TextLine]":
        """The lines of all pages."""
        return [line for page in self.pages or () for line in page]

    @property
    def confidence(self) -> float | None:
        """Mean confidence of the lines, weighted by their length; None when there is no text."""
        weights = [max(1, len(line.text)) for line in self.lines]
        if not weights:
            return None
        total = sum(weight * line.confidence for weight, line in zip(weights, self.lines, strict=True))
        return round(total / sum(weights), 4)


class Document(NamedTuple):
    """SCHEMA's value.

    Attributes:
        content: the conformed file.
        receipt: measured on it.
        encodes: how often it was encoded to fit the byte budget.
        after: a small copy of it, RGB or gray; None for a PDF.
    """

    content: bytes
    receipt: "Receipt"
    encodes: int
    after: "Image | None"


class Conformed(NamedTuple):
    """The values of the stages between FETCH and UPLOAD."""

    decoded: Decoded
    assessment: Assessment
    texts: Texts
    document: Document


class Files(NamedTuple):
    """What is stored of a job, as bytes.

    Attributes:
        before: the upload as it came, small.
        text: empty where there is none.
        master: a JPEG of one page, a PDF of several.
    """

    document: bytes
    preview: bytes
    before: bytes
    text: bytes
    master: bytes
    pages: int


def open_store(settings: "WorkerSettings", *, timeout_s: float = 30.0) -> "SpacesStore":
    """Make a client of the worker's object store, which tries each call once, within `timeout_s`."""
    from rythmiq.adapters.spaces import SpacesStore, StoreConfig  # noqa: PLC0415  a job on local bytes needs no store

    config = StoreConfig(
        settings.spaces_endpoint,
        settings.spaces_region,
        settings.spaces_bucket,
        settings.spaces_key,
        settings.spaces_secret.get_secret_value(),
    )
    return SpacesStore(config, attempts=1, timeout_s=timeout_s, keep_alive=True)
